"""MATLAB 5 to 7 files as plain trees; numbers stay in the file until they are read.

Own code and not scipy's loadmat, which allocates what an element claims, reads whole
files into memory, and crashes the interpreter on some damaged ones.

Source: MathWorks, MAT-File Format, level 5: elements of (type, size, bytes); a matrix
is an element of elements.
"""

import struct
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from weights_convert.checkpoint import DamageError, StoredTensor
from weights_convert.readers.bounds import MAX_DESCRIPTION, Budget, check_axes, map_file
from weights_convert.readers.inflate import Bytes, InflatedBytes, Source

Order = Literal["<", ">"]

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
MAX_DEPTH, MAX_INFLATED = 64, 1 << 31
"""Matrices inside matrices, and bytes of all compressed elements: bounds that no network
reaches."""


def load(path: Path) -> dict[str, Any]:
    """Returns the variables of a file: dicts, lists, text and tensors.

    Args:
      path: the file.

    Raises:
      DamageError: if it is damaged, or an element claims more than what it is in.
      CheckpointError: if it is too large.
    """
    data, budget = map_file(path), Budget()
    inflated = Budget(MAX_INFLATED, "compressed bytes")
    if len(data) < HEADER:
        raise DamageError("its header is cut off")
    order: Order = ">" if data[126:128].tobytes() == b"MI" else "<"
    variables, at = {}, HEADER
    while at < len(data):
        file = _File(Bytes(data), order, budget)
        element = file.read_element(at, len(data))
        if element.kind == COMPRESSED:
            packed = data[element.start : element.start + element.size]
            file = _File(InflatedBytes(packed, inflated), order, budget)
            kind, size = file.read_words(0)
            name, value = file.read_matrix(_Element(kind, TAG, size, TAG + size), 0)
        else:
            name, value = file.read_matrix(element, 0)
        file.source.rewind()
        variables[name] = value
        at = element.start + element.size
    return variables


class _Element(NamedTuple):
    kind: int
    start: int
    size: int
    next: int


class _File:
    """Elements over bytes."""

    def __init__(self, source: Source, order: Order, budget: Budget) -> None:
        self.source, self.order, self.budget = source, order, budget

    def read_words(self, at: int) -> tuple[int, int]:
        return struct.unpack(f"{self.order}II", self.source.read(at, TAG))

    def read_element(self, at: int, end: int) -> _Element:
        """Returns the element at byte `at` of something that ends at `end`."""
        if at + TAG > end:
            raise DamageError("an element breaks off")
        kind, size = self.read_words(at)
        if kind >> 16:  # a small element lives in its own tag
            return _Element(kind & 0xFFFF, at + 4, min(kind >> 16, 4), at + TAG)
        start = at + TAG
        if start + size > end:
            raise DamageError(f"an element claims {size} bytes, {end - start} are left")
        padded = size if kind == COMPRESSED else -(-size // 8) * 8
        return _Element(kind, start, size, min(start + padded, end))

    def read_bytes(self, element: _Element) -> bytes:
        """Returns the content of an element that describes others."""
        if element.size > MAX_DESCRIPTION:
            raise DamageError(f"a description of {element.size} bytes")
        content = self.source.read(element.start, element.size)
        if len(content) < element.size:
            raise DamageError("an element breaks off")
        return bytes(content)

    def read_matrix(self, element: _Element, depth: int) -> tuple[str, Any]:
        """Returns a matrix's name and what it holds; None if it is empty or unknown."""
        self.budget.spend(1)
        if element.kind != MATRIX or depth > MAX_DEPTH:
            raise DamageError(f"an element of type {element.kind}, {depth} deep")
        if not element.size:
            return "", None
        end = element.start + element.size
        flags = self.read_element(element.start, end)
        (word,) = struct.unpack(f"{self.order}I", self.read_bytes(flags)[:4])
        sizes = self.read_element(flags.next, end)
        shape = tuple(np.frombuffer(self.read_bytes(sizes), f"{self.order}i4").tolist())
        check_axes(len(shape))
        if min(shape, default=-1) < 0:
            raise DamageError("an array of negative size")
        # Read in the order of the file: going back would inflate it again from its start.
        name = self.read_element(sizes.next, end)
        text = self.read_bytes(name).decode("latin-1")
        return text, self._read_value(word & 0xFF, shape, name.next, end, depth)

    def _read_value(self, kind: int, shape: tuple[int, ...], at: int, end: int, depth: int) -> Any:
        if kind == CHAR:
            return self._read_text(at, end)
        if kind == CELL:
            return self._read_cells(at, end, prod(shape), depth)[0]
        if kind == STRUCT:
            return self._read_struct(at, end, prod(shape), depth)
        if FIRST_NUMERIC <= kind <= LAST_NUMERIC and prod(shape) > 0:
            return self._find_numbers(shape, self.read_element(at, end))
        return None

    def _read_cells(self, at: int, end: int, count: int, depth: int) -> tuple[list[Any], int]:
        values = []
        for _ in range(count):
            element = self.read_element(at, end)
            values.append(self.read_matrix(element, depth + 1)[1])
            at = element.next
        return values, at

    def _read_struct(self, at: int, end: int, count: int, depth: int) -> Any:
        """Returns a dict, or a list of them for an array of structs."""
        width = self.read_element(at, end)
        (length,) = struct.unpack(f"{self.order}i", self.read_bytes(width)[:4])
        names = self.read_element(width.next, end)
        text = self.read_bytes(names)
        if length <= 0:
            raise DamageError("a struct without sensible fields")
        # A struct without fields costs nothing in the file, but one part here.
        self.budget.spend((len(text) // length + 1) * count)
        fields = [
            text[i : i + length].split(b"\0")[0].decode("latin-1")
            for i in range(0, len(text), length)
        ]
        made, at = [], names.next
        for _ in range(count):
            values, at = self._read_cells(at, end, len(fields), depth)
            made.append(dict(zip(fields, values)))
        return made[0] if count == 1 else made

    def _read_text(self, at: int, end: int) -> str:
        element = self.read_element(at, end)
        codec = ENCODINGS[element.kind]
        if codec == "utf-16":
            codec += "-be" if self.order == ">" else "-le"
        return self.read_bytes(element).decode(codec)

    def _find_numbers(self, shape: tuple[int, ...], element: _Element) -> StoredTensor:
        dtype = np.dtype(NUMBERS[element.kind]).newbyteorder(self.order)
        if element.size != prod(shape) * dtype.itemsize:
            raise DamageError(f"an array of {prod(shape)} numbers in {element.size} bytes")
        return StoredTensor(shape, partial(self._read_array, shape, dtype, element))

    def _read_array(self, shape: tuple[int, ...], dtype: np.dtype, element: _Element) -> np.ndarray:
        self.source.verify()
        content = self.source.read(element.start, element.size)
        if len(content) < element.size:
            raise DamageError("an array breaks off")
        return np.frombuffer(content, dtype).reshape(shape, order="F")
