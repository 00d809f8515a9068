"""Folders of images, under one rule: what cannot be used is skipped, counted and listed."""

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from jaxvis.output.io import read_image
from jaxvis.output.threads import map_ahead

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
"""Endings of the files that are read; others are counted and listed, and not opened."""


class FolderImage(NamedTuple):
    """An image of a folder.

    Attributes:
      name: its path inside the folder, with forward slashes.
      path: its path.
      value: what was read from it.
    """

    name: str
    path: Path
    value: Any


def list_images(folder: str | os.PathLike) -> list[Path]:
    """Lists the image files of a folder and its subfolders, sorted.

    Args:
      folder: the folder; hidden files and files of hidden folders are left out.

    Raises:
      OSError: if there is no such folder.
      ValueError: if it holds no file with one of the `ENDINGS`.
    """
    return _scan(Path(folder))[0]


def read_folder(
    folder: str | os.PathLike,
    *,
    skipped: dict[str, str],
    read: Callable[[Path], Any] = read_image,
    only: Collection[str] | None = None,
    ahead: int = 16,
    progress: bool = False,
) -> Iterator[FolderImage]:
    """Yields the images of a folder and its subfolders, in the order of their names.

    A file that cannot be read, because it is damaged or because `read` refuses it, is
    skipped, and its name and the reason are put into `skipped`. So are, in the end, files
    that are no images by their endings.

    Args:
      folder: the folder; hidden files are left out.
      skipped: name -> why the file was skipped; it is filled on the way.
      read: makes the value from a path and raises OSError or ValueError for a file that
        cannot be used; it runs in several threads.
      only: the names of the files to read, of which none has to be usable; None reads all
        of them.
      ahead: how many images are read before they are asked for, which is what they need
        in memory.
      progress: whether to show a bar.

    Raises:
      OSError: if there is no such folder.
      ValueError: for a folder without images; and in the end, if none could be used.
    """
    folder = Path(folder)
    images, others = _scan(folder)
    paths = [path for path in images if only is None or path.relative_to(folder).as_posix() in only]

    def try_to_read(path: Path) -> Any:
        try:
            return read(path)
        except (OSError, ValueError) as error:
            return error

    results = map_ahead(try_to_read, paths, ahead=ahead)
    bar = tqdm(results, total=len(paths), disable=not progress, delay=1)
    count = 0
    for path, value in zip(paths, bar):
        name = path.relative_to(folder).as_posix()
        if isinstance(value, Exception):
            skipped[name] = str(value)
            continue
        count += 1
        yield FolderImage(name, path, value)
    if not count and paths and only is None:
        first = next(iter(skipped.values()))
        raise ValueError(
            f"none of the {len(paths)} images in {folder} can be used; the first: {first}"
        )
    for path in others:
        skipped[path.relative_to(folder).as_posix()] = (
            f"is no image by its ending, {path.suffix}" if path.suffix else "has no ending"
        )


def _scan(folder: Path) -> tuple[list[Path], list[Path]]:
    """Lists the images of a folder, and the other files, both sorted."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    )
    images = [path for path in paths if path.suffix.lower() in ENDINGS]
    others = [path for path in paths if path.suffix.lower() not in ENDINGS]
    if not images:
        rest = f"; {others[0].name} is none" if others else ""
        raise ValueError(f"{folder} holds no image ({', '.join(ENDINGS)}){rest}")
    return images, others
