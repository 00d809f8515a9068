"""Wei & Levoy's texture synthesis: noise made to match, from coarse to fine."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxvis.compiler import jit
from jaxvis.methods.classical_texture.neighbours.codebook import (
    Codebook,
    build_codebook,
    build_pyramid,
    halve_sizes,
)
from jaxvis.methods.classical_texture.neighbours.source import (
    check_texture,
    copy_pixels,
    make_generators,
    picture_size,
    reduce_channels,
)
from jaxvis.methods.classical_texture.neighbours.tree import Tree, search_all, search_tree
from jaxvis.types import Array, ImageLike, Interrupted, Key, Run


def wei_levoy(
    image: ImageLike,
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
    """Makes tileable textures that look like `image`, every pixel taken from it.

    On each level of a Gaussian pyramid, coarsest first, every pixel in scanline order
    becomes the centre of the nearest of the texture's neighbourhoods,
      argmin_s sum_j |x_j - y_(s + j)|^2,
    j over the pixels of a square window that come before it, and over all pixels of a
    window of about half the side on the next coarser level. Edges go around. The nearest
    one is found in a tree that k-means makes
    (`jaxvis.methods.classical_texture.neighbours.tree`).

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
      key: a typed random key, or an integer seed.
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
      ValueError: for what is no image, a texture whose coarsest level is smaller than
        the window, or an option out of range.
      Interrupted: on Ctrl-C; its Run is as coarse as the last pass that ended.

    Source: Wei & Levoy, Fast texture synthesis using tree-structured vector
      quantization (SIGGRAPH 2000), sections 2-4; Lecture 21, 21.11.1.
    Departures: neighbourhoods around the left edge see what the pass before left there;
      hence a second pass. Finer levels start from the coarser one, enlarged, where the
      paper has noise. Searches follow several nodes and compare whole leaves.
    """
    texture = check_texture(image, window)
    _check_options(texture.shape[:2], window, levels, passes, beam)
    sizes = halve_sizes(picture_size(size, texture), levels)
    pyramid = build_pyramid(reduce_channels(texture), levels)
    randoms = make_generators(key, seeds=seeds)
    search = _Search(window // 2, passes, beam, leaf)
    total = seeds * passes * sum(height * width for height, width in sizes)
    places, losses = np.zeros((seeds, 0, 0, 2), np.int32), []
    try:
        with tqdm(total=total, disable=not progress, delay=1) as bar:
            for found, loss in _refine(pyramid, sizes, randoms, search, bar.update):
                places = found
                losses.append(loss)
    except KeyboardInterrupt:
        if not losses:
            raise Interrupted from None
        run = copy_pixels(texture, places, np.transpose(losses), levels * passes)
        raise Interrupted(run) from None
    return copy_pixels(texture, places, np.transpose(losses), levels * passes)


def _check_options(
    size: tuple[int, int], window: int, levels: int, passes: int, beam: int | None
) -> None:
    """Raises ValueError for an option out of range."""
    for name, value in {"levels": levels, "passes": passes}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if beam is not None and beam < 1:
        raise ValueError(f"beam is at least 1 node, or None for all, not {beam}")
    coarsest = halve_sizes(size, levels)[-1]
    if min(coarsest) < window:
        raise ValueError(
            f"the texture, {size[0]}x{size[1]}, is {coarsest[0]}x{coarsest[1]} on the "
            f"coarsest of {levels} levels, smaller than the window of {window}x"
            f"{window} pixels: pass fewer levels, a smaller window or a larger texture"
        )


class _Search(NamedTuple):
    """How a level is gone through; see the options of `wei_levoy`, half of the window."""

    half: int
    passes: int
    beam: int | None
    leaf: int


def _refine(
    pyramid: Sequence[np.ndarray],
    sizes: Sequence[tuple[int, int]],
    randoms: Sequence[np.random.Generator],
    search: _Search,
    tick: Callable[[int], Any],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Goes through all levels, coarsest first.

    Yields:
      After every pass the place in the texture of every pixel of the pictures,
      `[seeds, H, W, 2]` int32, and the losses `[seeds]`.
    """
    pictures = None
    for level in reversed(range(len(pyramid))):
        leaf = None if search.beam is None else search.leaf
        book = build_codebook(pyramid[level : level + 2], search.half, leaf)
        if pictures is None:
            noise = [one.integers(len(book.colours), size=sizes[level]) for one in randoms]
            start = book.colours[np.stack(noise)]
        else:
            start = _enlarge(pictures, 2, sizes[level])
        for index, loss in _run_passes(book, start, pictures, search, tick):
            places = _enlarge(book.places[index].astype(np.int32) * 2**level, 2**level, sizes[0])
            yield places, loss
        pictures = book.colours[index]


