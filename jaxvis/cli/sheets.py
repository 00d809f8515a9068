"""Contact sheets that stay of a size, however many pictures there are."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet

SHEET = 25_000_000
"""Pixels of a contact sheet; more pictures than fit are shown smaller."""


def write_sheet(
    path: Path,
    images: np.ndarray | Sequence[np.ndarray],
    captions: Sequence[str],
    *,
    seeds: int = 1,
    first: Sequence[tuple[str, np.ndarray]] = (),
) -> None:
    """Writes a contact sheet.

    Args:
      path: of the PNG file.
      images: `[H, W, 3]` each.
      captions: of each.
      seeds: images of one item, which stay in one row.
      first: (caption, image) shown before the others.

    Raises:
      OSError: if it cannot be written.
    """
    shown = [np.asarray(image) for _, image in first] + list(images)
    notes = [note for note, _ in first] + list(captions)
    columns = math.ceil(math.sqrt(len(shown)))
    # Whole rows of seeds, unless pictures of something else come first.
    if not first and seeds > 1:
        columns = seeds * max(1, round(columns / seeds))
    write_image(
        path, contact_sheet(shown, captions=notes, columns=columns, cell=cell_of(len(shown)))
    )


def cell_of(count: int) -> int:
    """Gives the side in pixels of a cell of a contact sheet.

    Args:
      count: of pictures.
    """
    return max(32, int(math.sqrt(SHEET / count)) - 8)
