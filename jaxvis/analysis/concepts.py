"""Concepts: directions of a layer that stand for something in many images."""

import os
from dataclasses import dataclass
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.analysis.codes import ImagesLike, open_images, stream
from jaxvis.analysis.embed import pca
from jaxvis.analysis.factors import factorize
from jaxvis.analysis.patches import Patches, cut_patches
from jaxvis.analysis.places import find_placement
from jaxvis.analysis.readings import (
    ReadAlong,
    ReadCrops,
    ReadLargest,
    ReadLargestCrop,
    ReadPositions,
    find_crops,
)
from jaxvis.loss.objectives import Direction
from jaxvis.network import Network
from jaxvis.types import ArrayLike, Key, Params, as_key

Way = Literal["nmf", "pca"]
"""How concepts are found: as parts that add up, or as principal components."""


@dataclass(frozen=True, eq=False)
class Concepts:
    """Directions of a layer.

    Attributes:
      tap: the layer.
      directions: `[n, c]`.
      way: "nmf", "pca", or "bank" for those of a file.
    """

    tap: str
    directions: np.ndarray
    way: str

    def __len__(self) -> int:
        """Gives the number of concepts."""
        return len(self.directions)

    def objectives(self, *, cosine_power: int = 0) -> list[Direction]:
        """Makes what `jaxvis.maximize` and the heatmaps take as `objective=`.

        Args:
          cosine_power: see `jaxvis.objectives.Direction`.
        """
        vectors = (jnp.asarray(one, jnp.float32) for one in self.directions)
        return [Direction(self.tap, one, cosine_power=cosine_power) for one in vectors]

    def locate(self, net: Network, params: Params, images: ImagesLike) -> np.ndarray:
        """Shows where each concept is in images, `[N, n, H, W]`.

        A map is the activation along the direction, spread over the pixels that the units see.

        Args:
          net, params: the network.
          images: `[N, H, W, C]` in [0, 1], or a folder.

        Raises:
          OSError: if there is no such folder.
          ValueError: for what are no images.
        """
        shown = open_images(net, images)
        place = find_placement(net, params, self.tap, size=shown.size)
        maps = stream(ReadAlong(net, self.tap), (params, jnp.asarray(self.directions)), shown)
        return place.spread(np.moveaxis(maps, -1, 1))

    def find_patches(
        self,
        net: Network,
        params: Params,
        images: ImagesLike,
        *,
        top: int = 9,
        crops: int | None = None,
    ) -> tuple[Patches, list[list[np.ndarray]]]:
        """Finds the patches of images that lie furthest along each direction.

        One patch is taken from an image at most.

        Args:
          net, params: the network.
          images: a folder, or `[N, H, W, C]` in [0, 1].
          top: patches of each concept, at most as many as images.
          crops: patches are crops, so many of an image a side, as `jaxvis.find_concepts`
            cuts them; None takes what single units see.

        Returns:
          tuple: (`Patches` `[n, top]`, the pictures of each concept).

        Raises:
          OSError: if there is no such folder.
          ValueError: for what are no images, or a count below 1.
        """
        for name, number in (("top", top), ("crops", crops or 1)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        shown = open_images(net, images)
        place = find_placement(net, params, self.tap, size=shown.size)
        given = (params, jnp.asarray(self.directions))
        look = ReadLargestCrop(net, self.tap, crops) if crops else ReadLargest(net, self.tap)
        values, units = stream(look, given, shown)
        order = np.argsort(-values, axis=0, kind="stable")[:top]
        values, units = (np.take_along_axis(one, order, axis=0).T for one in (values, units))
        width = crops or (place.shape[1] if len(place.shape) == 3 else 1)
        cells = np.stack(np.divmod(units, width), axis=-1)
        boxes = find_crops(shown.size, crops)[units] if crops else place.find_boxes(cells)
        found = Patches(values, order.T, cells, boxes)
        return found, [cut_patches(shown, found, i) for i in range(len(self))]


def find_concepts(
    net: Network,
    params: Params,
    images: ImagesLike,
    tap: str,
    *,
    count: int = 10,
    way: Way = "nmf",
    crops: int | None = None,
    samples: int = 16,
    key: Key | int = 0,
) -> Concepts:
    """Finds concepts of a layer in images.

    Args:
      net, params: the network.
      images: a folder, or `[N, H, W, C]` in [0, 1].
      tap: the layer.
      count: n, how many concepts.
      way: "nmf" finds parts that add up and are never negative, negative activations count as
        0; "pca" finds principal components.
      crops: how many crops of an image a side; neighbouring ones overlap by half. Each is
        enlarged to the size of the image, and its activation is averaged over positions. None
        takes the activations at positions of whole images.
      samples: without crops, the positions of each image, drawn at random.
      key: of the positions and of the first parts; a typed random key, or an integer seed.

    Returns:
      Concepts: `objectives`, `locate` and `find_patches` show them; see also
      `jaxvis.concept_importance`.

    Raises:
      OSError: if there is no such folder.
      ValueError: for an unknown tap or way, or a count that is below 1 or too large.

    Source: Fel et al., CRAFT (2023), for crops; Olah et al., The Building Blocks of
      Interpretability (2018), for positions.

    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> found = jaxvis.find_concepts(net, params, [image], "conv2_1", count=3)
    >>> found.directions.shape, bool((found.directions >= 0).all())
    ((3, 32), True)
    """
    net.check_taps(tap)
    if way not in get_args(Way):
        raise ValueError(f"way is {' or '.join(get_args(Way))}, not {way!r}")
    for name, number in (("count", count), ("samples", samples), ("crops", crops or 1)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    shown = open_images(net, images)
    places, first = jax.random.split(as_key(key))
    if crops is not None:
        values = stream(ReadCrops(net, tap, crops), params, shown)
    else:
        values = stream(ReadPositions(net, tap, samples), (params, places), shown)
    values = values.reshape(-1, values.shape[-1])
    if count > min(values.shape):
        raise ValueError(
            f"{values.shape[0]} activations of {values.shape[1]} channels hold at most "
            f"{min(values.shape)} concepts, not {count}: take more images"
        )
    if way == "pca":
        return Concepts(tap, pca(values, components=count).directions, way)
    return Concepts(tap, factorize(values, count, key=first)[1], way)


def read_bank(
    path: str | os.PathLike, net: Network, params: Params, tap: str, *, name: str | None = None
) -> Concepts:
    """Reads directions from a file `.npz`, such as the decoder of a sparse autoencoder.

    Args:
      path: of the file.
      net, params: the network.
      tap: the layer that the directions belong to.
      name: of the array `[n, c]` in the file; None takes the only one.

    Raises:
      OSError: if it cannot be opened.
      ValueError: for an unknown tap or name, or an array that is not `[n, c]` and finite.

    >>> import tempfile
    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/bank.npz", decoder=np.eye(32))
    ...     bank = jaxvis.read_bank(f"{folder}/bank.npz", net, params, "conv2_1")
    >>> bank.directions.shape
    (32, 32)
    """
    net.check_taps(tap)
    with np.load(path, allow_pickle=False) as file:
        names = list(file) if hasattr(file, "files") else []
        if name is None and len(names) != 1:
            raise ValueError(f"{path} has arrays {', '.join(names) or 'without names'}: pass name=")
        if name is not None and name not in names:
            raise ValueError(f"{path} has no array {name!r}; it has {', '.join(names)}")
        bank = np.asarray(file[name or names[0]], np.float32)
    return make_bank(net, params, tap, bank)


def make_bank(net: Network, params: Params, tap: str, bank: ArrayLike) -> Concepts:
    """Makes concepts of directions that are there.

    Args:
      net, params: the network.
      tap: the layer that the directions belong to.
      bank: `[n, c]`.

    Raises:
      ValueError: for an unknown tap, or an array that is not `[n, c]` and finite.
    """
    values, width = np.asarray(bank, np.float32), net.shape(params, tap)[-1]
    if values.ndim != 2 or values.shape[1] != width or not len(values):
        raise ValueError(f"directions of {tap!r} are [n, {width}], not {list(values.shape)}")
    if not np.isfinite(values).all():
        raise ValueError("directions have entries that are NaN or infinite")
    return Concepts(tap, values, "bank")
