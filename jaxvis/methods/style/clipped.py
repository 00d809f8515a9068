"""Gradient descent with clipped gradients, which inverted the codes of the feature map paper."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxvis.optimize.rules import Rule
from jaxvis.types import Array


def clipped_sgd(
    *,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    clip: float = 10.0,
    decay: float = 5e-4,
    factor: float = 0.9,
    every: int = 10,
    least: float = 0.0,
) -> Rule:
    """Gives gradient descent with momentum, clipped gradients and a falling learning rate.

    v <- momentum v - rate_t (clip(k g, -clip, clip) + decay z),  z <- z + v,
    rate_t = learning_rate * factor^floor(t / every),
    k = max(1, least / rms(g_0)), where g_0 is the first gradient.

    Args:
      learning_rate: in units of z per unit of gradient.
      momentum: heavy ball.
      clip: largest gradient of one value. The targets of feature maps are huge, and so
        are their gradients.
      decay: weight decay, towards z = 0.
      factor, every: the learning rate is multiplied by `factor` after every `every` updates.
      least: a first gradient whose root mean square is below `least` is scaled up to it,
        and later gradients by the same factor. Without that, a network of small
        activations would never reach the clip, and would hardly move z.

    Source: the code of Xia et al. (MXNet's SGD). Departures: it runs for a given number
      of updates, where theirs stops when |dx| / |x| falls below 0.005; `least` is not
      theirs.
    """
    options = {
        "momentum": momentum,
        "clip": clip,
        "decay": decay,
        "factor": factor,
        "every": every,
        "least": least,
    }
    return Rule(_build_clipped_sgd, learning_rate, tuple(options.items()))


def _build_clipped_sgd(
    learning_rate: Any,
    *,
    momentum: float,
    clip: float,
    decay: float,
    factor: float,
    every: int,
    least: float,
) -> optax.GradientTransformation:
    def init(z: Any) -> tuple[Array, Any, Array]:
        return jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, z), jnp.ones(())

    def update(grads: Any, state: tuple[Array, Any, Array], z: Any = None) -> tuple[Any, Any]:
        count, velocity, scale = state
        scale = jnp.where(count == 0, _scale_to_least(grads, least), scale)
        rate = learning_rate * factor ** (count // every)

        def move(v: Array, g: Array, x: Array) -> Array:
            return momentum * v - rate * (jnp.clip(scale * g, -clip, clip) + decay * x)

        velocity = jax.tree.map(move, velocity, grads, z)
        return velocity, (count + 1, velocity, scale)

    return optax.GradientTransformation(init, update)


def _scale_to_least(grads: Any, least: float) -> Array:
    """Computes the factor, 1 or more, that gives gradients a root mean square of `least`."""
    size = sum(leaf.size for leaf in jax.tree.leaves(grads))
    rms = optax.tree.norm(grads) / size**0.5
    return jnp.where(rms > 0, jnp.maximum(least / rms, 1.0), 1.0)
