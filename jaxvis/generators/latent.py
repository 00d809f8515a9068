"""A canvas whose z is the input of a given generator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Canvas, Drawing, Image, Key


@register_parts("prior", "radius", "sigma")
@dataclass(frozen=True)
class Latent(Canvas):
    """A canvas whose z is any generator's input; `shared` are the generator's weights.

    Args:
      generator: hashable `(shared, z [...]) -> image [H, W, C]`.
      shape: of z.
      size: (H, W) of the generator's image in pixels.
      prior: weight of (rms(z) - radius)^2: 0 leaves z free.
      radius: the root mean square of z that costs nothing. 0 makes the prior the
        negative logarithm of a normal's density; 1 is where a normal's samples lie.
      sigma: standard deviation of the start.

    Source: Nguyen et al., Synthesizing the preferred inputs for neurons via deep
      generator networks (2016), Eq. 1; Lecture 21. Departures: the radius.
    """

    generator: Callable[[Any, Array], Image]
    shape: tuple[int, ...]
    size: tuple[int, int]
    prior: float = 0.0
    radius: float = 0.0
    sigma: float = 1.0

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of the image in pixels."""
        return self.size

    def init(self, key: Key) -> Array:
        """Draws z, normal, `[*shape]`."""
        return self.sigma * jax.random.normal(key, self.shape)

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image of z, `[H, W, C]`."""
        del key
        return self.generator(shared, z)

    def draw(self, shared: Any, z: Array, key: Key) -> Drawing:
        """Makes what a step sees of z `[*shape]`."""
        del key
        # The maximum keeps the root's gradient finite at z = 0.
        rms = jnp.sqrt(jnp.maximum(jnp.mean(z**2), 1e-12))
        regularizer = self.prior * (rms - self.radius) ** 2
        return Drawing(self.generator(shared, z), {"regularizer": regularizer}, None)
