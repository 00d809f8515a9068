"""What killed processes left half written in the folder of a sweep: hidden, and worth nothing."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from jaxvis.sweep.plan import Plan
from jaxvis.sweep.run import choose_part
from jaxvis.sweep.store import FOLDERS

PART = re.compile(r"\.(.+?)(?:\.json)?\.\d+\.part")
"""Names of files and folders that were not finished; the group is the shard's name."""


def list_leftovers(folder: Path | None) -> list[Path]:
    """Lists what was left half written, sorted.

    A process that writes just now has such files too: hold the sweep before they are removed.

    Args:
      folder: of the sweep; None for a store elsewhere, which has none.
    """
    return [] if folder is None else [path for _, path in _find(folder)]


def remove_leftovers(folder: Path | None, plan: Plan, *, part: tuple[int, int] = (1, 1)) -> None:
    """Removes what killed processes left of the shards of a part.

    Args:
      folder: of the sweep, held (see `jaxvis.sweep.locking.hold_sweep`); None for a store
        elsewhere.
      plan: what is made.
      part: the part of it that is held.

    Raises:
      OSError: if something cannot be removed.
      ValueError: for a part that is none.
    """
    if folder is None:
        return
    names = {shard.name for shard in choose_part(plan, part)}
    for name, path in _find(folder):
        if name in names or part == (1, 1):
            remove_path(path)


def remove_path(path: Path) -> None:
    """Removes a file, or a folder with all that is in it.

    Args:
      path: one that is not there is no error.

    Raises:
      OSError: if it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _find(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields the name of the shard, and the path, of everything that was left."""
    for place in (folder, *(folder / name for name in FOLDERS)):
        for path in sorted(place.glob(".*.part")):
            if found := PART.fullmatch(path.name):
                yield found[1], path
