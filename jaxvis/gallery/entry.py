"""What the table says of a picture: its commands, and the cells of its page."""

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """A command line of an entry.

    Attributes:
      line: as a reader types it, in a folder that holds the photographs.
      small: flags with their values that make it quick; they replace those of the line.
    """

    line: str
    small: str = ""

    def words(self, *, small: bool = False) -> list[str]:
        """Splits the line as a shell does.

        Args:
          small: whether the quick flags are put in.

        Raises:
          ValueError: if a quick flag has no value.
        """
        words = shlex.split(self.line.replace("\\\n", " "))
        flags = shlex.split(self.small) if small else []
        if len(flags) % 2:
            raise ValueError(f"every quick flag needs one value: {self.small}")
        for flag, value in zip(flags[::2], flags[1::2]):
            if flag in words:
                words[words.index(flag) + 1] = value
            else:
                words += [flag, value]
        return words


@dataclass(frozen=True)
class Cell:
    """One picture of a page, or all that a record lists.

    Attributes:
      path: a file that a command wrote, a photograph, or a folder with a record.json, of
        which every picture is shown; "" leaves the cell white.
      caption: below it; of a record's pictures a template of what it says of each, such as
        "{layer}: {error:.0%}".
      where: of a record, what must hold of a picture that is shown, as (fact, value); * in
        a value stands for anything.
      size: (H, W) in pixels that a file is cropped to; None keeps it.
    """

    path: str
    caption: str = ""
    where: tuple[tuple[str, str], ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Page:
    """How a picture is put together: rows of cells.

    Attributes:
      rows: of cells, from the top; shorter rows are filled up with white.
      labels: to the left of the rows; () for none.
      columns: a single row is broken after so many pictures; None keeps it whole.
      cell: the longest side of a picture in pixels; larger ones are shrunk.

    A page of one cell without a caption is that picture itself.
    """

    rows: tuple[tuple[Cell, ...], ...]
    labels: tuple[str, ...] = ()
    columns: int | None = None
    cell: int | None = None


@dataclass(frozen=True)
class Entry:
    """One entry of the table.

    Attributes:
      commands: in the order in which they run.
      pages: file of the documentation's folder -> how it is put together.
      minutes: that all takes on two processor cores, as a guess.
      weights: networks whose trained weights are needed.
      photographs: names that the commands use, keys of `jaxvis.gallery.photographs.FILES`.
      drawings: whether the commands use the drawings of the embedded network's classes.
      files: of the checkout that the picture depends on, such as measured numbers.
      data: files of the data folder of the tests, which JAXVIS_TEST_DATA names.
    """

    commands: tuple[Command, ...]
    pages: Mapping[str, Page]
    minutes: float
    weights: tuple[str, ...] = ()
    photographs: tuple[str, ...] = ()
    drawings: bool = False
    files: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def show(path: str) -> Page:
    """Makes the page that is one file as a command wrote it.

    Args:
      path: of the file.
    """
    return Page(rows=((Cell(path),),))


def hash_entry(entry: Entry, root: Path) -> str:
    """Computes the sum of an entry, which changes with what decides about its pictures.

    Args:
      entry: of the table.
      root: the checkout, where the files are that the entry depends on.

    Returns:
      str: a SHA-256 in hexadecimal.

    Raises:
      OSError: if one of these files cannot be read.
    """
    files = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in entry.files}
    parts = {
        "commands": [command.words() for command in entry.commands],
        "pages": {name: asdict(page) for name, page in entry.pages.items()},
        "photographs": entry.photographs,
        "drawings": entry.drawings,
        "files": files,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
