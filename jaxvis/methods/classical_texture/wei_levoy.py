"""Wei & Levoy's texture synthesis: noise made to match, from coarse to fine."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxvis.methods.classical_texture.neighbours.source import (
    checked_texture,
    checked_window,
    distinct_channels,
    generators,
    sides,
)
from jaxvis.methods.classical_texture.neighbours.tree import (
    Tree,
    build_tree,
    nearest,
    nearest_of_all,
)
from jaxvis.types import Array, Image, Key, Run, Status, as_key

BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Burt & Adelson's kernel, the Gaussian of the pyramid."""


def wei_levoy(
    image: Image,
    *,
    size: int | tuple[int, int] | None = None,
    window: int = 9,
    levels: int = 3,
    passes: int = 2,
    seeds: int = 1,
    key: Key | int = 0,
    beam: int | None = 16,
    leaf: int = 16,
    progress: bool = False,
) -> Run:
    """Returns tileable textures that look like `image`, every pixel taken from it.

    On each level of a Gaussian pyramid, coarsest first, every pixel in scanline order
    becomes the centre of the nearest of the texture's neighbourhoods,
      argmin_s sum_j |x_j - y_(s + j)|^2,
    j over the pixels of a square window that come before it, and over all pixels of a
    window of about half the side on the next coarser level. Edges go around. The
    nearest one is found in a tree made by k-means (`jaxvis.methods.classical_texture.neighbours.tree`).

    Nothing is minimised over steps, so this recipe has a loop of its own. Pixels in a
    skewed column, (y, t - (window // 2 + 1) y) for all y, do not see one another and
    are done at once, for all seeds together.

    Args:
      image: the texture, `[H, W, 3]` in [0, 1].
      size: (H, W) of the pictures in pixels, or one number for a square; None is the
        texture's own.
      window: side of the neighbourhood in pixels, odd.
      levels: of the pyramid.
      passes: times that each level is gone through.
      seeds: pictures, which differ by the noise they start from.
      key: a typed random key, or an integer seed. Seed i draws from fold_in(key, i).
      beam: nodes of the tree that a search follows at once; 1 is the plain search, None
        compares all neighbourhoods instead.
      leaf: the most neighbourhoods of a leaf of the tree.
      progress: whether to show a bar.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]`; z `[seeds, H, W, 2]` int32,
      the (row, column) in the texture that each pixel was taken from; trace["loss"]
      `[seeds, levels * passes]`, the mean square difference of a pixel's neighbourhood
      from the one that was found.

    Raises:
      ValueError: if the texture is not an RGB image in [0, 1] or its coarsest level is
        smaller than the window, or an option is out of range.

    Source: Wei & Levoy, Fast texture synthesis using tree-structured vector
      quantization (SIGGRAPH 2000), sections 2-4; Lecture 21, 21.11.1.
    Departures: neighbourhoods around the left edge see what the pass before left there;
      hence a second pass. Finer levels start from the coarser one, enlarged, where the
      paper has noise. Searches follow several nodes and compare whole leaves.
    """
    texture = checked_texture(image)
    half = _checked(texture.shape[:2], window, levels, passes, beam)
    pyramid, shapes = [distinct_channels(texture)], [sides(size, texture)]
    for _ in range(levels - 1):
        pyramid.append(_halved(pyramid[-1]))
        shapes.append(tuple(-(-side // 2) for side in shapes[-1]))
    random, picture, losses = generators(as_key(key), seeds=seeds), None, []
    total = seeds * passes * sum(height * width for height, width in shapes)
    with tqdm(total=total, disable=not progress, delay=1) as bar:
        for level in reversed(range(levels)):
            book = _codebook(pyramid[level : level + 2], half, None if beam is None else leaf)
            if picture is None:
                noise = [one.integers(len(book.colours), size=shapes[level]) for one in random]
                start = book.colours[np.stack(noise)]
            else:
                start = _enlarged(picture, shapes[level])
            picture, index, loss = _level(book, start, picture, passes, beam, bar.update)
            losses += loss
    z = book.places[index].astype(np.int32)
    trace = {"loss": np.stack(losses, 1), "status": np.full(seeds, Status.DONE, np.int8)}
    return Run(z, texture[z[..., 0], z[..., 1]], trace)


def _checked(
    size: tuple[int, int],
    window: int,
    levels: int,
    passes: int,
    beam: int | None,
) -> int:
    """Returns half the window's width, or says which option is out of range."""
    for name, value in {"levels": levels, "passes": passes}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if beam is not None and beam < 1:
        raise ValueError(f"beam is at least 1 node, or None for all, not {beam}")
    half = checked_window(size, window)
    coarsest = [-(-side // 2 ** (levels - 1)) for side in size]
    if min(coarsest) < window:
        raise ValueError(
            f"the texture, {size[0]}x{size[1]}, is {coarsest[0]}x{coarsest[1]} on the "
            f"coarsest of {levels} levels, smaller than the window of {window}x"
            f"{window} pixels: pass fewer levels, a smaller window or a larger texture"
        )
    return half


class _Codebook(NamedTuple):
    """The neighbourhoods of one level of the texture.

    Attributes:
      search: the tree, or all vectors `[N, D]`: the values at `before` and, a level up,
        at `around`.
      colours: `[N, C]`, the pixels in their centres.
      places: `[N, 2]`, where those are.
      before, around: offsets (row, column) `[K, 2]`; `around` is empty on the coarsest
        level.
    """

    search: Tree | Array
    colours: np.ndarray
    places: np.ndarray
    before: np.ndarray
    around: np.ndarray


def _codebook(pyramid: list[np.ndarray], half: int, leaf: int | None) -> _Codebook:
    """Returns the codebook of the first image, the second one being the next coarser.

    Only neighbourhoods that lie inside the texture are in it.
    """
    image, coarser = pyramid[0], pyramid[1] if len(pyramid) == 2 else None
    before, around = _square(half)[: 2 * half * (half + 1)], np.zeros((0, 2), int)
    height, width = image.shape[:2]
    places = np.stack(np.mgrid[half:height, half : width - half], -1).reshape(-1, 2)
    if coarser is not None:
        around = _square(half // 2)
        low, high = half // 2, np.array(coarser.shape[:2]) - half // 2
        places = places[np.all((places // 2 >= low) & (places // 2 < high), axis=1)]
    vectors = _values(image, places[:, None] + before)
    if coarser is not None:
        above = _values(coarser, places[:, None] // 2 + around)
        vectors = np.concatenate([vectors, above], axis=1)
    search = jnp.asarray(vectors) if leaf is None else build_tree(vectors, leaf=leaf)
    colours = image[tuple(places.T)]
    return _Codebook(search, colours, places, before, around)


def _square(half: int) -> np.ndarray:
    """Returns the offsets of a square window in scanline order, `[K, 2]`."""
    line = np.arange(-half, half + 1)
    return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)


def _values(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Returns the pixels at `[N, K, 2]` as vectors `[N, K * C]`."""
    return image[at[..., 0], at[..., 1]].reshape(len(at), -1)


def _enlarged(pictures: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    twice = pictures.repeat(2, axis=1).repeat(2, axis=2)
    return twice[:, : size[0], : size[1]]


def _level(
    book: _Codebook,
    start: np.ndarray,
    coarser: np.ndarray | None,
    passes: int,
    beam: int | None,
    tick: Callable[[int], Any],
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Returns the level's pictures, which neighbourhood each pixel is from, losses."""
    seeds, height, width, _ = start.shape
    above = np.zeros((seeds, height, width, 0), np.float32)
    if coarser is not None:
        rows, columns = np.mgrid[:height, :width] // 2
        rows = (rows[..., None] + book.around[:, 0]) % coarser.shape[1]
        columns = (columns[..., None] + book.around[:, 1]) % coarser.shape[2]
        above = coarser[:, rows, columns].reshape(seeds, height, width, -1)
    constants = jax.device_put((book.search, book.colours, book.before, above))
    zeros = np.zeros((seeds, height, width), np.float32)
    state, losses = jax.device_put((start, zeros.astype(np.int32), zeros)), []
    for _ in range(passes):
        for pixels, count in _columns(height, width, -book.before[0, 0]):
            state = _step(*constants, pixels, state, beam=beam)
            tick(seeds * count)
        losses.append(np.asarray(state[2]).mean((1, 2)))
    return np.asarray(state[0]), np.asarray(state[1]), losses


def _columns(height: int, width: int, half: int) -> list[tuple[np.ndarray, int]]:
    """Returns pixels `[B, 2]` that do not see one another, and how many, in order.

    Column t has the pixels (y, t - (half + 1) y): whatever comes before one of them
    within `half` rows and columns is in an earlier column. Short ones repeat a pixel.
    """
    pixels = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2)
    time = pixels @ (half + 1, 1)
    order = np.argsort(time, kind="stable")
    ends = np.flatnonzero(np.diff(time[order])) + 1
    columns = np.split(pixels[order], ends)
    longest = max(map(len, columns))
    return [
        (column[np.minimum(np.arange(longest), len(column) - 1)], len(column)) for column in columns
    ]


@partial(jax.jit, static_argnames="beam", donate_argnames="state")
def _step(
    search: Tree | Array,
    colours: Array,
    before: Array,
    above: Array,
    pixels: Array,
    state: tuple[Array, Array, Array],
    *,
    beam: int | None,
) -> tuple[Array, Array, Array]:
    """Returns (pictures, indices, distances) after the pixels of one column."""
    pictures, indices, distances = state
    seeds, height, width, _ = pictures.shape
    rows, columns = pixels[:, 0], pixels[:, 1]
    seen = pictures[
        :,
        (rows[:, None] + before[:, 0]) % height,
        (columns[:, None] + before[:, 1]) % width,
    ].reshape(seeds, len(pixels), -1)
    queries = jnp.concatenate([seen, above[:, rows, columns]], axis=-1)
    queries = queries.reshape(seeds * len(pixels), -1)
    if beam is None:
        vectors, found = search, nearest_of_all(search, queries)
    else:
        vectors, found = search.vectors, nearest(search, queries, beam=beam)
    away = jnp.mean((vectors[found] - queries) ** 2, axis=-1)
    found, away = (part.reshape(seeds, len(pixels)) for part in (found, away))
    return (
        pictures.at[:, rows, columns].set(colours[found]),
        indices.at[:, rows, columns].set(found),
        distances.at[:, rows, columns].set(away),
    )


def _halved(image: np.ndarray) -> np.ndarray:
    """Returns the next level of a Gaussian pyramid, its size rounded up."""
    for axis in (0, 1):
        pad = [(2, 2) if i == axis else (0, 0) for i in range(3)]
        lines = np.moveaxis(np.pad(image, pad, mode="reflect"), axis, 0)
        count = image.shape[axis]
        lines = sum(w * lines[i : i + count : 2] for i, w in enumerate(BINOMIAL))
        image = np.moveaxis(lines, 0, axis)
    return image
