"""What a plan is about, opened again, and checked against the plan."""

import hashlib
from pathlib import Path
from typing import Any

from jaxvis.escape import escape_path
from jaxvis.output.folder import list_images
from jaxvis.sweep.kinds.base import Subject
from jaxvis.sweep.plan import Photos, Plan, Source
from jaxvis.weights.load import LoadedNetwork, load_network
from jaxvis.weights.tensor_file import hash_file


def open_source(source: Source) -> LoadedNetwork:
    """Opens a network of a plan.

    Args:
      source: the network.

    Raises:
      OSError: if a file cannot be opened.
      ValueError: for weights, labels or a description that have changed, or as
        `jaxvis.load`.
    """
    for path, wanted, what in (
        (source.name, source.net_sha256, "the description of the network"),
        (source.labels, source.labels_sha256, "the file of labels"),
    ):
        if wanted is not None and path is not None:
            _compare(hash_file(Path(path)), wanted, what, path)
    opened = load_source(source)
    if opened.sha256 != source.sha256:
        _compare(str(opened.sha256), str(source.sha256), "the weights", opened.weights)
    return opened


def load_source(source: Source) -> LoadedNetwork:
    """Opens a network whatever the sums of its files are.

    Args:
      source: the network.

    Raises:
      OSError, ValueError: as `jaxvis.load`.
    """
    options: dict[str, Any] = dict(source.options)
    if "classes_count" in options:
        options["classes"] = options.pop("classes_count")
    return load_network(source.name, weights=source.weights, labels=source.labels, **options)


def open_subject(plan: Plan) -> Subject:
    """Opens what a plan is about: its network and its photographs.

    Args:
      plan: any.

    Raises:
      OSError: if a file cannot be opened.
      ValueError: if weights or photographs are others than those of the plan.
    """
    return Subject(open_source(plan.network), open_photos(plan.photos))


def open_photos(photos: Photos | None) -> dict[str, Path]:
    """Finds the photographs of a plan, and checks that they are the same.

    Args:
      photos: those of the plan, or None.

    Returns:
      dict: name -> file.

    Raises:
      OSError: if one cannot be read.
      ValueError: if one has changed.
    """
    if photos is None:
        return {}
    found = {name: Path(photos.folder) / name for name in photos.files}
    for name, path in found.items():
        _compare(hash_file(path), photos.files[name], "the photograph", str(path))
    return found


def describe_photos(folder: str) -> Photos:
    """Describes the photographs of a folder by their sha256.

    Args:
      folder: the folder; subfolders count.

    Raises:
      OSError: if one cannot be read.
      ValueError: for a folder without images.
    """
    path = Path(folder)
    files = {file.relative_to(path).as_posix(): file for file in list_images(path)}
    sums = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    return Photos(folder, sums)


def _compare(found: str, wanted: str, what: str, path: str) -> None:
    if found != wanted:
        raise ValueError(
            f"{what} {escape_path(path)} has changed since the plan was made (sha256 "
            f"{found[:12]}..., planned {wanted[:12]}...): name the right file, or make a new plan"
        )
