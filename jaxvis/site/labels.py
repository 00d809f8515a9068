"""Labels of units, from a table that a person or another program wrote."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from jaxvis.escape import escape, escape_path
from jaxvis.output.files import read_regular_file

MOST = 2**26
"""Bytes of the longest table that is read."""
COLUMNS = (("tap", "index", "label", "score"), ("layer", "unit", "description", "similarity"))
"""Names of columns that are known; the last of each may be missing."""


class Label(NamedTuple):
    """The label of a unit.

    Attributes:
      text: the label.
      score: how well it fits, or None.
    """

    text: str
    score: float | None


def read_labels(path: str | Path) -> dict[tuple[str, int], Label]:
    """Reads labels of units from a CSV file.

    Args:
      path: of the file. Its columns are tap, index, label and maybe score; or layer, unit,
        description and maybe similarity, as CLIP-Dissect writes them. Of several labels of
        a unit, the one with the highest score counts, else the first.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no such table.
    """
    shown = escape_path(path)
    try:
        text = read_regular_file(path, most=MOST).decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        known = set(table.fieldnames or ())
        names = next((one for one in COLUMNS if known.issuperset(one[:3])), None)
        if names is None:
            raise ValueError(
                f"{shown} needs the columns tap, index and label (or layer, unit and description)"
            )
        found: dict[tuple[str, int], Label] = {}
        for line in table:
            unit, label = _read_line(line, names, f"{shown}, line {table.line_num}")
            if unit not in found or (label.score or 0) > (found[unit].score or 0):
                found[unit] = label
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{shown} is no CSV file ({escape(str(error))})") from None
    return found


def _read_line(
    line: Mapping[str, str | None], names: tuple[str, ...], where: str
) -> tuple[tuple[str, int], Label]:
    tap, index, text, score = (str(line.get(name) or "").strip() for name in names)
    if not (index.isascii() and index.isdigit() and len(index) < 10):
        raise ValueError(f"{where}: {names[1]} is {escape(index)!r}, and is a number from 0 up")
    try:
        number = float(score) if score else None
    except ValueError:
        raise ValueError(f"{where}: {names[3]} is {escape(score)!r} and no number") from None
    return (tap, int(index)), Label(text, number)
