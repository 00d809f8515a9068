"""Efros and Leung's texture synthesis in NumPy and SciPy: one matrix product a match.

All neighbourhoods of the texture are the rows of one matrix, so that the distances of a
query are a product with it, which is what BLAS does best. Pixels are chosen, and matches
allowed, by the rule that jaxvis's own docstring states; the program shares no code with
it. Neither JAX nor jaxvis is imported here.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

SLACK = 1e-6
ENOUGH = 3


class Grown(NamedTuple):
    """A grown picture.

    Attributes:
      places: (row, column) in the texture of every pixel, `[H, W, 2]`.
      errors: the best match's distance, pixel by pixel in the order of filling.
      excess: the most by which a pixel's match is farther than the rule allows.
    """

    places: np.ndarray
    errors: np.ndarray
    excess: float


class Texture:
    """The neighbourhoods of a texture, and what they are weighed by.

    Args:
      texture: `[h, w, C]` float32.
      window: side of the neighbourhood in pixels, odd.
      tolerance: how much worse than the best a match may be, relative to it.
    """

    def __init__(self, texture: np.ndarray, window: int, *, tolerance: float) -> None:
        self.values = texture - texture.mean((0, 1), keepdims=True)
        self.window, self.half, self.tolerance = window, window // 2, tolerance
        line = np.arange(window) - self.half
        gaussian = np.exp(-(line[:, None] ** 2 + line**2) / (2 * (window / 6.4) ** 2))
        self.gaussian = gaussian.astype(np.float32)
        views = np.lib.stride_tricks.sliding_window_view(self.values, (window, window), (0, 1))
        self.room = views.shape[:2]
        values = views.reshape(-1, texture.shape[-1], window * window)
        squares = (values**2).sum(1)
        flat = values.reshape(len(values), -1)
        self.matrix = np.ascontiguousarray(np.concatenate([flat, squares], 1))

    def measure(self, patches: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Measures the distances of queries from all neighbourhoods, `[P, S]`.

        Args:
          patches: `[P, w, w, C]`, 0 where they are not known.
          known: `[P, w, w]`.
        """
        weights = (self.gaussian * known).reshape(len(known), -1)
        values = patches.transpose(0, 3, 1, 2).reshape(len(known), -1, weights.shape[1])
        weighed = values * weights[:, None]
        queries = np.concatenate([-2 * weighed.reshape(len(known), -1), weights], 1)
        own = (weighed * values).sum((1, 2))
        total = values.shape[1] * weights.sum(1)
        found = (queries @ self.matrix.T + own[:, None]) / total[:, None]
        return np.maximum(found, 0, out=found)


def grow(
    texture: Texture,
    size: tuple[int, int],
    random: np.random.Generator,
    *,
    together: int | None = None,
    follow: np.ndarray | None = None,
) -> Grown:
    """Grows one picture from a 3x3 seed.

    Args:
      texture: where its pixels come from.
      size: (H, W) in pixels, at least 3 each.
      random: draws the order of equals, the choices among matches, and the seed.
      together: queries of one matrix product: 1 is the plain program, None takes all
        pixels that lie outside each other's windows.
      follow: `[H, W, 2]`, another program's places, which are copied and judged instead
        of this program's own.
    """
    order, choice = random.random(size), random.random(size).astype(np.float32)
    first = random.integers([length - 2 for length in texture.values.shape[:2]])
    corner = [(length - 3) // 2 for length in size]
    half, window = texture.half, texture.window
    edges = ((half, half), (half, half))
    values = np.zeros((size[0] + 2 * half, size[1] + 2 * half, texture.values.shape[-1]))
    values, known = values.astype(np.float32), np.pad(np.zeros(size, bool), edges)
    inside = (slice(half, half + size[0]), slice(half, half + size[1]))
    places, errors, excess = np.full((*size, 2), -1), [], 0.0

    def copy(y: int, x: int, row: int, column: int) -> None:
        places[y, x] = row, column
        values[y + half, x + half], known[y + half, x + half] = texture.values[row, column], True

    for y, x in np.ndindex(3, 3):
        copy(corner[0] + y, corner[1] + x, first[0] + y, first[1] + x)
    while not known[inside].all():
        chosen = _choose_pixels(known[inside], order, half)
        for part in _split(chosen, together):
            cuts = [(slice(y, y + window), slice(x, x + window)) for y, x in part]
            distances = texture.measure(
                np.stack([values[cut] for cut in cuts]), np.stack([known[cut] for cut in cuts])
            )
            best = distances.min(1)
            limits = best * np.float32(1 + texture.tolerance) + np.float32(SLACK)
            errors += best.tolist()
            for (y, x), away, limit in zip(part, distances, limits):
                if follow is None:
                    allowed = np.flatnonzero(away <= limit)
                    at = allowed[
                        min(int(choice[y, x] * np.float32(len(allowed))), len(allowed) - 1)
                    ]
                    row, column = np.array(divmod(at, texture.room[1])) + half
                else:
                    row, column = follow[y, x]
                    at = (row - half) * texture.room[1] + column - half
                    excess = max(excess, float(away[at] - limit))
                copy(y, x, row, column)
    return Grown(places, np.array(errors), excess)


def _choose_pixels(known: np.ndarray, order: np.ndarray, half: int) -> list[tuple[int, int]]:
    """Chooses the pixels to fill now, the one with most known neighbours first."""
    count = ndimage.convolve(known.astype(np.int8), np.ones((3, 3), np.int8), mode="constant")
    border = (count > 0) & ~known
    border &= count >= min(ENOUGH, count[border].max())
    rows, columns = np.nonzero(border)
    ranked = np.lexsort((order[border], -count[border]))
    taken, chosen = np.zeros(known.shape, bool), []
    for y, x in zip(rows[ranked].tolist(), columns[ranked].tolist()):
        if not taken[y, x]:
            chosen.append((y, x))
            taken[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1] = True
    return chosen


def _split(pixels: list, together: int | None) -> Iterator[list]:
    """Splits a list into parts of a length; None leaves it whole."""
    length = together or len(pixels)
    for first in range(0, len(pixels), length):
        yield pixels[first : first + length]
