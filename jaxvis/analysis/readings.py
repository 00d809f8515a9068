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
        size = image.shape[:2]
        sides = [max(1, 2 * side // (self.crops + 1)) for side in size]
        steps = [
            np.rint(np.linspace(0, side - own, self.crops)).astype(int)
            for side, own in zip(size, sides)
        ]
        cut = jnp.stack(
            [image[y : y + sides[0], x : x + sides[1]] for y in steps[0] for x in steps[1]]
        )
        whole = jax.image.resize(cut, (len(cut), *image.shape), "linear")
        found = jax.vmap(lambda one: self.net.apply(params, one, stop=self.tap)[self.tap])(whole)
        return jax.vmap(average_positions)(found)


def _to_map(values: Array) -> Array:
    return values if values.ndim == 3 else values[None, None]
