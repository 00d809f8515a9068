"""The limit that shrinks in the largest-value norm of Carlini and Wagner's attack."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxvis.types import Array

SHRINK = 0.9
"""What the next limit is of the distance that was found."""
GROWTH = 4.0
"""By what the constant grows where a run fails."""
LARGEST = 1e4
"""The constant at which a limit is given up, in units of that of the last success."""


class LinfWeight(NamedTuple):
    """What weighs the loss against the values beyond a limit.

    Attributes:
      constant: `[]`, c of the present run.
      limit: `[]`, what no value of the perturbation should exceed.
      succeeded: `[]`, c of the last run that got below its limit.
      runs: `[]` int32, how many runs are over.
    """

    constant: Array
    limit: Array
    succeeded: Array
    runs: Array

    @property
    def is_hopeless(self) -> Array:
        """Whether no larger constant is tried, `[]` bool."""
        return self.constant > LARGEST * self.succeeded


def start_limit(constant: float) -> LinfWeight:
    """Makes the state before the first run, whose limit is the whole range.

    Args:
      constant: c of the first run.
    """
    c = jnp.float32(constant)
    # No image is nearer to the limit than its own range: the first success is below it.
    return LinfWeight(c, jnp.float32(1.0 + 1e-6), c, jnp.int32(0))


def choose_limit(weight: LinfWeight, distance: Array) -> LinfWeight:
    """Chooses the limit and the constant of the next run.

    Args:
      weight: those of the run that is over.
      distance: `[]`, the least one so far that fools the network.
    """
    success = distance < weight.limit
    limit = jnp.where(success, SHRINK * distance, weight.limit)
    constant = weight.constant * jnp.where(success, 0.5, GROWTH)
    succeeded = jnp.where(success, weight.constant, weight.succeeded)
    return LinfWeight(constant, limit, succeeded, weight.runs + 1)
