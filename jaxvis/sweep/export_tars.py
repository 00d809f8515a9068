"""Tars as WebDataset reads them: the files of a sample follow each other and share a name."""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

BLOCK = tarfile.BLOCKSIZE
"""Files of a tar begin at multiples of these bytes."""


class Tars:
    """Tars 000000.tar, 000001.tar... of a folder, being written; use it in a `with` block.

    Their headers hold no time and no owner, so that the same samples give the same bytes.

    Args:
      folder: where they go.
      most_bytes: of a tar, unless a single sample has more.
      most_samples: of a tar; None for no limit.
    """

    def __init__(self, folder: Path, *, most_bytes: int, most_samples: int | None = None) -> None:
        self.folder, self.most_bytes, self.most_samples = folder, most_bytes, most_samples
        self.count = self._samples = self._size = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, files: Mapping[str, bytes]) -> None:
        """Adds a sample.

        Args:
          files: name -> bytes; names are the same up to their first dot.

        Raises:
          OSError: if it cannot be written.
        """
        headers = {name: _describe(name, len(data)) for name, data in files.items()}
        size = sum(_measure(headers[name], len(data)) for name, data in files.items())
        full = self._samples == self.most_samples or (
            self._samples > 0 and self._size + size > self.most_bytes - 20 * BLOCK
        )
        if self._tar is None or full:
            self._close()
            path = self.folder / f"{self.count:06d}.tar"
            self._tar = tarfile.open(path, "x", format=tarfile.PAX_FORMAT)
            self.count, self._samples, self._size = self.count + 1, 0, 0
        for name, data in files.items():
            self._tar.addfile(headers[name], io.BytesIO(data))
        self._samples, self._size = self._samples + 1, self._size + size

    def _close(self) -> None:
        if self._tar is None:
            return
        self._tar.close()
        with open(str(self._tar.name), "rb") as file:
            os.fsync(file.fileno())
        self._tar = None

    def __enter__(self) -> "Tars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()


def _describe(name: str, size: int) -> tarfile.TarInfo:
    """Describes a file without time and owner."""
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header


def _measure(header: tarfile.TarInfo, size: int) -> int:
    """Measures the bytes that a file takes in a tar, with its header."""
    return len(header.tobuf(tarfile.PAX_FORMAT)) + -(-size // BLOCK) * BLOCK
