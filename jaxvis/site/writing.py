"""The folder of a site: files are written where they have changed, and old ones removed."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from jaxvis.escape import escape_path
from jaxvis.output.files import read_regular_file, write_atomically
from jaxvis.site.addresses import SAFE

MANIFEST = "jaxvis-site.json"
"""The file that says that a folder is a site, and which files belong to it."""
LOCK = ".jaxvis.lock"
"""A file that commands put into the folders that they write to."""
SCHEMA = 1
"""Grows when the manifest's fields change their meaning."""


def read_manifest(site: Path) -> dict[str, str] | None:
    """Reads which files belong to a site: address -> key; None where it is no site.

    Args:
      site: the folder.

    Raises:
      OSError: if the manifest cannot be opened.
      ValueError: if it is none, or of a later jaxvis.
    """
    path = site / MANIFEST
    if not path.is_file():
        return None
    wrong = f"{escape_path(path)} is no manifest of a site: name a new folder with --out"
    try:
        found = json.loads(read_regular_file(path))
        schema, files = found["schema"], found["files"]
        if isinstance(schema, int) and schema > SCHEMA:
            wrong = f"{escape_path(site)} was made by a later jaxvis: name a new folder with --out"
            raise ValueError
        if not all(SAFE.fullmatch(one) and isinstance(key, str) for one, key in files.items()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(wrong) from None
    return dict(files)


def check_site(out: str | Path) -> None:
    """Checks that a site may be written to a folder: a new or empty one, or one of a site.

    Args:
      out: the folder; it need not exist.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it holds something else.
    """
    site = Path(out)
    if site.exists() and not site.is_dir():
        raise ValueError(f"{escape_path(site)} is a file: name a folder with --out")
    if not site.is_dir() or read_manifest(site) is not None:
        return
    there = sorted(one.name for one in site.iterdir() if one.name != LOCK)
    if there:
        raise ValueError(
            f"{escape_path(site)} holds {escape_path(there[0])} and no site: name a new or empty "
            "folder with --out"
        )


class Writer:
    """What writes the files of a site.

    Args:
      site: the folder; it exists.
      before: address -> key of the files that belonged to it; None for a new site.

    Attributes:
      written: how many files were written anew.
    """

    def __init__(self, site: Path, before: Mapping[str, str] | None) -> None:
        self.site = site
        self.before = before or {}
        self.now: dict[str, str] = {}
        self.written = 0
        self._folders: set[str] = set()
        if before is None:
            # First, so that a folder in which a build was cut short is known as a site.
            self._write_manifest()

    def put(self, address: str, data: bytes, *, key: str = "") -> None:
        """Writes a file, unless it already holds these bytes.

        Args:
          address: inside the site.
          data: all of it.
          key: of what it was made from, for `keep`.

        Raises:
          OSError: if it cannot be written.
        """
        self.now[address] = key
        path = self._path(address)
        try:
            with open(path, "rb") as file:
                if file.read() == data:
                    return
        except OSError:
            pass
        # Written without waiting for the disk, unlike results: a site can be made again.
        part = f"{path}.part"
        with open(part, "wb") as file:
            file.write(data)
        os.replace(part, path)
        self.written += 1

    def keep(self, addresses: Mapping[str, str]) -> bool:
        """Keeps files that were made from the same before; says whether all are there.

        Args:
          addresses: of the files -> key of what they are made from.
        """
        for address, key in addresses.items():
            if self.before.get(address) != key or not os.path.exists(self._path(address)):
                return False
        self.now |= addresses
        return True

    def link(self, address: str, source: Path) -> None:
        """Puts a picture into the site, as a second name of the same file where that goes.

        Args:
          address: inside the site.
          source: the file.

        Raises:
          OSError: if it cannot be copied.
        """
        if address in self.now:
            return
        self.now[address] = ""
        path = self._path(address)
        try:
            old, new = os.stat(path), os.stat(source)
            same = (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns)
            if os.path.samestat(old, new) or same:
                return
            os.unlink(path)
        except FileNotFoundError:
            pass
        try:
            os.link(source, path)
        except OSError:
            shutil.copy2(source, path)
        self.written += 1

    def finish(self) -> None:
        """Removes files that no longer belong to the site, and writes the manifest.

        Raises:
          OSError: if a file cannot be removed or written.
        """
        for address in self.before:
            if address not in self.now:
                (self.site / address).unlink(missing_ok=True)
                for folder in list((self.site / address).parents)[: address.count("/")]:
                    try:
                        folder.rmdir()
                    except OSError:
                        break
        self._write_manifest()

    def _write_manifest(self) -> None:
        files = self.now or dict(self.before)
        about = {"schema": SCHEMA, "files": dict(sorted(files.items()))}
        write_atomically(self.site / MANIFEST, (json.dumps(about, indent=0) + "\n").encode())

    def _path(self, address: str) -> str:
        folder = os.path.dirname(address)
        if folder not in self._folders:
            os.makedirs(self.site / folder, exist_ok=True)
            self._folders.add(folder)
        return os.path.join(self.site, address)
