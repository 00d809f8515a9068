"""What concepts are found in and shown by: activations along directions, at positions, of crops."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.analysis.codes import Look
from jaxvis.loss.objectives import average_positions
from jaxvis.types import Array


@dataclass(frozen=True)
class ReadAlong(Look):
    """The reading of the activations along directions, `[h, w, n]`; `[1, 1, n]` of a vector.

    Args:
      tap: the layer.
    """

    tap: str

    def __call__(self, params: Any, image: Array, number: Array) -> Any:
        """Computes the activations.

        Args:
          params: the network's parameters, and the directions `[n, c]`.
          image, number: see `Look`.
        """
        del number
        found = self.net.apply(params[0], image, stop=self.tap)[self.tap]
        return _to_map(found) @ params[1].T


@dataclass(frozen=True)
class ReadLargest(ReadAlong):
    """The reading of the largest activation along directions and its place, `[n]` each."""

    def __call__(self, params: Any, image: Array, number: Array) -> Any:
        """Computes both; the place counts positions row by row.

        Args:
          params, image, number: see `ReadAlong`.
        """
        maps = super().__call__(params, image, number)
        flat = maps.reshape(-1, maps.shape[-1])
        return jnp.max(flat, axis=0), jnp.argmax(flat, axis=0)


@dataclass(frozen=True)
class ReadPositions(Look):
    """The reading of the activations at some positions, `[samples, c]`, fewer if there are.

    Args:
      tap: the layer.
      samples: how many positions.
    """

    tap: str
    samples: int

    def __call__(self, params: Any, image: Array, number: Array) -> Any:
        """Computes the activations at positions that depend on the key and on the number.

        Args:
          params: the network's parameters, and a random key.
          image, number: see `Look`.
        """
        found = _to_map(self.net.apply(params[0], image, stop=self.tap)[self.tap])
        flat = found.reshape(-1, found.shape[-1])
        order = jax.random.permutation(jax.random.fold_in(params[1], number), len(flat))
        return flat[order[: self.samples]]


@dataclass(frozen=True)
class ReadCrops(Look):
    """The reading of the activations of crops, means over positions, `[crops^2, c]`.

    Neighbouring crops overlap by half, and each is enlarged to the size of the image.

    Args:
      tap: the layer.
      crops: how many a side.
    """

    tap: str
    crops: int

    def __call__(self, params: Any, image: Array, number: Array) -> Any:
        """Computes the activations.

        Args:
          params, image, number: see `Look`.
        """
        del number
        boxes = find_crops((image.shape[0], image.shape[1]), self.crops)
        cut = jnp.stack([image[y0:y1, x0:x1] for y0, x0, y1, x1 in boxes])
        whole = jax.image.resize(cut, (len(cut), *image.shape), "linear")
        found = jax.vmap(lambda one: self.net.apply(params, one, stop=self.tap)[self.tap])(whole)
        return jax.vmap(average_positions)(found)


@dataclass(frozen=True)
class ReadLargestCrop(ReadCrops):
    """The reading of the crop that lies furthest along directions, `[n]` each.

    What is read are the activation along the direction, and the number of the crop.
    """

    def __call__(self, params: Any, image: Array, number: Array) -> Any:
        """Computes both.

        Args:
          params: the network's parameters, and the directions `[n, c]`.
          image, number: see `Look`.
        """
        along = super().__call__(params[0], image, number) @ params[1].T
        return jnp.max(along, axis=0), jnp.argmax(along, axis=0)


def find_crops(size: tuple[int, int], crops: int) -> np.ndarray:
    """Finds the crops of an image, row by row: boxes `[crops^2, 4]` int of (y0, x0, y1, x1).

    Neighbouring crops overlap by half.

    Args:
      size: (H, W) of the image in pixels.
      crops: how many a side.
    """
    sides = [max(1, 2 * side // (crops + 1)) for side in size]
    rows, columns = (
        np.rint(np.linspace(0, side - own, crops)).astype(int) for side, own in zip(size, sides)
    )
    corners = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([corners, corners + np.array(sides)], axis=1)


def _to_map(values: Array) -> Array:
    return values if values.ndim == 3 else values[None, None]
