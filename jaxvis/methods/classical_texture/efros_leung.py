"""Efros & Leung's texture synthesis: pictures grown pixel by pixel from a seed."""

from collections.abc import Iterable
from functools import partial
from itertools import product
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxvis.compiler import jit
from jaxvis.methods.classical_texture.neighbours.masked import (
    compute_distances,
    gaussian_window,
    list_neighbourhoods,
    pick,
)
from jaxvis.methods.classical_texture.neighbours.source import (
    NOWHERE,
    check_texture,
    copy_pixels,
    make_generators,
    picture_size,
    reduce_channels,
)
from jaxvis.types import Array, ImageLike, Interrupted, Key, Run

SLACK = 1e-6
"""A quarter of a grey level, squared: matches this near to the best one are as good.
Where the best is perfect, a tolerance relative to it would leave no choice but
rounding's."""
ENOUGH = 3
"""Known neighbours, of eight: as many as a pixel at a straight front has."""
BATCHES = (8, 24)
"""Neighbourhoods compared at once, always one of these numbers: others would compile
again. Fewer take as long on a CPU, more are hardly faster for each."""


def efros_leung(
    image: ImageLike,
    *,
    size: int | tuple[int, int] | None = None,
    window: int = 15,
    seeds: int = 1,
    key: Key | int = 0,
    tolerance: float = 0.1,
    max_error: float = 0.3,
    tileable: bool = False,
    progress: bool = False,
) -> Run:
    """Grows textures that look like `image`, every pixel of them taken from it.

    From a 3x3 seed the picture grows outwards. A pixel at its border becomes the
    centre of a random one of the texture's neighbourhoods that match what is known
    around it nearly best: { s : d(s) <= (1 + tolerance) min d },
      d(s) = sum_j g_j k_j |x_j - y_(s + j)|^2 / sum_j g_j k_j,
    k_j being 1 where pixel j is known, g a Gaussian of sigma = window / 6.4.

    Nothing is minimised over steps, so this recipe has a loop of its own. In each round
    it fills, for all seeds together, pixels that lie outside each other's windows.
    None of them could have seen another, so filling them one after the other gives the
    same picture.

    Args:
      image: the texture, `[H, W, 3]` in [0, 1].
      size: (H, W) of the pictures in pixels, or one number for a square; None is the
        texture's own.
      window: side of the neighbourhood in pixels, odd: larger than the largest
        regular feature.
      seeds: pictures.
      key: a typed random key, or an integer seed.
      tolerance: how much worse than the best a match may be, relative to it.
      max_error: a pixel whose best match is farther than this mean square waits until
        nothing else can be filled; the limit then grows by a tenth.
      tileable: whether neighbourhoods go around the picture's edges.
      progress: whether to show a bar.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]`; z `[seeds, H, W, 2]` int32,
      the (row, column) in the texture that each pixel was taken from; trace["loss"]
      `[seeds, pixels]`, the best match's d for each pixel in the order of filling,
      without those of the seed.

    Raises:
      ValueError: for what is no image, a texture smaller than the window, or an option
        out of range.
      Interrupted: on Ctrl-C; its Run has NaN where nothing has grown yet.

    Source: Efros & Leung, Texture synthesis by non-parametric sampling (ICCV 1999),
      section 2, and the authors' pseudo-code; Lecture 21, 21.11.1.
    Departures: the pixels with most known neighbours come next (there, sorted once for
      each layer), those with fewer than three wait while others have three; matches
      within a quarter of a grey level of the best are taken for equally good; d is
      the mean over the channels.
    """
    texture = check_texture(image, window)
    if tolerance < 0 or not max_error > 0:
        raise ValueError("tolerance must not be negative, max_error above 0")
    shape = picture_size(size, texture)
    values = reduce_channels(texture)
    growths = [
        _Growth(values, shape, window // 2, max_error, tileable, random)
        for random in make_generators(key, seeds=seeds)
    ]
    listed, weights = list_neighbourhoods(values, window), gaussian_window(window, window / 6.4)
    match = partial(_match, *map(jnp.asarray, (listed, weights)), jnp.float32(tolerance))
    steps = growths[0].left
    try:
        with tqdm(total=seeds * steps, disable=not progress, delay=1) as bar:
            while any(growth.left for growth in growths):
                bar.update(_fill_round(growths, match))
    except KeyboardInterrupt:
        raise Interrupted(_make_run(texture, growths, steps)) from None
    return _make_run(texture, growths, steps)


class _Growth:
    """A picture that grows: what is known of it, and where in the texture that is from."""

    def __init__(
        self,
        texture: np.ndarray,
        size: tuple[int, int],
        half: int,
        max_error: float,
        tileable: bool,
        random: np.random.Generator,
    ) -> None:
        self.texture, self.size, self.half, self.tileable = texture, size, half, tileable
        self.limit, self.progress = max_error, True
        self.errors: list[np.ndarray] = []
        self.values = np.zeros((*size, texture.shape[-1]), np.float32)
        self.z = np.full((*size, 2), NOWHERE, np.int32)
        self.known = np.zeros(size, bool)
        self.waiting = np.zeros(size, bool)
        # One number for each pixel, drawn at once: no order of filling changes it.
        self.order, choice = random.random(size), random.random(size)
        self.choice = choice.astype(np.float32)
        self._copy_seed(random)

    def _copy_seed(self, random: np.random.Generator) -> None:
        """Copies a random 3x3 piece of the texture into the centre."""
        side = [min(3, length) for length in self.size]
        room = [length - part + 1 for length, part in zip(self.texture.shape, side)]
        first = random.integers(room)
        pixels = np.moveaxis(np.mgrid[: side[0], : side[1]], 0, -1).reshape(-1, 2)
        corner = [(length - part) // 2 for length, part in zip(self.size, side)]
        self._copy(pixels + corner, pixels + first)

    def _copy(self, pixels: np.ndarray, places: np.ndarray) -> None:
        at = tuple(pixels.T)
        self.values[at] = self.texture[tuple(places.T)]
        self.z[at], self.known[at] = places, True

    @property
    def left(self) -> int:
        """How many pixels are not known yet."""
        return int(np.sum(~self.known))

    def choose_pixels(self) -> np.ndarray:
        """Chooses pixels `[P, 2]` at the border to fill now.

        They are outside each other's windows, the one with most known neighbours first.
        """
        mode: Literal["wrap", "constant"] = "wrap" if self.tileable else "constant"
        around = np.pad(self.known, 1, mode=mode).astype(np.int8)
        rows = around[:-2] + around[1:-1] + around[2:]
        count = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
        border = (count > 0) & ~self.known
        if not (border & ~self.waiting).any():
            self.limit *= 1.0 if self.progress else 1.1
            self.waiting[:], self.progress = False, False
        border &= ~self.waiting
        # A pixel at a corner of the front waits until more is known beside it.
        border &= count >= min(ENOUGH, count[border].max())
        rows, columns = np.nonzero(border)
        ranked = np.lexsort((self.order[border], -count[border]))
        return self._keep_apart(zip(rows[ranked].tolist(), columns[ranked].tolist()))

    def _keep_apart(self, pixels: Iterable[tuple[int, int]]) -> np.ndarray:
        """Keeps those pixels that lie in no window of one before them, `[P, 2]`."""
        taken, kept = np.zeros(self.size, bool), []
        # Where neighbourhoods go around the edges, a window's copies reach in from outside.
        turns = (-1, 0, 1) if self.tileable else (0,)
        for y, x in pixels:
            if not taken[y, x]:
                kept.append((y, x))
                for turn in product(turns, turns):
                    top, left = y + turn[0] * self.size[0], x + turn[1] * self.size[1]
                    taken[self._cut_line(top), self._cut_line(left)] = True
        return np.array(kept)

    def _cut_line(self, centre: int) -> slice:
        """Gives what a window takes up along an axis, without what is before the edge."""
        return slice(max(centre - self.half, 0), max(centre + self.half + 1, 0))

    def cut_windows(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cuts out the values `[P, w, w, C]` around pixels, and where they are known."""
        line = np.arange(-self.half, self.half + 1)
        rows = pixels[:, 0, None, None] + line[:, None]
        columns = pixels[:, 1, None, None] + line
        at = rows % self.size[0], columns % self.size[1]
        inside = (at[0] == rows) & (at[1] == columns)
        return self.values[at], self.known[at] & (inside | self.tileable)

    def fill(self, pixels: np.ndarray, places: np.ndarray, errors: np.ndarray) -> int:
        """Fills the pixels whose match is near enough, and gives their number.

        The others wait.
        """
        good = errors <= self.limit
        self._copy(pixels[good], places[good])
        self.waiting[tuple(pixels[~good].T)] = True
        self.errors += errors[good].tolist()
        self.progress |= bool(good.any())
        return int(good.sum())


def _make_run(texture: np.ndarray, growths: list[_Growth], steps: int) -> Run:
    z = np.stack([growth.z for growth in growths])
    return copy_pixels(texture, z, [growth.errors for growth in growths], steps)


def _fill_round(growths: list[_Growth], match: partial) -> int:
    """Fills pixels of every picture that is unfinished; gives their number."""
    growing = [growth for growth in growths if growth.left]
    pixels = [growth.choose_pixels() for growth in growing]
    windows = [growth.cut_windows(at) for growth, at in zip(growing, pixels)]
    choice = [growth.choice[tuple(at.T)] for growth, at in zip(growing, pixels)]
    patches, known, uniform = (np.concatenate(parts) for parts in (*zip(*windows), choice))
    places, errors = _match_all(match, patches, known, uniform)
    ends = np.cumsum([len(at) for at in pixels])[:-1]
    return sum(
        growth.fill(at, place, error)
        for growth, at, place, error in zip(
            growing, pixels, np.split(places, ends), np.split(errors, ends)
        )
    )


def _match_all(match: partial, *queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the matches of any number of queries, batch by batch."""
    count, first, found = len(queries[0]), 0, []
    while first < count:
        length = next((most for most in BATCHES if first + most >= count), BATCHES[-1])
        # The last batch is filled up with copies of the last query.
        index = np.minimum(np.arange(first, first + length), count - 1)
        first += length
        found.append(jax.device_get(match(*(query[index] for query in queries))))
    places, errors = map(np.concatenate, zip(*found))
    return places[:count], errors[:count]


@jit
def _match(
    texture: Array,
    gaussian: Array,
    tolerance: Array,
    patches: Array,
    known: Array,
    uniform: Array,
) -> tuple[Array, Array]:
    """Finds places `[P, 2]` in the texture, and the best matches' distances `[P]`."""
    distances = compute_distances(texture, patches, gaussian * known)
    best = jnp.min(distances, axis=(0, 1))
    limit = best * (1 + tolerance) + SLACK
    places = pick(distances <= limit, uniform)
    return places + gaussian.shape[0] // 2, best
