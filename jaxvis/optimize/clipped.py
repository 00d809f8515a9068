"""Clipped gradient descent: what inverted the codes of the feature map paper."""

from functools import lru_cache

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
) -> optax.GradientTransformation:
    """Returns descent with momentum, clipped gradients and a falling rate.

    v <- momentum v - rate_t (clip(g, -clip, clip) + decay z),  z <- z + v,
    rate_t = learning_rate * factor^floor(t / every).

    Args:
      learning_rate: in units of z per unit of gradient.
      momentum: heavy ball.
      clip: largest gradient of one value; the feature maps' targets are huge.
      decay: weight decay, towards z = 0.
      factor, every: the rate is multiplied by `factor` after every so many updates.

    Source: the code of Xia et al. (MXNet's SGD). Departures: it runs for a given number
      of updates; theirs stops when |dx| / |x| falls below 0.005.
    """

    def init(z):
        return jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, z)

    def update(grads, state, z=None):
        count, velocity = state
        rate = learning_rate * factor ** (count // every)

        def move(v: Array, g: Array, x: Array) -> Array:
            return momentum * v - rate * (jnp.clip(g, -clip, clip) + decay * x)

        velocity = jax.tree.map(move, velocity, grads, z)
        return velocity, (count + 1, velocity)

    return optax.GradientTransformation(init, update)
