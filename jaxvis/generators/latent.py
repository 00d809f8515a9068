"""A given generator's input as what is learned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.generators.drawing import Drawing
from jaxvis.types import Array, Image, Key


@dataclass(frozen=True)
class Latent:
    """Returns the canvas whose z is any generator's input.

    Args:
      generator: hashable `(shared, z [...]) -> image [H, W, 3]`.
      shape: of z.
      prior: weight of (rms(z) - radius)^2: 0 leaves z free.
      radius: the root mean square of z that costs nothing. 0 makes the prior the
        negative logarithm of a normal's density; 1 is where a normal's samples lie.
      sigma: standard deviation of the start.

    Source: Nguyen et al., Synthesizing the preferred inputs for neurons via deep
      generator networks (2016), Eq. 1; Lecture 21. Departures: the radius.
    """

    generator: Callable[[Any, Array], Image]
    shape: tuple[int, ...]
    prior: float = 0.0
    radius: float = 0.0
    sigma: float = 1.0

    def init(self, key: Key) -> Array:
        """Returns z, normal, `[*shape]`."""
        return self.sigma * jax.random.normal(key, self.shape)

    def decode(self, z: Array, key: Key) -> Image:
        """Returns `[1, 1, 3]`, black: the generator's parameters are not in z."""
        del z, key
        return jnp.zeros((1, 1, 3))

    def show(self, shared: Any, z: Array) -> Image:
        """Returns the image of z, `[H, W, 3]`; `shared` are the generator's."""
        return self.generator(shared, z)

    def draw(self, shared: Any, z: Array, key: Key) -> Drawing:
        """Returns what a step sees of z `[*shape]`; `shared` are the generator's."""
        del key
        # The maximum keeps the root's gradient finite at z = 0.
        rms = jnp.sqrt(jnp.maximum(jnp.mean(z**2), 1e-12))
        regularizer = self.prior * (rms - self.radius) ** 2
        return Drawing(self.generator(shared, z), regularizer, jnp.zeros(()))
