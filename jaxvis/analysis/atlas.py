"""What a layer sees as a map: groups of channels over one image, and an atlas of many images."""

import colorsys
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.analysis.codes import ImagesLike, open_images, stream
from jaxvis.analysis.concepts import Concepts
from jaxvis.analysis.embed import Plane, check_plane, place_codes
from jaxvis.analysis.factors import factorize
from jaxvis.analysis.places import Placement, find_placement
from jaxvis.analysis.readings import ReadPositions
from jaxvis.network import Network
from jaxvis.types import ArrayLike, ImageLike, Key, Params, as_key

SOFTEN = 0.01
"""What is added to the second moments before they are inverted, as a share of their mean."""


class ActivationGrid(NamedTuple):
    """Groups of channels over one image.

    Attributes:
      picture: `[H, W, 3]` in [0, 1], each group in its colour; black where nothing is active.
      maps: `[n, H, W]`, how active each group is.
      colours: `[n, 3]` in [0, 1].
      concepts: the groups, whose `objectives()` show what each one sees.
    """

    picture: np.ndarray
    maps: np.ndarray
    colours: np.ndarray
    concepts: Concepts


@dataclass(frozen=True, eq=False)
class Atlas:
    """Cells of a plane, and what activations in each of them have in common.

    Attributes:
      concepts: the mean activation of each cell, `concepts.directions` `[m, c]`; its
        `objectives()` are what `jaxvis.maximize` takes.
      cells: `[m, 2]` int, row and column of each cell.
      counts: `[m]` int, activations in each cell.
      grid: cells a side.
    """

    concepts: Concepts
    cells: np.ndarray
    counts: np.ndarray
    grid: int

    def arrange(self, pictures: ArrayLike, *, background: float = 1.0) -> np.ndarray:
        """Puts the pictures of the cells in their places, `[grid H, grid W, 3]`.

        Args:
          pictures: `[m, H, W, 3]` in [0, 1], such as `run.image[:, 0]` of `jaxvis.maximize`.
          background: grey level of cells without activations.

        Raises:
          ValueError: for another number of pictures.
        """
        each = np.asarray(pictures, np.float32)
        if each.ndim != 4 or len(each) != len(self.cells):
            raise ValueError(f"the atlas has {len(self.cells)} cells, not {each.shape}")
        height, width = each.shape[1:3]
        shape = (self.grid, height, self.grid, width, each.shape[-1])
        page = np.full(shape, background, np.float32)
        for (row, column), picture in zip(self.cells, each):
            page[row, :, column] = picture
        return page.reshape(self.grid * height, self.grid * width, -1)


def activation_grid(
    net: Network,
    params: Params,
    image: ImageLike,
    tap: str,
    *,
    groups: int = 6,
    key: Key | int = 0,
) -> ActivationGrid:
    """Shows a layer's activations of one image in few colours, one a group of channels.

    Groups are the parts that the activations at all positions add up to, by NMF.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1].
      tap: the layer, of shape `[h, w, c]`.
      groups: how many.
      key: of the first parts; a typed random key, or an integer seed.

    Raises:
      ValueError: for an unknown tap, one without positions, or a number of groups that is
        below 1 or above that of positions or channels.

    Source: Olah et al., The Building Blocks of Interpretability (2018).

    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> jaxvis.activation_grid(net, params, image, "conv2_1", groups=3).picture.shape
    (64, 64, 3)
    """
    place, found = _read_map(net, params, image, tap)
    values = found.reshape(-1, found.shape[-1])
    if not 1 <= groups <= min(values.shape):
        raise ValueError(f"{tap!r} makes 1 to {min(values.shape)} groups here, not {groups}")
    amounts, parts = factorize(values, groups, key=key)
    maps = place.spread(np.moveaxis(amounts.reshape(*place.shape[:2], groups), -1, 0))
    hues = [colorsys.hsv_to_rgb(i / groups, 1, 1) for i in range(groups)]
    colours = np.array(hues, np.float32)
    picture = np.tensordot(maps, colours, (0, 0))
    picture /= max(float(picture.max()), 1e-30)
    return ActivationGrid(picture, maps, colours, Concepts(tap, parts, "nmf"))


