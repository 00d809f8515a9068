"""The picture files of a sweep's folder, and where they lie in the site."""

import os
import stat
from pathlib import Path

from jaxvis.site.addresses import picture_address


class Pictures:
    """The picture files of one folder.

    Args:
      folder: of the sweep.
      prefix: of their addresses in the site, such as "pictures/".

    Attributes:
      found: address in the site -> file.
      missing: paths of files that are named and are not there.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.found: dict[str, Path] = {}
        self.missing: list[str] = []
        self._inside: dict[Path, bool] = {}
        self._root = os.path.realpath(folder)

    def place(self, file: str | None) -> str | None:
        """Gives the address of a picture; None where there is none, or its file is not there.

        Links count as not there: they may lead out of the folder.

        Args:
          file: its path inside the folder, or None.
        """
        if file is None:
            return None
        address = self.prefix + picture_address(file)
        if address in self.found:
            return address
        path = self.folder / file
        try:
            there = stat.S_ISREG(os.lstat(path).st_mode) and self._is_inside(path.parent)
        except (OSError, ValueError):
            there = False
        if not there:
            self.missing.append(file)
            return None
        self.found[address] = path
        return address

    def _is_inside(self, parent: Path) -> bool:
        if parent not in self._inside:
            real = os.path.realpath(parent)
            self._inside[parent] = os.path.commonpath([real, self._root]) == self._root
        return self._inside[parent]