def _enlarge(pictures: np.ndarray, factor: int, size: tuple[int, int]) -> np.ndarray:
    """Repeats every pixel of `[seeds, h, w, C]`, and cuts the result to a size."""
    larger = pictures.repeat(factor, axis=1).repeat(factor, axis=2)
    return larger[:, : size[0], : size[1]]


def _run_passes(
    book: Codebook,
    start: np.ndarray,
    coarser: np.ndarray | None,
    search: _Search,
    tick: Callable[[int], Any],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Goes through one level several times.

    Yields:
      After every pass the neighbourhood that each pixel is from, `[seeds, H, W]`, and
      the losses `[seeds]`.
    """
    seeds, height, width, _ = start.shape
    above = np.zeros((seeds, height, width, 0), np.float32)
    if coarser is not None:
        rows, columns = np.mgrid[:height, :width] // 2
        rows = (rows[..., None] + book.around[:, 0]) % coarser.shape[1]
        columns = (columns[..., None] + book.around[:, 1]) % coarser.shape[2]
        above = coarser[:, rows, columns].reshape(seeds, height, width, -1)
    constants = jax.device_put((book.search, book.colours, book.before, above))
    zeros = np.zeros((seeds, height, width), np.float32)
    state = jax.device_put((start, zeros.astype(np.int32), zeros))
    for _ in range(search.passes):
        for pixels, count in _list_columns(height, width, search.half):
            state = _fill_column(*constants, pixels, state, beam=search.beam or 1)
            tick(seeds * count)
        # Copies: the next pass reuses the memory of the state.
        yield np.array(state[1]), np.array(state[2]).mean((1, 2))


def _list_columns(height: int, width: int, half: int) -> list[tuple[np.ndarray, int]]:
    """Lists pixels `[B, 2]` that do not see one another, and how many, in order.

    Column t has the pixels (y, t - (half + 1) y): whatever comes before one of them
    within `half` rows and columns is in an earlier column. Short ones repeat a pixel.
    """
    pixels = np.moveaxis(np.mgrid[:height, :width], 0, -1).reshape(-1, 2)
    time = pixels @ (half + 1, 1)
    order = np.argsort(time, kind="stable")
    ends = np.flatnonzero(np.diff(time[order])) + 1
    columns = np.split(pixels[order], ends)
    longest = max(map(len, columns))
    return [
        (column[np.minimum(np.arange(longest), len(column) - 1)], len(column)) for column in columns
    ]


@jit(static_argnames="beam", donate_argnames="state")
def _fill_column(
    search: Tree | Array,
    colours: Array,
    before: Array,
    above: Array,
    pixels: Array,
    state: tuple[Array, Array, Array],
    *,
    beam: int,
) -> tuple[Array, Array, Array]:
    """Fills the pixels of one column; gives (pictures, indices, distances)."""
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
    if isinstance(search, Tree):
        vectors, found = search.vectors, search_tree(search, queries, beam=beam)
    else:
        vectors, found = search, search_all(search, queries)
    away = jnp.mean((vectors[found] - queries) ** 2, axis=-1)
    found, away = (part.reshape(seeds, len(pixels)) for part in (found, away))
    return (
        pictures.at[:, rows, columns].set(colours[found]),
        indices.at[:, rows, columns].set(found),
        distances.at[:, rows, columns].set(away),
    )
