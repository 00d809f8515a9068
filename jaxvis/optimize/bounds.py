"""A box around z: what may move in it, and how far.

The projected direction is that of a two-metric projection: entries at a bound that
want to leave the box stay, the others move by the quasi-Newton step of the free
entries alone, and what then lies outside is clipped. The search runs along the
segment to that point, so that phi is smooth.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.types import Array

Bound = float | tuple | None


class Limits(NamedTuple):
    """The box of one item, `[D]` each."""

    lower: Array
    upper: Array


def limits(lower: Bound, upper: Bound, z: Any) -> Limits | None:
    """Returns the box, flat as z is flattened, or None without any bound.

    Args:
      lower, upper: a number or nested tuples that broadcast against every leaf of z.
      z: the canvas parameters.
    """
    if lower is None and upper is None:
        return None

    def flat(bound: Bound, missing: float) -> Array:
        value = jnp.asarray(missing if bound is None else bound, jnp.float32)
        leaves = [jnp.broadcast_to(value, leaf.shape) for leaf in jax.tree.leaves(z)]
        return jnp.concatenate([leaf.ravel() for leaf in leaves])

    return Limits(flat(lower, -jnp.inf), flat(upper, jnp.inf))


def inside(box: Limits, x: Array) -> Array:
    """Returns x `[D]` clipped to the box, and onto a bound that it misses by rounding.

    Args:
      box: the bounds.
      x: `[D]`.
    """
    near = 4 * jnp.finfo(x.dtype).eps
    for bound in box:
        x = jnp.where(jnp.abs(x - bound) <= near * jnp.abs(bound), bound, x)
    return jnp.clip(x, *box)


def free(box: Limits, x: Array, g: Array) -> Array:
    """Returns `[D]` bool: false where x is at a bound and -g points out of the box.

    Args:
      box: the bounds.
      x: `[D]`, inside the box.
      g: `[D]`, the gradient.
    """
    return ~(((x <= box.lower) & (g > 0)) | ((x >= box.upper) & (g < 0)))


def longest(box: Limits, x: Array, d: Array) -> Array:
    """Returns the largest t >= 1, a scalar, with x + t d in the box.

    Args:
      box: the bounds.
      x: `[D]`, inside the box.
      d: `[D]`, with x + d inside the box.
    """
    room = jnp.where(d > 0, box.upper - x, jnp.where(d < 0, box.lower - x, jnp.inf))
    ratio = jnp.where(d == 0, jnp.inf, room / jnp.where(d == 0, 1.0, d))
    return jnp.clip(jnp.min(ratio), 1.0, FAR)


FAR = 1e10
"""The longest step where nothing bounds it, as in L-BFGS-B."""
