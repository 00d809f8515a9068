"""Algorithm 1 of the natural pre-images paper, as an optimizer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxvis.optimize.rules.rule import Rule
from jaxvis.types import Array


class PreimageState(NamedTuple):
    """G, the decayed sum of squared gradients, and mu, the momentum; shaped like z."""

    squares: Array
    momentum: Array


def learning_rate(size: tuple[int, int], *, bound: float = 80.0, alpha: float = 6.0) -> float:
    """Computes eta = 0.05 (B^2 / alpha) H W, which does move the image.

    Args:
      size: (H, W) in pixels, without the margin that jitter adds.
      bound: B in grey levels.
      alpha: the exponent of the bounded range prior.

    Source: the authors' code. Departures: the paper prints 0.01 B^2 / alpha without
    the H W, with which nothing moves.

    >>> import jaxvis
    >>> round(jaxvis.optimizers.learning_rate((10, 12), alpha=4.0))
    9600
    """
    return 0.05 * bound**2 / alpha * size[0] * size[1]


def preimage_sgd(eta: float, *, rho: float = 0.9) -> Rule:
    """Gives Algorithm 1: G <- rho G + g^2, mu <- rho mu - g / (1/eta + sqrt G).

    Args:
      eta: the learning rate, in the units of z squared (z in grey levels).
      rho: the decay of both sums.

    Source: Mahendran & Vedaldi (IJCV 2016), Algorithm 1, rho = 0.9.

    >>> import jaxvis
    >>> eta = jaxvis.optimizers.learning_rate((64, 64))
    >>> dict(jaxvis.optimizers.preimage_sgd(eta).options)
    {'rho': 0.9}
    """
    return Rule(_build, eta, (("rho", rho),))


def _build(eta: Any, *, rho: float) -> optax.GradientTransformation:
    def init(z: Array) -> PreimageState:
        zeros = jax.tree.map(jnp.zeros_like, z)
        return PreimageState(zeros, jax.tree.map(jnp.zeros_like, z))

    def update(
        grads: Array, state: PreimageState, z: Array | None = None
    ) -> tuple[Array, PreimageState]:
        del z
        squares = jax.tree.map(lambda s, g: rho * s + g * g, state.squares, grads)
        momentum = jax.tree.map(
            lambda m, g, s: rho * m - g / (1 / eta + jnp.sqrt(s)), state.momentum, grads, squares
        )
        return momentum, PreimageState(squares, momentum)

    return optax.GradientTransformation(init, update)
