"""Which pictures of the documentation are up to date: the sums that are kept of them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import jaxvis
from jaxvis.gallery.entry import Entry, hash_entry
from jaxvis.output.files import write_atomically

FILE = "gallery.json"
"""The file of the sums, beside the pictures."""
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg")
"""Endings of the files that are pictures."""
MOST_BYTES = 12_000_000
"""What all pictures together may have."""


class State(StrEnum):
    """What is known of the pictures of an entry."""

    FRESH = "fresh"
    OLD = "made before the table"
    STALE = "stale"
    MISSING = "missing"


def read_sums(folder: Path) -> dict[str, Any]:
    """Reads the sums that are kept beside the pictures; {} where there are none.

    Args:
      folder: of the pictures.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is damaged: take it from the repository again") from None
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ValueError(f"{path} is damaged: take it from the repository again")
    return found


def keep_sum(
    folder: Path, name: str, entry: Entry, root: Path, *, old: bool = False, note: str = ""
) -> None:
    """Keeps the sums of an entry's pictures as they are now.

    Args:
      folder: of the pictures.
      name: of the entry.
      entry: of the table.
      root: the checkout.
      old: whether the pictures are older than the table; they were not made by it just now.
      note: what should be known of them, such as a part of the commands that is a guess.

    Raises:
      OSError: if a picture cannot be read, or the file cannot be written.
      ValueError: if the file is damaged.
    """
    sums = read_sums(folder)
    sums[name] = {
        "entry": hash_entry(entry, root),
        "made": State.OLD if old else f"by jaxvis {jaxvis.__version__}",
        **({"note": note} if note else {}),
        "pictures": {file: _hash_file(folder / file) for file in entry.pages},
    }
    text = json.dumps(dict(sorted(sums.items())), indent=1) + "\n"
    write_atomically(folder / FILE, text.encode())


def find_state(
    folder: Path, name: str, entry: Entry, root: Path, sums: Mapping[str, Any]
) -> tuple[State, str]:
    """Finds what is known of an entry's pictures; gives the state, and why it is that one.

    Args:
      folder: of the pictures.
      name: of the entry.
      entry: of the table.
      root: the checkout.
      sums: as `read_sums` gives them.

    Raises:
      OSError: if a picture cannot be read.
    """
    missing = [file for file in entry.pages if not (folder / file).exists()]
    if missing:
        return State.MISSING, f"{', '.join(missing)} is not there"
    kept = sums.get(name)
    if kept is None:
        return State.STALE, "it was not made by the table"
    if kept.get("entry") != hash_entry(entry, root):
        return State.STALE, "its entry of the table has changed since"
    pictures = kept.get("pictures", {})
    changed = [one for one in entry.pages if pictures.get(one) != _hash_file(folder / one)]
    if changed:
        return State.STALE, f"{', '.join(changed)} was changed by something else"
    note = str(kept.get("note", ""))
    return (State.OLD if kept.get("made") == State.OLD else State.FRESH), note


def find_wrong(folder: Path, table: Mapping[str, Entry], root: Path) -> Iterator[str]:
    """Yields a line for each picture that is not as the table has it.

    Args:
      folder: of the pictures, and the sums beside them.
      table: name -> entry.
      root: the checkout.

    Raises:
      OSError: if a picture cannot be read.
      ValueError: if the file of the sums is damaged.
    """
    sums = read_sums(folder)
    for name, entry in table.items():
        state, why = find_state(folder, name, entry, root, sums)
        if state in (State.STALE, State.MISSING):
            yield f"{name} is {state}: {why}"
    known = {file for entry in table.values() for file in entry.pages}
    pictures = list_pictures(folder)
    for path in pictures:
        if path.relative_to(folder).as_posix() not in known:
            yield f"{path.relative_to(folder).as_posix()} is not in the table"
    total = count_bytes(pictures)
    if total > MOST_BYTES:
        yield f"all pictures have {total / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}"


def list_pictures(folder: Path) -> list[Path]:
    """Lists the pictures of a folder and its subfolders, sorted.

    Args:
      folder: of the documentation.
    """
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)


def count_bytes(pictures: Iterable[Path]) -> int:
    """Counts the bytes of all pictures.

    Args:
      pictures: files.

    Raises:
      OSError: if one is not there.
    """
    return sum(path.stat().st_size for path in pictures)


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
