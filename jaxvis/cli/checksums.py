"""The sha256 of what a command reads and of what it writes, for its record."""

import hashlib
import stat
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import TypeAlias

from jaxvis.output.folder import list_images
from jaxvis.output.io import SAMPLES
from jaxvis.weights.tensor_file import hash_file

Sums: TypeAlias = dict[str, str | None | dict[str, str | None]]
"""Path as it was given -> sha256 in hex; of a folder, name of each image -> its sha256.
None stands for a file that cannot be read."""


def hash_inputs(*sources: str | Path | None) -> Sums:
    """Hashes what a command was given, by the paths that it was given.

    Args:
      *sources: files; folders, of which every image counts, in subfolders too; or names
        of photographs that come with jaxvis. None is left out.

    Raises:
      OSError: if a file cannot be read; one in a folder gets None instead.
      ValueError: for a folder without images, or a pipe or device.
    """
    found: Sums = {}
    for source in sources:
        if source is None:
            continue
        path, name = Path(source), str(source)
        if path.is_dir():
            files = {file.relative_to(path).as_posix(): file for file in list_images(path)}
            found[name] = {inside: _hash_if_readable(file) for inside, file in files.items()}
        elif name in SAMPLES and not path.exists():
            photo = resources.files("jaxvis.output").joinpath("photographs", f"{name}.jpg")
            found[name] = hashlib.sha256(photo.read_bytes()).hexdigest()
        elif path.exists() and not path.is_file():  # reading it may never end
            raise ValueError(f"{path} is a pipe, socket or device: name a file")
        else:
            found[name] = hash_file(path)
    return found


def hash_outputs(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Hashes files that a command wrote, by their names inside its folder.

    Args:
      folder: where they are.
      names: of the files; one that is not there is left out.

    Raises:
      OSError: if one cannot be read.
    """
    return {name: hash_file(folder / name) for name in names if (folder / name).is_file()}


def _hash_if_readable(path: Path) -> str | None:
    """Hashes a file of a folder; None for what is no readable file, such as a pipe."""
    try:
        return hash_file(path) if stat.S_ISREG(path.stat().st_mode) else None
    except OSError:
        return None
