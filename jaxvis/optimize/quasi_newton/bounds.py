"""Box bounds on z: the box, and which entries of z may move in it.

The method is projection with two metrics. An entry that a scaled gradient step would
bring to a bound goes to that bound. The remaining entries take a quasi-Newton step that
is computed from those entries alone. The line search follows the path of this step,
clipped to the box. On that path phi has kinks, so its slope counts only the entries that
still move.

Source: Bertsekas (SIAM J. Control Optim. 1982).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.types import Array

Bound = float | tuple | None


class Limits(NamedTuple):
    """The box of one item: its lower and upper bounds, `[D]` each."""

    lower: Array
    upper: Array


def make_limits(lower: Bound, upper: Bound, z: Any) -> Limits | None:
    """Builds the box of z, flattened as z is; None where there is no bound.

    Args:
      lower, upper: a number, or nested tuples that broadcast against every leaf of z; None
        leaves that side free.
      z: the canvas parameters.
    """
    if lower is None and upper is None:
        return None

    def flatten(bound: Bound, missing: float) -> Array:
        value = jnp.asarray(missing if bound is None else bound, jnp.float32)
        leaves = [jnp.broadcast_to(value, leaf.shape) for leaf in jax.tree.leaves(z)]
        return jnp.concatenate([leaf.ravel() for leaf in leaves])

    return Limits(flatten(lower, -jnp.inf), flatten(upper, jnp.inf))


def clip_inside(box: Limits, x: Array) -> Array:
    """Clips x `[D]` to the box; an entry that misses a bound by rounding is put on it.

    Args:
      box: the bounds.
      x: `[D]`.
    """
    near = 4 * jnp.finfo(x.dtype).eps
    for bound in box:
        close = jnp.abs(x - bound) <= near * jnp.abs(bound)
        x = jnp.where(close & jnp.isfinite(bound), bound, x)
    return jnp.clip(x, *box)


def find_free(box: Limits, x: Array, g: Array) -> Array:
    """Finds the entries that may move, `[D]` bool: not those that -g pushes against a bound.

    Args:
      box: the bounds.
      x: `[D]`, inside the box.
      g: `[D]`, the gradient.
    """
    return ~(((x <= box.lower) & (g > 0)) | ((x >= box.upper) & (g < 0)))
