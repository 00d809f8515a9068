"""The neighbourhoods of a texture, level by level of its Gaussian pyramid."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvis.methods.classical_texture.neighbours.tree import Tree, build_tree
from jaxvis.types import Array

BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Burt & Adelson's kernel, the Gaussian of the pyramid."""


class Codebook(NamedTuple):
    """The neighbourhoods of one level of a texture that lie inside it.

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


def build_codebook(pyramid: Sequence[np.ndarray], half: int, leaf: int | None) -> Codebook:
    """Builds the codebook of an image.

    Args:
      pyramid: the image `[H, W, C]` and, unless it is the coarsest, the next coarser one.
      half: half of the window's side, rounded down.
      leaf: the most neighbourhoods of a leaf of the tree; None makes no tree.

    Raises:
      ValueError: if leaf is below 1.
    """
    image, coarser = pyramid[0], pyramid[1] if len(pyramid) == 2 else None
    before, around = window_offsets(half)[: 2 * half * (half + 1)], np.zeros((0, 2), int)
    height, width = image.shape[:2]
    places = np.moveaxis(np.mgrid[half:height, half : width - half], 0, -1).reshape(-1, 2)
    if coarser is not None:
        around = window_offsets(half // 2)
        low, high = half // 2, np.array(coarser.shape[:2]) - half // 2
        places = places[np.all((places // 2 >= low) & (places // 2 < high), axis=1)]
    vectors = _take_values(image, places[:, None] + before)
    if coarser is not None:
        above = _take_values(coarser, places[:, None] // 2 + around)
        vectors = np.concatenate([vectors, above], axis=1)
    search = jnp.asarray(vectors) if leaf is None else build_tree(vectors, leaf=leaf)
    return Codebook(search, image[tuple(places.T)], places, before, around)


def window_offsets(half: int) -> np.ndarray:
    """Gives the offsets of a square window in scanline order, `[K, 2]`.

    Args:
      half: half of the window's side, rounded down.
    """
    line = np.arange(-half, half + 1)
    return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)


def _take_values(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Takes the pixels at `[N, K, 2]` as vectors `[N, K * C]`."""
    return image[at[..., 0], at[..., 1]].reshape(len(at), -1)


def halve_sizes(size: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """Lists the sizes (H, W) of a pyramid's levels, each half the one before, rounded up.

    Args:
      size: of the first level, in pixels.
      levels: how many.
    """
    sizes = [size]
    for _ in range(levels - 1):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def build_pyramid(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """Builds a Gaussian pyramid, finest level first.

    Args:
      image: `[H, W, C]`.
      levels: how many.
    """
    pyramid = [image]
    for _ in range(levels - 1):
        pyramid.append(halve(pyramid[-1]))
    return pyramid


def halve(image: np.ndarray) -> np.ndarray:
    """Computes the next level of a Gaussian pyramid, its size rounded up.

    Args:
      image: `[H, W, C]`.
    """
    for axis in (0, 1):
        pad = [(2, 2) if i == axis else (0, 0) for i in range(3)]
        lines = np.moveaxis(np.pad(image, pad, mode="reflect"), axis, 0)
        count = image.shape[axis]
        lines = sum(w * lines[i : i + count : 2] for i, w in enumerate(BINOMIAL))
        image = np.moveaxis(lines, 0, axis)
    return image
