"""safetensors files: opened without trusting them, and written whole or not at all."""

import contextlib
import hashlib
import io
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvis.escape import escape, escape_path

CONVERT = "jaxvis convert {source} --net {net} --out {net}.safetensors"
"""The command that makes a converted file."""
MAX_HEADER = 1 << 22
"""Bytes of the longest header that is read; that of a large network has 100,000."""
DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
"""NumPy's name of a dtype -> that of safetensors."""
NUMPY_DTYPES = {theirs: jnp.dtype(ours) for ours, theirs in DTYPES.items()}
ALIGNMENT, MAX_AXES = 64, 64
"""Bytes that arrays are aligned to, and the most axes that NumPy has."""


class TensorFileError(ValueError):
    """A file that is not read as a file of tensors.

    Args:
      path: the file.
      reason: what is wrong, as a sentence that begins with the path.
    """

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        super().__init__(f"{escape_path(path)} {reason}")
        self.reason = reason


def check_regular(path: str | os.PathLike) -> int:
    """Returns the size of a regular file in bytes.

    A pipe or a device is refused before it is opened: reading it may never end.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: if it does not exist.
      TensorFileError: if it is a folder, a pipe or a device, or empty.
    """
    status = os.stat(path)  # its FileNotFoundError names the file
    if stat.S_ISDIR(status.st_mode):
        raise TensorFileError(path, "is a folder, not a file of weights")
    if not stat.S_ISREG(status.st_mode):
        raise TensorFileError(path, "is a pipe or a device: copy it to a regular file")
    if status.st_size == 0:
        raise TensorFileError(path, "is empty: fetch it again")
    return status.st_size


def hash_file(path: str | os.PathLike) -> str:
    """Returns the sha256 of a file, 64 hexadecimal digits.

    Args:
      path: the file.

    Raises:
      OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Entry(NamedTuple):
    """Where a tensor is in a file.

    Attributes:
      dtype: its NumPy dtype.
      shape: its shape.
      start: its first byte in the file.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    start: int


class TensorFile:
    """An open safetensors file: what it says of itself, and its arrays when asked for.

    Args:
      path: the file, for errors.
      file: the open file.
      metadata: name -> text.
      entries: name of a tensor -> where it is.
    """

    def __init__(
        self,
        path: Path,
        file: io.BufferedReader,
        metadata: dict[str, str],
        entries: dict[str, Entry],
    ) -> None:
        self.path, self.file = path, file
        self.metadata, self.entries = metadata, entries

    @property
    def names(self) -> list[str]:
        """The names of the tensors."""
        return list(self.entries)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Returns the shape of a tensor without reading it.

        Args:
          name: one of `names`.
        """
        return self.entries[name].shape

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor of any shape.

        Args:
          name: one of `names`.

        Raises:
          TensorFileError: if the file has become shorter.
        """
        dtype, shape, start = self.entries[name]
        size = prod(shape) * dtype.itemsize
        # Aligned as JAX wants arrays, which it then takes without a copy.
        buffer = np.empty(size + ALIGNMENT, np.uint8)
        first = -buffer.ctypes.data % ALIGNMENT
        data = buffer[first : first + size]
        self.file.seek(start)
        if self.file.readinto(data.data) != size:
            raise TensorFileError(self.path, f"is truncated in {escape(name)}; fetch it again")
        return data.view(dtype).reshape(shape)

    def compute_sha256(self) -> str:
        """Returns the sha256 of the whole file, 64 hexadecimal digits."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()


@contextlib.contextmanager
def open_tensors(path: str | os.PathLike) -> Iterator[TensorFile]:
    """Yields an open safetensors file, checked; its tensors are not read yet.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: if it does not exist.
      TensorFileError: if it is not a regular file, empty, truncated or of another format,
        or holds other things than real numbers. Nothing is allocated for what it claims.
    """
    check_regular(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size  # a training may have replaced it just now
        start = file.read(9)
        length = int.from_bytes(start[:8], "little")
        if len(start) < 9 or start[8:9] != b"{":
            command = CONVERT.format(source=escape(Path(path).name), net="NET")
            raise TensorFileError(
                path, f"is not a safetensors file; to convert a checkpoint run: {command}"
            )
        if length > size - 8:
            raise TensorFileError(
                path,
                f"is truncated: its header claims {length} bytes, the file has {size}; fetch it "
                "again",
            )
        if length > MAX_HEADER:
            raise TensorFileError(path, f"has a header of {length} bytes, too long for a network")
        try:
            header = json.loads(start[8:] + file.read(length - 1))
            metadata, entries = _parse_header(header, length + 8, size)
        except _UnknownType as error:
            raise TensorFileError(path, str(error)) from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = f"is damaged or truncated ({escape(str(error))}); fetch it again"
            raise TensorFileError(path, reason) from error
        yield TensorFile(Path(path), file, metadata, entries)


class _UnknownType(ValueError):
    """Numbers of a type that NumPy does not have, as the end of a sentence."""


def _parse_header(
    header: dict[str, Any], start: int, end: int
) -> tuple[dict[str, str], dict[str, Entry]]:
    """Returns metadata and entries; tensors must fill the bytes from `start` to `end`."""
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its metadata are not texts")
    entries, at = {}, start
    for name, about in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape, offsets = about["dtype"], about["shape"], about["data_offsets"]
        if dtype not in NUMPY_DTYPES:
            raise _UnknownType(
                f"holds numbers of type {escape(dtype)} in {escape(name)}, which are not read: "
                "save them as float32"
            )
        if not all(type(n) is int and n >= 0 for n in (*shape, *offsets)) or len(shape) > MAX_AXES:
            raise ValueError(f"{escape(name)} has no sensible shape")
        entry = Entry(NUMPY_DTYPES[dtype], tuple(shape), at)
        at += prod(shape) * entry.dtype.itemsize
        if offsets != [entry.start - start, at - start]:
            raise ValueError(f"{escape(name)} is not where its shape says")
        entries[name] = entry
    if at != end:
        raise ValueError(f"its tensors end at byte {at}, the file at {end}")
    return metadata, entries


def write_tensors(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], *, metadata: Mapping[str, str]
) -> None:
    """Writes a safetensors file, whole or not at all; equal content gives equal bytes.

    Args:
      path: the file; a temporary one beside it is renamed onto it.
      arrays: name -> array of any shape and real dtype.
      metadata: name -> text.

    Raises:
      OSError: if it cannot be written.
      ValueError: for an array that does not hold real numbers.
    """
    path = Path(path)
    if not path.parent.is_dir():
        folder, name = escape_path(path.parent), escape(path.name)
        raise FileNotFoundError(f"there is no folder {folder} to write {name} to: make it")
    # Wide types first: every array then starts at a multiple of its item's size.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header = _encode_header({name: arrays[name] for name in names}, metadata)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            part = Path(folder) / path.name
            with part.open("wb") as file:
                file.write(len(header).to_bytes(8, "little") + header)
                for name in names:
                    file.write(view_bytes(arrays[name]).data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
    except OSError as error:
        # The name of the temporary file would mean nothing to the user.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def view_bytes(array: np.ndarray) -> np.ndarray:
    """Returns the bytes of an array as a file holds them, `[size]` uint8.

    Args:
      array: of any shape; copied only if it is not contiguous or not little-endian.
    """
    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8)


def _encode_header(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    start = 0
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"{escape(name)} holds {array.dtype}: only real numbers are written")
        end = start + array.nbytes
        header[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)
