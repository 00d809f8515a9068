"""The objective of a feature map inversion: a code whose whole energy is in one channel."""

import jax
import jax.numpy as jnp

from jaxvis.loss.algebra import OneTap, register_objective
from jaxvis.types import Array, Taps


@register_objective(("index", "total"), ("tap",))
class SingleMap(OneTap):
    """Half the squared distance to a code with a single map: |F - T|^2 / 2.

    T is zero except in channel `index`, which is `total`.

    Args:
      tap: the tap's name, `[h, w, c]`.
      index: the channel l, an integer, which may differ between the items of a sweep.
      total: the sum over the image's channels at every position, `[h, w]`.

    Source: Xia et al., Eq. 1-2. Departures: the factor 1/2 of the authors' code.
    """

    tap: str
    index: int | Array
    total: Array

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        values = taps[self.tap]
        own = jax.nn.one_hot(self.index, values.shape[-1], dtype=values.dtype)
        return jnp.sum((values - self.total[..., None] * own) ** 2) / 2
