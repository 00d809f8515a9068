"""The files of measures in a sweep's folder: names, what they were made of, reading, writing.

network.json              what the network is made of
measures/SLUG.json        what is known of a layer's units; written last
measures/SLUG/*.png       strips of patches of its units
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.escape import escape, escape_path, slug
from jaxvis.output.files import read_regular_file, write_atomically
from jaxvis.train.images import Images
from jaxvis.weights.tensor_file import hash_file

NETWORK, FOLDER = "network.json", "measures"
KNOWN = (NETWORK, FOLDER, "plan.json", "records", "shards", "times")
"""What a sweep's folder may hold, one of which it must unless it is empty."""
LINKS = "links"
"""The entry of what a layer was made of that only says which layers links lead to."""


def check_folder(folder: Path) -> None:
    """Checks that measures may be written into a folder.

    Args:
      folder: of a sweep, or an empty one, or one that is not there yet.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is a file, or a folder of something else.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{escape_path(folder)} is a file: name the folder of a sweep")
    names = [one.name for one in folder.iterdir()] if folder.exists() else []
    shown = [name for name in names if not name.startswith(".")]
    if shown and not set(shown) & set(KNOWN):
        raise ValueError(
            f"{escape_path(folder)} is no folder of a sweep: it holds {escape(shown[0])}, and no "
            f"{KNOWN[2]}; name a sweep's folder, or a new one"
        )


def name_files(taps: Sequence[str]) -> dict[str, str]:
    """Names the files of layers: tap -> its name without ending, no two alike.

    Args:
      taps: all layers of the network, so that a name does not depend on which are measured.
    """
    names: dict[str, str] = {}
    for tap in taps:
        stem = slug(tap) or "layer"
        name, number = stem, 1
        while name in names.values():
            number += 1
            name = f"{stem}_{number}"
        names[tap] = name
    return names


def hash_images(images: Images) -> str:
    """Hashes images and their names, in hexadecimal.

    Args:
      images: those that are shown.

    Raises:
      OSError: if a file of them cannot be read.
    """
    digest = hashlib.sha256(repr((images.size, images.names)).encode())
    for source in images.sources:
        if isinstance(source, np.ndarray):
            digest.update(np.ascontiguousarray(source).data)
        else:
            digest.update(hash_file(source).encode())
    return digest.hexdigest()


def read_object(path: Path) -> dict[str, Any] | None:
    """Reads a JSON file that holds an object; None where there is no such file, or no object.

    Args:
      path: of the file.
    """
    try:
        found = json.loads(read_regular_file(path))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_object(path: Path, value: Mapping[str, Any]) -> None:
    """Writes an object to a JSON file, whole or not at all.

    Args:
      path: of the file.
      value: all numbers in it are finite.

    Raises:
      OSError: if it cannot be written.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def is_there(folder: Path, name: str, made_of: Mapping[str, Any]) -> bool:
    """Says whether a layer has been measured, with the same weights, images and options.

    Args:
      folder: of the sweep.
      name: of the layer's file.
      made_of: what it would be made of.

    Raises:
      ValueError: if it has been measured with others; the message names them.
    """
    path = folder / FOLDER / f"{name}.json"
    found = read_object(path)
    if found is None or not isinstance(found.get("made_of"), dict):
        return False
    old = found["made_of"]
    other = [key for key in made_of if key != LINKS and old.get(key) != made_of[key]]
    if other:
        raise ValueError(
            f"{escape_path(path)} was made with other {' and '.join(other)}: pass --overwrite "
            "(overwrite=True) to replace it, or name another folder"
        )
    return old.get(LINKS) == made_of[LINKS] and all(
        (folder / file).is_file() for file in list_strips(found.get("units", ()))
    )


def list_strips(units: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lists the files of strips that the units of a layer name.

    Args:
      units: as a layer's file holds them.
    """
    kinds = ("top", "relevant", "quantiles")
    return [unit[kind]["file"] for unit in units for kind in kinds if unit.get(kind)]


def remove_strips(folder: Path, name: str, units: Iterable[Mapping[str, Any]]) -> None:
    """Removes strips of a layer that belong to no unit any more.

    Args:
      folder: of the sweep.
      name: of the layer's file.
      units: of the layer.

    Raises:
      OSError: if one cannot be removed.
    """
    wanted = {Path(file).name for file in list_strips(units)}
    for path in (folder / FOLDER / name).glob("[0-9]*_*.png"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
