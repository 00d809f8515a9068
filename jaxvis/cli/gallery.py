"""jaxvis gallery: the pictures of the documentation, made again from one table."""

import sys
from collections.abc import Iterator
from pathlib import Path

import jaxvis
from jaxvis.cli.gallery_make import Maker, check_needs
from jaxvis.escape import escape_characters
from jaxvis.gallery.entry import Entry
from jaxvis.gallery.sums import (
    FILE,
    State,
    count_bytes,
    find_state,
    find_wrong,
    list_pictures,
    read_sums,
)
from jaxvis.gallery.table import TABLE, find_entry


def gallery(
    names: tuple[str, ...],
    /,
    *,
    photos: Path | None = None,
    out: Path | None = None,
    list: bool = False,
    check: bool = False,
    small: bool = False,
) -> int:
    """Makes the pictures of the documentation again, each with its commands of one table.

    It works in a checkout. Commands run in a temporary folder and are shown as they would
    be typed; a picture replaces the old one when its page is whole. Weights are those of the
    cache (jaxvis weights get, jaxvis convert). For example:
    jaxvis gallery demo_classes ranvgg
    jaxvis gallery styles --photos PHOTOGRAPHS --out scratch

    Args:
      names: of pictures, such as ranvgg or docs/styles.jpg; all if left out.
      photos: a folder with the photographs and paintings that --list names, in subfolders
        or not; needed for pictures that show some that do not come with jaxvis.
      out: the folder of the pictures and of their sums, gallery.json; docs of the checkout
        if left out.
      list: list the pictures, their commands, what they need, about how long they take on
        two cores, and whether they are up to date; make nothing.
      check: say which pictures are not as the table has them, are missing, or are in no
        entry, and whether all together are larger than 12 MB; exit code 2 if there is such
        a line.
      small: a quick version, to see it work, without weights and photographs but where a
        benchmark draws; for another folder than docs, and without sums.

    Raises:
      OSError: if a photograph, weights, a program or the folder cannot be opened.
      ValueError: for a name that the table does not have, for what a picture needs and is
        not there, before any work starts; and for a command that fails.
    """
    root = _find_checkout()
    folder = out or root / "docs"
    chosen = {one: TABLE[one] for one in dict.fromkeys(map(find_entry, names))} or TABLE
    if list + check + small > 1 or (check and names):
        raise ValueError("pass one of --list, --check (of all pictures) and --small")
    if check:
        return _check(folder, root)
    if list:
        for line in _describe(folder, root, chosen):
            print(line)
        return 0
    if small and folder.resolve() == (root / "docs").resolve():
        raise ValueError("--small makes no pictures for docs: name another folder with --out")
    found = check_needs(chosen, root, photos, small=small)
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker(folder.resolve(), root, found, small)
    return max([maker.make(name, entry) for name, entry in chosen.items()], default=0)


def _find_checkout() -> Path:
    """Finds the checkout that this jaxvis runs from."""
    root = Path(jaxvis.__file__).resolve().parents[1]
    if not (root / "docs" / "gallery.md").exists():
        raise ValueError(
            "jaxvis gallery works in a checkout of jaxvis, installed with pip install -e"
        )
    return root


def _check(folder: Path, root: Path) -> int:
    """Says what is wrong with the pictures of a folder; gives the exit code."""
    wrong = [*find_wrong(folder, TABLE, root)]
    sums = read_sums(folder)
    for name, entry in TABLE.items():
        state, note = find_state(folder, name, entry, root, sums)
        if state == State.OLD:
            print(f"{name} is {state}" + f" ({note})" * bool(note))
    for line in wrong:
        print(escape_characters(line), file=sys.stderr)
    pictures = list_pictures(folder)
    print(f"{len(pictures)} pictures, {count_bytes(pictures) / 1e6:.1f} MB, {len(wrong)} wrong")
    return 2 if wrong else 0


def _describe(folder: Path, root: Path, chosen: dict[str, Entry]) -> Iterator[str]:
    """Yields the lines that describe entries."""
    sums = read_sums(folder)
    for name, entry in chosen.items():
        state, note = find_state(folder, name, entry, root, sums)
        yield f"{name}: {state}" + f" ({note})" * bool(note)
        yield f"  makes {', '.join(entry.pages)} in about {_tell_minutes(entry.minutes)}"
        needs = [f"the weights of {net}" for net in entry.weights]
        needs += [f"{one} of --photos" for one in entry.photographs]
        needs += [f"{one} of JAXVIS_TEST_DATA" for one in entry.data]
        if needs:
            yield f"  needs {', '.join(needs)}"
        yield from (f"  {command.line}" for command in entry.commands)
    yield f"what is kept of them stands in {folder / FILE}"


def _tell_minutes(minutes: float) -> str:
    """Tells minutes of two cores in words."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s on two cores"
    if minutes < 90:
        return f"{minutes:g} min on two cores"
    return f"{minutes / 60:.1f} h on two cores"
