"""HDF5 files, which need h5py (the extra `convert` installs it).

A file may point to other files: external links, external storage, virtual datasets.
None of them is followed: other files on this machine are no part of a checkpoint.
"""

import io
import zlib
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from jaxvis.escape import escape
from weights_convert.checkpoint import CheckpointError, DamageError
from weights_convert.readers.bounds import Budget, map_file

DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3
"""HDF5's numbers of the filters that Keras and MATLAB use."""
CHECKSUM_BYTES, MAX_WORD = 4, 256
MAX_CHUNK, MAX_CHUNKS = 1 << 24, 100_000
"""Bytes of a chunk that is larger than its dataset, and compressed chunks of a dataset."""


class Region(NamedTuple):
    """A part of a file that is an HDF5 file, such as a stored entry of an archive.

    Attributes:
      path: the file.
      start: its first byte in it.
      size: how many bytes it has.
    """

    path: Path
    start: int
    size: int


def import_h5py() -> ModuleType:
    """Returns the module h5py.

    Raises:
      CheckpointError: if it is not installed; says how to install it.
    """
    try:
        import h5py
    except ImportError:
        raise CheckpointError(
            "is an HDF5 file (.h5, MATLAB 7.3), which needs h5py: pip install 'jaxvis[convert]'"
        ) from None
    return h5py


def open_file(path: Path | Region) -> Any:
    """Returns an open HDF5 file, a context manager.

    Args:
      path: the file, or the part of one.

    Raises:
      CheckpointError: if h5py is not installed.
      OSError: if the file is damaged.
    """
    source = _RegionFile(path) if isinstance(path, Region) else path
    return import_h5py().File(source, "r")


class _RegionFile(io.RawIOBase):
    """A region of a file, mapped, as a file to read."""

    def __init__(self, region: Region) -> None:
        self.data = map_file(region.path)[region.start : region.start + region.size]
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at}.get(whence, len(self.data))
        return self.at

    def readinto(self, buffer: Any) -> int:
        found = self.data[self.at : self.at + len(buffer)]
        buffer[: len(found)] = found.tobytes()
        self.at += len(found)
        return len(found)


def get_item(group: Any, name: str) -> Any:
    """Returns the group or dataset that a group has under a name.

    Args:
      group: the group.
      name: the name.

    Raises:
      CheckpointError: if it is a link to another file.
    """
    if isinstance(group.get(name, getlink=True), import_h5py().ExternalLink):
        raise CheckpointError(f"links {escape(name)} to another file, which is not read")
    return group[name]


def check_storage(dataset: Any) -> None:
    """Raises an error if a dataset is in other files, or stored as no checkpoint is.

    HDF5 looks for filters that it does not know among the programs on this machine.

    Args:
      dataset: the dataset.

    Raises:
      CheckpointError: if it is.
    """
    plan, layouts = dataset.id.get_create_plist(), import_h5py().h5d
    if plan.get_external_count() or plan.get_layout() == layouts.VIRTUAL:
        raise CheckpointError(f"keeps {escape(dataset.name)} in another file, which is not read")
    if plan.get_layout() != layouts.CHUNKED:
        return
    size = _find_chunk_size(dataset)
    if size > max(dataset.nbytes, MAX_CHUNK):
        raise CheckpointError(f"has chunks of {size} bytes in {escape(dataset.name)}")
    filters = _list_filters(dataset)
    inner = [code for code in filters if code != CHECKSUM]
    known = inner in ([], [DEFLATE], [SHUFFLE], [SHUFFLE, DEFLATE])
    if not known or filters.count(CHECKSUM) > 1:
        raise CheckpointError(
            f"compresses {escape(dataset.name)} as neither Keras nor MATLAB does: save it with "
            "gzip, or uncompressed"
        )


def _find_chunk_size(dataset: Any) -> int:
    return prod(dataset.chunks) * int(dataset.dtype.itemsize)


def _list_filters(dataset: Any) -> list[int]:
    """Returns the filters that a dataset is written with, in their order."""
    plan = dataset.id.get_create_plist()
    return [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]


def _check_chunks(dataset: Any) -> None:
    """Raises an error if a chunk is larger than it says: HDF5 would inflate all of it."""
    filters = [] if dataset.chunks is None else _list_filters(dataset)
    if DEFLATE not in filters:
        return
    size, skipped = _find_chunk_size(dataset), 1 << filters.index(DEFLATE)
    chunks: list[Any] = []
    dataset.id.chunk_iter(chunks.append)
    Budget(MAX_CHUNKS, "compressed chunks").spend(len(chunks))
    for chunk in chunks:
        if chunk.filter_mask & skipped:
            continue
        _, stored = dataset.id.read_direct_chunk(chunk.chunk_offset)
        most = size + CHECKSUM_BYTES
        if len(zlib.decompressobj().decompress(stored, most + 1)) > most:
            raise DamageError(f"a chunk of {escape(dataset.name)} is larger than it says")


def check_numbers(dataset: Any) -> tuple[int, ...]:
    """Returns the shape of a dataset of real numbers that are in the file itself.

    Args:
      dataset: the dataset.

    Raises:
      CheckpointError: if it is empty, holds other things, or as `check_storage`.
    """
    check_storage(dataset)
    if dataset.shape is None or dataset.dtype.kind not in "biuf":
        held = "nothing" if dataset.shape is None else escape(str(dataset.dtype))
        raise CheckpointError(f"holds no numbers in {escape(dataset.name)}, but {held}")
    return dataset.shape


def read_array(path: Path | Region, name: str) -> np.ndarray:
    """Returns the numbers of a dataset, of any shape.

    Args:
      path: the file, or the part of one.
      name: the dataset's name in it.

    Raises:
      CheckpointError: as `check_numbers`.
      OSError: if the file is damaged.
    """
    with open_file(path) as file:
        dataset = file[name]
        check_numbers(dataset)
        return read_values(dataset)


def read_values(dataset: Any) -> np.ndarray:
    """Returns the values of a dataset that has been checked, of any shape.

    Args:
      dataset: the dataset; its size and kind are known to be right.

    Raises:
      DamageError: if a chunk inflates to more than it says.
      OSError: if the file is damaged.
    """
    _check_chunks(dataset)
    return dataset[()]


def read_word(item: Any, name: str) -> bytes:
    """Returns an attribute that is a short text; b"" if there is none.

    Args:
      item: the group or dataset.
      name: the attribute's name.
    """
    if name not in item.attrs:
        return b""
    about = item.attrs.get_id(name)
    short = about.shape == () and about.dtype.kind == "S" and about.dtype.itemsize <= MAX_WORD
    return bytes(item.attrs[name]) if short else b""


def read_text(item: Any, name: str) -> str:
    """Returns an attribute that is a text of any kind that h5py writes; "" if there is none.

    Args:
      item: the group or dataset.
      name: the attribute's name.

    Raises:
      CheckpointError: if it is longer than a name.
    """
    if name not in item.attrs or item.attrs.get_id(name).shape != ():
        return ""
    text = item.attrs[name]
    if not isinstance(text, str | bytes):
        return ""
    if len(text) > MAX_WORD:
        raise CheckpointError(f"has a name of {len(text)} characters in {escape(item.name)}")
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
