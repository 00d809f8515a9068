"""The nearest point of a hyperplane inside the box of all images."""

import jax.numpy as jnp

from jaxvis.attacks.norms import TINY, Norm
from jaxvis.types import Array


def step_to_plane(image: Array, normal: Array, gap: Array, norm: Norm) -> Array:
    """Finds the shortest step to a hyperplane that does not leave [0, 1], `[H, W, C]`.

    It minimises |d| subject to w . d = gap and 0 <= x + d <= 1, exactly, by sorting. Where the
    plane does not reach the box, it goes as far towards it as the box allows.

    Args:
      image: x `[H, W, C]` in [0, 1].
      normal: w `[H, W, C]`.
      gap: `[]`, by how much w . x has to grow.
      norm: "linf", "l2" or "l1".

    Source: Croce & Hein, Minimally distorted adversarial examples with a fast adaptive
    boundary attack (ICML 2020), section 3.1.
    """
    # Everything is turned so that w . d has to grow.
    weights = jnp.where(gap < 0, -normal, normal).ravel()
    need, size = jnp.abs(gap), jnp.abs(weights)
    value = jnp.clip(image.ravel(), 0.0, 1.0)
    room = jnp.where(weights > 0, 1.0 - value, value) * (weights != 0)
    length = _fill(size, room, need) if norm == "l1" else _raise_all(size, room, need, norm)
    return (jnp.sign(weights) * length).reshape(image.shape)


def _fill(size: Array, room: Array, need: Array) -> Array:
    """Uses up one value after another, the steepest first: the shortest step in L1."""
    order = jnp.argsort(-size, stable=True)
    gains = (size * room)[order]
    left = jnp.maximum(need - (jnp.cumsum(gains) - gains), 0.0)
    used = jnp.minimum(room[order], left / jnp.maximum(size[order], TINY))
    return jnp.zeros_like(size).at[order].set(used)


def _raise_all(size: Array, room: Array, need: Array, norm: Norm) -> Array:
    """Raises all values together until each has used its room.

    |d_i| = min(t r_i, room_i), where r_i is 1 in Linf and |w_i| in L2; t is the one at which
    the sum of |w_i d_i| is what is needed. That sum is piecewise linear, and bends at
    room_i / r_i.
    """
    rate = jnp.ones_like(size) if norm == "linf" else size
    bend = jnp.where(size > 0, room / jnp.maximum(rate, TINY), 0.0)
    order = jnp.argsort(bend, stable=True)
    used = jnp.cumsum((size * room)[order])
    slopes = (size * rate)[order]
    # The slope after a bend: of all that have room left.
    slope = jnp.cumsum(slopes[::-1])[::-1] - slopes
    reached = used + bend[order] * slope
    first = jnp.minimum(jnp.sum(reached < need), size.size - 1)
    before = jnp.where(first > 0, used[first - 1], 0.0)
    rest = slope[first] + slopes[first]
    level = (need - before) / jnp.maximum(rest, TINY)
    level = jnp.where(reached[-1] < need, jnp.inf, level)
    return jnp.where(size > 0, jnp.minimum(jnp.where(rate > 0, level * rate, 0.0), room), 0.0)
