"""Zip archives, as torch and NumPy write them."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from jaxvis.escape import escape
from weights_convert.checkpoint import CheckpointError
from weights_convert.readers.bounds import (
    MAX_DESCRIPTION,
    Budget,
    check_end,
    map_file,
    unpack,
)

ENCRYPTED = 1
"""Flag of an entry whose content is encrypted."""
LOCAL_HEADER = 30
"""Bytes of an entry's own header, before its name."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others are written by neither, and LZMA allocates what an entry claims."""


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Yields a zip archive, open for reading.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it has too many entries, or one that is encrypted or
        compressed in an unusual way.
    """
    with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        Budget(what="entries").spend(len(entries))
        for entry in entries:
            if entry.flag_bits & ENCRYPTED:
                raise CheckpointError(f"has an encrypted entry, {escape(entry.filename)}")
            if entry.compress_type not in METHODS:
                raise CheckpointError(
                    f"compresses {escape(entry.filename)} as neither torch nor NumPy does: "
                    "save it again"
                )
        yield archive


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Returns the content of an entry that describes others.

    Args:
      archive: the archive.
      entry: the entry.

    Raises:
      CheckpointError: if it claims too much.
    """
    if entry.file_size > MAX_DESCRIPTION:
        raise CheckpointError(
            f"claims {entry.file_size} bytes for {escape(entry.filename)}, too many for the "
            "description of a checkpoint"
        )
    return archive.read(entry)


def locate_entry(path: Path, entry: zipfile.ZipInfo) -> int:
    """Returns the byte of a file where the content of a stored entry begins.

    Args:
      path: the archive.
      entry: the entry, which is not compressed.

    Raises:
      DamageError: if the file ends before its content does.
    """
    data = map_file(path)
    name, extra = unpack("<HH", data, entry.header_offset + LOCAL_HEADER - 4)
    start = entry.header_offset + LOCAL_HEADER + name + extra
    check_end(start + entry.file_size, len(data))
    return start


class _BoundedFile(io.FileIO):
    """A file that is never read in large pieces.

    `zipfile` reads the list of entries in one piece, of whatever size the file claims.
    """

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            at = self.tell()
            size = max(self.seek(0, io.SEEK_END) - at, 0)
            self.seek(at)
        if size > MAX_DESCRIPTION:
            raise CheckpointError("has a list of entries that is too long for a checkpoint")
        return super().read(size)
