"""Pages: the sheets that commands of analysis make, each a PNG file, and their record."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxvis.cli.checksums import hash_outputs
from jaxvis.cli.opening import describe_network
from jaxvis.cli.saving import Output
from jaxvis.output.arrays import to_display
from jaxvis.output.io import write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.output.resample import resample
from jaxvis.output.sheet import contact_sheet
from jaxvis.weights.load import LoadedNetwork

CELL = 72
"""About how many pixels a side has of what is shown on a page."""
MOST = 32
"""Channels on a page where nothing else is asked for."""


def magnify(
    picture: np.ndarray, *, side: int | None = None, smooth: bool = False, cell: int = CELL
) -> np.ndarray:
    """Enlarges a small picture for a page by a whole number, or shrinks a large one.

    Args:
      picture: `[h, w, C]` or grey `[h, w]`, in [0, 1] or uint8.
      side: of the picture that is to have about `cell` pixels; None takes its own longer one.
      smooth: whether pixels are blended, as in a photograph, and not shown as squares.
      cell: pixels of a side of what is shown.

    Returns:
      numpy.ndarray: `[H, W, 3]` in [0, 1].
    """
    shown = to_display(picture)
    longest = side or max(shown.shape[:2])
    if longest > cell or smooth:
        height, width = (max(1, round(n * cell / longest)) for n in shown.shape[:2])
        return resample(shown, (height, width))
    return shown.repeat(cell // longest, axis=0).repeat(cell // longest, axis=1)


def draw_rows(rows: Sequence[Sequence[np.ndarray]], captions: Sequence[str]) -> np.ndarray:
    """Draws a page of rows of pictures, each row with one caption below its first picture.

    Args:
      rows: pictures `[h, w, 3]`; shorter rows are filled up with white.
      captions: of the rows.

    Returns:
      numpy.ndarray: `[H, W, 3]` in [0, 1].
    """
    longest = max(map(len, rows))
    white = np.ones((1, 1, 3), np.float32)
    cells = [picture for row in rows for picture in [*row, *[white] * (longest - len(row))]]
    notes = [note for caption in captions for note in [caption, *[""] * (longest - 1)]]
    return contact_sheet(cells, captions=notes, columns=longest, gap=4)


def write_pages(
    output: Output,
    opened: LoadedNetwork,
    pages: Mapping[str, np.ndarray],
    *,
    about: Mapping[str, Mapping[str, Any]],
    others: Sequence[str] = (),
    **facts: Any,
) -> int:
    """Writes pages and their record, and says where they are; gives the exit code.

    Args:
      output: where.
      opened: the network.
      pages: name without ending -> `[H, W, 3]` in [0, 1].
      about: name -> facts of a page, for the record.
      others: further files of the folder that the record has the sha256 of.
      **facts: for `jaxvis.output.record.make_record`: command, arguments, inputs...

    Raises:
      OSError: if the folder cannot be written.
    """
    pictures = []
    for name, page in pages.items():
        path = output.path_of(name)
        write_image(path, page, bits=output.bits)
        pictures.append({"file": path.name, "name": name, **about.get(name, {})})
    files = [str(one["file"]) for one in pictures] + list(others)
    record = make_record(
        **facts,
        **describe_network(opened),
        pictures=pictures,
        files=hash_outputs(output.folder, files),
    )
    beside = output.file.with_suffix(".json") if output.file else None
    write_record(beside or output.folder / "record.json", record)
    count = f"{len(pictures)} page{'s' * (len(pictures) != 1)}"
    print(f"{output}: {count}, record")
    return 0
