"""Clipped gradient descent: what inverted the codes of the feature map paper."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxvis.types import Array


@lru_cache(maxsize=64)
def clipped_sgd(
    *,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    clip: float = 10.0,
    decay: float = 5e-4,
    factor: float = 0.9,
    every: int = 10,
    least: float = 0.0,
) -> optax.GradientTransformation:
    """Returns descent with momentum, clipped gradients and a falling rate.

    v <- momentum v - rate_t (clip(k g, -clip, clip) + decay z),  z <- z + v,
    rate_t = learning_rate * factor^floor(t / every),
    k = max(1, least / rms(g_0)), g_0 the first gradient.

    Args:
      learning_rate: in units of z per unit of gradient.
      momentum: heavy ball.
      clip: largest gradient of one value; the feature maps' targets are huge.
      decay: weight decay, towards z = 0.
      factor, every: the rate is multiplied by `factor` after every so many updates.
      least: root mean square that the first gradient is raised to if it is less: a
        network of small activations would never reach the clip, and hardly move z.

    Source: the code of Xia et al. (MXNet's SGD). Departures: it runs for a given number
      of updates, theirs stops when |dx| / |x| falls below 0.005; `least` is not theirs.
    """

    def init(z):
        return (jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, z), jnp.ones(()))

    def update(grads, state, z=None):
        count, velocity, raised = state
        raised = jnp.where(count == 0, _raised(grads, least), raised)
        rate = learning_rate * factor ** (count // every)

        def move(v: Array, g: Array, x: Array) -> Array:
            clipped = jnp.clip(raised * g, -clip, clip)
            return momentum * v - rate * (clipped + decay * x)

        velocity = jax.tree.map(move, velocity, grads, z)
        return velocity, (count + 1, velocity, raised)

    return optax.GradientTransformation(init, update)


def _raised(grads: Any, least: float) -> Array:
    """Returns the factor, 1 or more, that gives gradients a root mean square."""
    size = sum(leaf.size for leaf in jax.tree.leaves(grads))
    rms = optax.tree.norm(grads) / size**0.5
    return jnp.where(rms > 0, jnp.maximum(least / rms, 1.0), 1.0)
