"""Pictures drawn at their points in a plane."""

from collections.abc import Sequence

import numpy as np

from jaxvis.output.arrays import to_display
from jaxvis.output.resample import crop_to

MOST = 200
"""Cells a side of the page, at most."""


def draw_embedding(
    points: np.ndarray,
    thumbnails: np.ndarray | Sequence[np.ndarray],
    *,
    cell: int = 32,
    columns: int | None = None,
    background: float = 1.0,
) -> np.ndarray:
    """Draws pictures at their points in a plane, on a grid so that none covers another.

    The plane is laid over a square grid, x to the right and y upwards, each stretched to the
    whole page. Points that lie nearest to the middle of their cell come first; where a cell
    is taken, a picture goes to the free one nearest to its point.

    Args:
      points: `[N, 2]`, x and y.
      thumbnails: `[N, H, W, 3]`, or a sequence of images `[H, W, 3]` or grey `[H, W]`, float
        in [0, 1] or uint8; they are cut to squares.
      cell: side of a picture in pixels.
      columns: cells a side; None takes enough for twice as many pictures.
      background: grey level in [0, 1].

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 RGB in [0, 1].

    Raises:
      ValueError: for points that are not finite, or not as many as the pictures, or for a
        grid of too few cells.

    >>> import numpy as np
    >>> import jaxvis
    >>> points = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> jaxvis.draw_embedding(points, np.zeros((2, 8, 8, 3)), cell=8).shape
    (16, 16, 3)
    """
    points = np.asarray(points, float)
    if points.shape != (len(thumbnails), 2) or not len(points) or not np.isfinite(points).all():
        raise ValueError(
            f"there are {len(thumbnails)} pictures and points of shape {points.shape}: pass one "
            "finite point (x, y) for each picture, and at least one"
        )
    side = columns or min(MOST, int(np.ceil(np.sqrt(2 * len(points)))))
    if side * side < len(points) or cell < 1:
        raise ValueError(
            f"{len(points)} pictures do not stand on {side}x{side} cells of {cell} pixels: take "
            "more columns, or fewer pictures"
        )
    page = np.full((side * cell, side * cell, 3), background, np.float32)
    for (row, column), picture in zip(snap_to_grid(points, side), thumbnails):
        place = np.s_[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        page[place] = crop_to(to_display(picture), cell)
    return page


def snap_to_grid(points: np.ndarray, side: int, /) -> np.ndarray:
    """Gives each point a cell of its own near it, `[N, 2]` int of (row, column).

    Args:
      points: `[N, 2]`, x and y, at most side^2.
      side: cells a side.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    range_ = np.where(high > low, high - low, 1)
    x, y = ((points - low) / range_).T
    at = np.stack([1 - y, x], axis=1) * (side - 1)
    at[:, high[::-1] <= low[::-1]] = (side - 1) / 2  # all on one line: in the middle
    free = np.stack(np.divmod(np.arange(side * side), side), axis=1).astype(float)
    cells = np.zeros((len(points), 2), int)
    order = np.argsort(np.abs(at - np.rint(at)).sum(axis=1), kind="stable")
    for i in order:
        near = int(np.argmin(((free - at[i]) ** 2).sum(axis=1)))
        cells[i] = free[near]
        free[near] = np.inf
    return cells