def activation_cells(
    net: Network, params: Params, image: ImageLike, tap: str, *, grid: int = 8
) -> Atlas:
    """Cuts a layer's map of one image into cells: what `jaxvis.maximize` draws of each is a grid.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1].
      tap: the layer, of shape `[h, w, c]`.
      grid: cells a side, in each of which activations are averaged; where the layer has fewer
        positions on its shorter side, as many as these.

    Returns:
      Atlas: `concepts.objectives()` are what each cell stands for, and `arrange` puts the
      pictures in their places.

    Raises:
      ValueError: for an unknown tap, one without positions, or a grid below 1.

    Source: Olah et al., The Building Blocks of Interpretability (2018).

    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> jaxvis.activation_cells(net, params, image, "conv2_1", grid=3).concepts.directions.shape
    (9, 32)
    """
    if grid < 1:
        raise ValueError(f"grid is at least 1, not {grid}")
    values = _read_map(net, params, image, tap)[1]
    side = min(grid, *values.shape[:2])
    row, column = (np.arange(length) * side // length for length in values.shape[:2])
    owner = (row[:, None] * side + column).ravel()
    counts = np.bincount(owner, minlength=side * side)
    sums = np.zeros((side * side, values.shape[-1]), np.float32)
    np.add.at(sums, owner, values.reshape(-1, values.shape[-1]))
    cells = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    return Atlas(Concepts(tap, sums / counts[:, None], "cells"), cells, counts, side)


def atlas(
    net: Network,
    params: Params,
    images: ImagesLike,
    tap: str,
    *,
    grid: int = 8,
    plane: Plane = "tsne",
    samples: int = 1,
    whiten: bool = True,
    least: int = 1,
    key: Key | int = 0,
) -> Atlas:
    """Makes an atlas of a layer: a plane of its activations, cut into cells.

    Activations at random positions of images are placed in a plane; those that fall into the
    same cell of a grid are averaged. `jaxvis.maximize` draws what each average stands for,
    and `arrange` puts the pictures in their places.

    Args:
      net, params: the network.
      images: a folder, or `[N, H, W, C]` in [0, 1].
      tap: the layer.
      grid: cells a side.
      plane: "tsne", "umap", or "pca", which needs no other package.
      samples: positions of each image.
      whiten: whether directions are multiplied by the inverse of the second moments of
        all activations, which takes away what all of them share.
      least: activations that a cell needs to be kept.
      key: of the positions and the plane; a typed random key, or an integer seed.

    Raises:
      OSError: if there is no such folder.
      ValueError: for an unknown tap or plane, a count below 1, no cell that has as many
        activations as it needs, or a package that is missing.

    Source: Carter et al., Activation Atlas (2019).

    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> found = jaxvis.atlas(net, params, [image], "conv2_1", grid=2, plane="pca", samples=9)
    >>> int(found.counts.sum())
    9
    """
    net.check_taps(tap)
    check_plane(plane)
    if min(grid, samples, least) < 1:
        raise ValueError(f"grid, samples and least are at least 1, not {grid}, {samples}, {least}")
    places, chosen = jax.random.split(as_key(key))
    values = stream(ReadPositions(net, tap, samples), (params, places), open_images(net, images))
    values = values.reshape(-1, values.shape[-1])
    points = place_codes(values, plane, key=chosen)
    low, high = points.min(axis=0), points.max(axis=0)
    at = (points - low) / np.where(high > low, high - low, 1) * grid
    column, row = np.minimum(at, grid - 1).astype(int).T
    owner = (grid - 1 - row) * grid + column  # y goes upwards
    numbers, counts = np.unique(owner, return_counts=True)
    numbers, counts = numbers[counts >= least], counts[counts >= least]
    if not len(numbers):
        raise ValueError(f"no cell has {least} activations: take a smaller least or grid")
    directions = np.stack([values[owner == number].mean(axis=0) for number in numbers])
    if whiten:
        directions = _whiten(directions, values)
    cells = np.stack(np.divmod(numbers, grid), axis=1)
    return Atlas(Concepts(tap, directions, "atlas"), cells, counts, grid)


def _read_map(
    net: Network, params: Params, image: ImageLike, tap: str
) -> tuple[Placement, np.ndarray]:
    """Reads a layer's map of one image, `[h, w, c]`, and where its units look."""
    shown = open_images(net, [image])
    place = find_placement(net, params, tap, size=shown.size)
    if len(place.shape) != 3:
        raise ValueError(f"{tap!r} is a vector, which has no positions: take a layer of maps")
    return place, np.asarray(net.code(params, jnp.asarray(shown[0]), tap))


def _whiten(directions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Multiplies directions by the inverse of the second moments; their lengths stay."""
    moments = values.T.astype(np.float64) @ values / len(values)
    moments += max(SOFTEN * np.trace(moments) / len(moments), 1e-30) * np.eye(len(moments))
    turned = np.linalg.solve(moments, directions.T.astype(np.float64)).T
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    own = np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray(turned / np.where(length > 0, length, 1) * own, np.float32)
