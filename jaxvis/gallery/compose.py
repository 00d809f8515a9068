"""Pages of the documentation, put together from the pictures that commands wrote."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.gallery.entry import Cell, Page
from jaxvis.output.encode import encode_levels, to_levels
from jaxvis.output.io import SAMPLES, read_image, read_sample_photo
from jaxvis.output.sheet import contact_sheet
from jaxvis.output.text import draw_text

MOST_BYTES = 220_000
"""A JPEG page gets the best quality with which it is not larger than this."""
QUALITIES = (92, 88, 84, 80, 75, 70)
"""Of JPEG files, from the best."""
COMPACT = {"subsampling": 2, "optimize": True, "progressive": True}
"""Of JPEG files: colours at half the resolution (4:2:0), and less for the same pixels."""
GAP = 8
"""Pixels between pictures."""
FONT = 13
"""Size of captions and labels in pixels."""


def compose(folder: Path, page: Page) -> np.ndarray:
    """Composes a page.

    Args:
      folder: where the commands ran.
      page: its rows.

    Returns:
      numpy.ndarray: `[H, W, 3]` in [0, 1].

    Raises:
      OSError: if a picture or a record cannot be read.
      ValueError: for a cell that shows nothing, or a caption that asks for facts that a
        record does not have.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from jaxvis.gallery.compose import compose
    >>> from jaxvis.gallery.entry import Cell, Page
    >>> page = Page(rows=((Cell("chelsea", "a cat", size=(64, 64)), Cell("coffee")),), cell=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(compose(Path(folder), page).shape)
    (96, 152, 3)
    """
    rows = [[one for cell in row for one in _open_cell(folder, cell)] for row in page.rows]
    if len(rows) == 1 and len(rows[0]) == 1 and not rows[0][0][1]:
        return rows[0][0][0]
    columns = page.columns if len(rows) == 1 and page.columns else max(map(len, rows))
    white = (np.ones((1, 1, 3), np.float32), "")
    cells = [one for row in rows for one in [*row, *[white] * (-len(row) % columns)]]
    sheet = contact_sheet(
        [picture for picture, _ in cells],
        captions=[caption for _, caption in cells],
        columns=columns,
        cell=page.cell,
        gap=GAP,
        font_size=FONT,
    )
    return _add_labels(sheet, page.labels) if page.labels else sheet


def encode_page(page: np.ndarray, ending: str) -> bytes:
    """Encodes a page as the bytes of a small file.

    Args:
      page: `[H, W, 3]` in [0, 1].
      ending: .jpg, of the best quality that is small enough, or .png, without loss.

    Raises:
      ValueError: for another ending.
    """
    if ending not in (".jpg", ".png"):
        raise ValueError(f"pages are .jpg or .png files, not {ending or 'without an ending'}")
    levels, data = to_levels(page), b""
    if ending == ".png":
        return encode_levels(levels, "PNG", optimize=True)
    for quality in QUALITIES:
        data = encode_levels(levels, "JPEG", quality=quality, **COMPACT)
        if len(data) <= MOST_BYTES:
            break
    return data


def _open_cell(folder: Path, cell: Cell) -> Iterator[tuple[np.ndarray, str]]:
    """Yields the pictures of a cell, each with its caption."""
    path = folder / cell.path
    if not cell.path:
        yield np.ones((1, 1, 3), np.float32), cell.caption
    elif cell.path in SAMPLES and not path.exists():
        yield read_sample_photo(cell.path, size=cell.size), cell.caption
    elif path.is_dir():
        yield from _read_record(path, cell)
    else:
        yield read_image(path, size=cell.size), cell.caption


def _read_record(path: Path, cell: Cell) -> Iterator[tuple[np.ndarray, str]]:
    """Yields the pictures that a folder's record lists, those that the cell wants."""
    record = json.loads((path / "record.json").read_text(encoding="utf-8"))
    wanted = [one for one in record["pictures"] if _fits(one, cell)]
    if not wanted:
        raise ValueError(f"{path / 'record.json'} has no picture where {dict(cell.where)}")
    for one in wanted:
        try:
            caption = cell.caption.format(**_add_words(one))
        except (LookupError, TypeError, ValueError):
            raise ValueError(
                f"{path / 'record.json'} says of {one.get('name')} only {', '.join(one)}: the "
                f"caption {cell.caption!r} cannot be filled in"
            ) from None
        if one["file"] is None:  # it was not finite, and nothing was written
            yield np.full((1, 1, 3), np.nan, np.float32), caption
        else:
            yield read_image(path / one["file"], size=cell.size), caption


def _add_words(picture: dict[str, Any]) -> dict[str, Any]:
    """Adds to what a record says of a picture words that captions may use.

    The layer is the tap without the ending that all blocks of a network share. Where there is
    no label it is read from the name: "mosque + candle" of "0668_mosque+0470_candle".
    """
    layer = str(picture.get("tap", "")).removesuffix("/output").removesuffix("/concat")
    label = re.sub(r"\d+_(?=\D)", "", str(picture.get("name", ""))).replace("+", " + ")
    return {"label": label.replace("_", " "), "layer": layer, **picture}


def _fits(picture: dict[str, Any], cell: Cell) -> bool:
    return all(fnmatchcase(str(picture.get(fact)), value) for fact, value in cell.where)


def _add_labels(sheet: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
    """Adds a column of labels to the left of a sheet, one in the middle of each row."""
    inks = [draw_text(label, size=FONT) for label in labels]
    width = max(ink.shape[1] for ink in inks) + GAP
    column = np.ones((len(sheet), width, 3), np.float32)
    step = (len(sheet) - GAP) / len(labels)
    for number, ink in enumerate(inks):
        top = GAP + round((number + 0.5) * step - ink.shape[0] / 2)
        top = max(0, min(top, len(sheet) - ink.shape[0]))
        column[top : top + ink.shape[0], GAP : GAP + ink.shape[1]] -= ink[..., None]
    return np.concatenate([column, sheet], axis=1)
