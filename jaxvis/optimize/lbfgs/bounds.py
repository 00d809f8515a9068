"""A box around z: what may move in it.

Projection with two metrics: entries that a scaled gradient step would bring to a bound
go there, the others take the quasi-Newton step of those others alone. The search runs
along the path of that step, clipped to the box. There phi has kinks; its slope counts
the entries that still move.

Source: Bertsekas (SIAM J. Control Optim. 1982).
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
        close = jnp.abs(x - bound) <= near * jnp.abs(bound)
        x = jnp.where(close & jnp.isfinite(bound), bound, x)
    return jnp.clip(x, *box)


def free(box: Limits, x: Array, g: Array) -> Array:
    """Returns `[D]` bool: false where x is at a bound and -g does not lead away.

    Args:
      box: the bounds.
      x: `[D]`, inside the box.
      g: `[D]`, the gradient.
    """
    return ~(((x <= box.lower) & (g > 0)) | ((x >= box.upper) & (g < 0)))
