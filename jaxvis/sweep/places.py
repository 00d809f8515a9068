"""The places that a store may be in: a folder of this machine, or what fsspec reaches."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jaxvis.output.files import write_atomically


class Files(Protocol):
    """What a store needs of the place that it is in."""

    def read(self, path: str) -> bytes:
        """Reads the file `path`, from the root on."""

    def write(self, path: str, data: bytes) -> None:
        """Writes `data` to the file `path`, whole or not at all."""

    def list(self, folder: str) -> list[str]:
        """Lists the names in a `folder`; none where there is no such one."""

    def write_folder(self, path: str, files: Mapping[str, bytes]) -> None:
        """Writes `files` to the folder `path`; one that is there already is replaced."""

    def remove(self, path: str) -> None:
        """Removes the file `path`; one that is not there is no error."""


@dataclass(frozen=True)
class LocalFiles:
    """A folder of this machine.

    Attributes:
      root: the folder.
    """

    root: Path

    def read(self, path: str) -> bytes:
        """Reads the file `path`, from the root on."""
        return (self.root / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        """Writes `data` under a hidden name, flushes it and renames it to `path`."""
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(whole, data)

    def list(self, folder: str) -> list[str]:
        """Lists the names in a `folder` but the hidden ones."""
        try:
            return sorted(name for name in os.listdir(self.root / folder) if name[0] != ".")
        except FileNotFoundError:
            return []

    def write_folder(self, path: str, files: Mapping[str, bytes]) -> None:
        """Writes `files` under a hidden name, then renames that to `path`.

        Raises:
          OSError: if the folder cannot be written.
        """
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            for name, data in files.items():
                with open(part / name, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            # Its record is not there: what a killed process left is replaced.
            shutil.rmtree(whole, ignore_errors=True)
            os.replace(part, whole)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise type(error)(error.errno, error.strerror, str(whole)) from None
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def remove(self, path: str) -> None:
        """Removes the file `path`; one that is not there is no error."""
        (self.root / path).unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class RemoteFiles:
    """A place that fsspec reaches.

    Attributes:
      system: fsspec's file system.
      root: the path of the store in it.
    """

    system: Any
    root: str

    def read(self, path: str) -> bytes:
        """Reads the file `path`, from the root on."""
        found: bytes = self.system.cat_file(f"{self.root}/{path}")
        return found

    def write(self, path: str, data: bytes) -> None:
        """Writes `data` to `path`; object stores show it when it is whole."""
        whole = f"{self.root}/{path}"
        self.system.makedirs(whole.rpartition("/")[0], exist_ok=True)
        self.system.pipe_file(whole, data)

    def list(self, folder: str) -> list[str]:
        """Lists the names in a `folder`."""
        self.system.invalidate_cache()
        try:
            found = self.system.ls(f"{self.root}/{folder}".rstrip("/"), detail=False)
        except FileNotFoundError:
            return []
        names = {str(one).rstrip("/").rpartition("/")[2] for one in found}
        return sorted(names - {"", folder})

    def write_folder(self, path: str, files: Mapping[str, bytes]) -> None:
        """Writes `files` to the folder `path`, several at a time where the place can."""
        whole = f"{self.root}/{path}"
        self.system.makedirs(whole, exist_ok=True)
        if files:
            self.system.pipe({f"{whole}/{name}": data for name, data in files.items()})

    def remove(self, path: str) -> None:
        """Removes the file `path`; one that is not there is no error."""
        try:
            self.system.rm_file(f"{self.root}/{path}")
        except FileNotFoundError:
            return
