"""MATLAB 5 to 7 files as plain trees; numbers stay in the file until they are read.

Own code and not scipy's loadmat, which allocates what an element claims, reads whole
files into memory, and crashes the interpreter on some damaged ones.

Source: MathWorks, MAT-File Format, level 5: elements of (type, size, bytes); a matrix
is an element of elements.
"""

import struct
import zlib
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from weights_convert.checkpoint import LIMIT, Stored, damaged, mapped

HEADER, TAG = 128, 8
MATRIX, COMPRESSED = 14, 15
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
"""Element type -> numbers; an array is often stored in a smaller type than its own."""
ENCODINGS = {1: "utf-8", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
CELL, STRUCT, CHAR, FIRST_NUMERIC, LAST_NUMERIC = 1, 2, 4, 6, 15
DEPTH, CELLS, CHUNK = 64, 10**6, 1 << 20
"""Bounds that no network reaches."""


def load(path: Path) -> dict[str, Any]:
    """Returns the variables of a file: dicts, lists, text and `Stored` arrays.

    Args:
      path: the file.

    Raises:
      ValueError: if it is damaged, or an element claims more than what it is in.
    """
    data = mapped(path)
    if len(data) < HEADER:
        raise damaged(path, "its header is cut off")
    order = ">" if data[126:128].tobytes() == b"MI" else "<"
    variables, at = {}, HEADER
    try:
        while at < len(data):
            file = _File(_Plain(data), order)
            element = file.element(at, len(data))
            if element.kind == COMPRESSED:
                packed = data[element.start : element.start + element.size]
                file = _File(_Inflated(packed), order)
                inner = file.element(0, TAG + file.words(0)[1])
                name, value = file.matrix(inner)
            else:
                name, value = file.matrix(element)
            variables[name] = value
            at = element.start + element.size
    except (ValueError, LookupError, zlib.error, struct.error) as error:
        raise damaged(path, error) from None
    return variables


class _Element(NamedTuple):
    kind: int
    start: int
    size: int
    next: int


class _Source(Protocol):
    def read(self, at: int, size: int) -> bytes: ...


class _Plain:
    """The bytes of the file."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data

    def read(self, at: int, size: int) -> bytes:
        return self.data[at : at + size].tobytes()


class _Inflated:
    """A compressed element, inflated a piece at a time as it is read from the front."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self._restart()

    def _restart(self) -> None:
        self.inflater, self.fed = zlib.decompressobj(), 0
        self.ready, self.at = bytearray(), 0

    def read(self, at: int, size: int) -> bytes:
        if at < self.at:
            self._restart()
        self._fill(at - self.at, keep=False)
        self._fill(size, keep=True)
        return bytes(self.ready[:size])

    def _fill(self, size: int, *, keep: bool) -> None:
        """Gets `size` bytes ready, or passes over them."""
        while len(self.ready) < size and not self.inflater.eof:
            given = self.inflater.unconsumed_tail
            if not given:
                given = self.data[self.fed : self.fed + CHUNK].tobytes()
                self.fed += len(given)
                if not given:
                    break
            if not keep:
                size -= len(self.ready)
                self.at += len(self.ready)
                self.ready.clear()
            self.ready += self.inflater.decompress(given, CHUNK)
        if not keep:
            passed = min(size, len(self.ready))
            del self.ready[:passed]
            self.at += passed


class _File:
    """Elements over bytes."""

    def __init__(self, source: _Source, order: str) -> None:
        self.source, self.order = source, order

    def words(self, at: int) -> tuple[int, int]:
        return struct.unpack(f"{self.order}II", self.source.read(at, TAG))

    def element(self, at: int, end: int) -> _Element:
        """Returns the element at byte `at` of something that ends at `end`."""
        if at + TAG > end:
            raise ValueError("an element breaks off")
        kind, size = self.words(at)
        if kind >> 16:  # a small element lives in its own tag
            return _Element(kind & 0xFFFF, at + 4, min(kind >> 16, 4), at + TAG)
        start = at + TAG
        if start + size > end:
            raise ValueError(f"an element claims {size} bytes, {end - start} are left")
        padded = size if kind == COMPRESSED else -(-size // 8) * 8
        return _Element(kind, start, size, min(start + padded, end))

    def bytes(self, element: _Element) -> bytes:
        """Returns a describing element's content."""
        if element.size > LIMIT:
            raise ValueError(f"a description of {element.size} bytes")
        content = self.source.read(element.start, element.size)
        if len(content) < element.size:
            raise ValueError("an element breaks off")
        return content

    def matrix(self, element: _Element, depth: int = 0) -> tuple[str, Any]:
        """Returns a matrix's name and what it holds; None if it is empty or unknown."""
        if element.kind != MATRIX or depth > DEPTH:
            raise ValueError(f"an element of type {element.kind}, {depth} deep")
        if not element.size:
            return "", None
        end = element.start + element.size
        flags = self.element(element.start, end)
        sizes = self.element(flags.next, end)
        name = self.element(sizes.next, end)
        (word,) = struct.unpack(f"{self.order}I", self.bytes(flags)[:4])
        dims = np.frombuffer(self.bytes(sizes), f"{self.order}i4")
        shape = tuple(int(n) for n in dims)
        if min(shape, default=-1) < 0:
            raise ValueError(f"an array of shape {shape}")
        value = self._value(word & 0xFF, shape, name.next, end, depth)
        return self.bytes(name).decode("latin-1"), value

    def _value(self, kind: int, shape: tuple[int, ...], at: int, end: int, depth: int) -> Any:
        if kind == CHAR:
            return self._text(at, end)
        if kind == CELL:
            return self._cells(at, end, prod(shape), depth)[0]
        if kind == STRUCT:
            return self._struct(at, end, prod(shape), depth)
        if FIRST_NUMERIC <= kind <= LAST_NUMERIC and prod(shape):
            return self._numbers(shape, self.element(at, end))
        return None

    def _cells(self, at: int, end: int, count: int, depth: int) -> tuple[list[Any], int]:
        if count > CELLS:
            raise ValueError(f"{count} cells")
        values = []
        for _ in range(count):
            element = self.element(at, end)
            values.append(self.matrix(element, depth + 1)[1])
            at = element.next
        return values, at

    def _struct(self, at: int, end: int, count: int, depth: int) -> Any:
        """Returns a dict, or a list of them for an array of structs."""
        width = self.element(at, end)
        names = self.element(width.next, end)
        (length,) = struct.unpack(f"{self.order}i", self.bytes(width)[:4])
        text = self.bytes(names)
        if length <= 0 or len(text) // length * count > CELLS:
            raise ValueError("a struct without sensible fields")
        fields = [
            text[i : i + length].split(b"\0")[0].decode("latin-1")
            for i in range(0, len(text), length)
        ]
        made, at = [], names.next
        for _ in range(count):
            values, at = self._cells(at, end, len(fields), depth)
            made.append(dict(zip(fields, values)))
        return made[0] if count == 1 else made

    def _text(self, at: int, end: int) -> str:
        element = self.element(at, end)
        codec = ENCODINGS[element.kind]
        if codec == "utf-16":
            codec += "-be" if self.order == ">" else "-le"
        return self.bytes(element).decode(codec)

    def _numbers(self, shape: tuple[int, ...], element: _Element) -> Stored:
        dtype = np.dtype(NUMBERS[element.kind]).newbyteorder(self.order)
        if element.size != prod(shape) * dtype.itemsize:
            raise ValueError(f"an array {shape} of {element.size} bytes")
        return Stored(shape, partial(self._array, shape, dtype, element))

    def _array(self, shape: tuple[int, ...], dtype: np.dtype, element: _Element) -> np.ndarray:
        content = self.source.read(element.start, element.size)
        if len(content) < element.size:
            raise ValueError(f"an array {shape} breaks off: fetch the file again")
        return np.frombuffer(content, dtype).reshape(shape, order="F")
