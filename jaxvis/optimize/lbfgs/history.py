"""The last m pairs of an L-BFGS run, in a ring, and the direction they give.

The two-loop recursion needs only inner products of the pairs among themselves and with
the gradient. So a step reads the ring twice, as two matrix products, whatever m is, and
the recursion itself runs on numbers: two triangular systems of size m.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from jaxvis.types import Array


class History(NamedTuple):
    """The pairs s = x' - x and y = g' - g, in a ring.

    Attributes:
      ring: `[2 (m + 1), D]`, rows s and y of a slot; one slot more than pairs, which is
        written at every step and counts only once `head` has moved on.
      products: `[m + 1, 2, m + 1]`, s_i y_j and y_i y_j; the first for j newer than i
        or equal alone, which is all that the recursion asks for.
      head: `[]` int32, the slot to be written.
      count: `[]` int32, how many pairs count.
    """

    ring: Array
    products: Array
    head: Array
    count: Array


def empty(memory: int, like: Array) -> History:
    """Returns a history without pairs.

    Args:
      memory: m, the pairs that are kept.
      like: `[D]`, whose size and dtype the pairs have.
    """
    slots = memory + 1
    return History(
        jnp.zeros((2 * slots, like.size), like.dtype),
        jnp.zeros((slots, 2, slots), like.dtype),
        jnp.int32(0),
        jnp.int32(0),
    )


def extended(history: History, s: Array, y: Array, g: Array, keep: Array) -> tuple[History, Array]:
    """Returns the history with a pair, and `[m + 1, 2]`, s_i g and y_i g.

    Args:
      history: the pairs so far.
      s, y: `[D]`, step and change of gradient.
      g: `[D]`, a gradient.
      keep: `[]` bool; without it the history stays as it is.
    """
    slots, head = history.products.shape[0], history.head
    pair = jnp.where(keep, jnp.stack([s, y]), 0.0)
    # Written in place, and read as a matrix times few columns: XLA copies neither.
    ring = jax.lax.dynamic_update_slice(history.ring, pair, (2 * head, jnp.int32(0)))
    both = (ring @ jnp.stack([g, pair[1]]).T).reshape(slots, 2, 2)
    mine = keep & (jnp.arange(slots) == head)
    products = jnp.where(mine, both[:, :, 1:], history.products)
    # y_i y_j is symmetric: the newest pair's row is its column.
    row = jnp.where(mine[:, None], both[None, :, 1, 1], products[:, 1])
    return History(
        ring,
        jnp.stack([products[:, 0], row], axis=1),
        jnp.where(keep, (head + 1) % slots, head),
        jnp.minimum(history.count + keep, slots - 1),
    ), both[:, :, 0]


def restricted(history: History, free: Array, g: Array) -> tuple[History, Array]:
    """Returns the products of the pairs' free entries, and `[m + 1, 2]` with g.

    Args:
      history: the pairs.
      free: `[D]` 0 or 1, the entries that may move.
      g: `[D]`, a gradient.
    """
    slots = history.products.shape[0]
    loose = history.ring * free
    products = (loose @ loose.T).reshape(slots, 2, slots, 2)[:, :, :, 1]
    return history._replace(products=products), (loose @ g).reshape(slots, 2)


def scale(history: History) -> Array:
    """Returns gamma = s y / y y of the newest pair, a scalar; 1 without any.

    Args:
      history: the pairs and their products.
    """
    newest = (history.head - 1) % history.products.shape[0]
    sy, yy = history.products[newest, :, newest]
    return jnp.where(history.count > 0, sy / jnp.where(yy > 0, yy, 1.0), 1.0)


def direction(history: History, with_g: Array, g: Array) -> Array:
    """Returns -H g `[D]`, H the inverse Hessian that the pairs give; -g without any.

    With R_ij = s_i y_j for j not older than i, D its diagonal, W_ij = y_i y_j and
    gamma = s y / y y of the newest pair:
    R a = S g, R^T b = D a - gamma (Y g - W a), H g = gamma (g - Y^T a) + S^T b.
    Pairs without curvature (s y <= eps y y) are left out.

    Args:
      history: the pairs and their products.
      with_g: `[m + 1, 2]`, s_i g and y_i g.
      g: `[D]`, the gradient.

    Source: Nocedal & Wright (2006), Algorithm 7.4, with its inner products taken
    first, as in Chen, Wang & Zhou (NIPS 2014).
    """
    slots = history.products.shape[0]
    # Oldest first; the slot to be written, which is no pair, would be the last.
    slot = (history.head + 1 + jnp.arange(slots - 1)) % slots
    sy, yy = (history.products[:, i][slot][:, slot] for i in (0, 1))
    enough = jnp.diag(sy) > jnp.finfo(g.dtype).eps * jnp.diag(yy)
    valid = enough & (jnp.arange(slots - 1) >= slots - 1 - history.count)
    pairs = valid[:, None] & valid[None, :]
    upper = jnp.triu(jnp.where(pairs, sy, 0.0))
    curvature = jnp.diag(upper)
    upper = upper + jnp.diag(jnp.where(valid, 0.0, 1.0))
    sg, yg = jnp.where(valid, with_g[slot].T, 0.0)
    newest = jnp.max(jnp.where(valid, jnp.arange(slots - 1), 0))
    gamma = jnp.where(valid.any(), sy[newest, newest] / yy[newest, newest], 1.0)
    a = solve_triangular(upper, sg)
    rest = yg - jnp.where(pairs, yy, 0.0) @ a
    b = solve_triangular(upper, curvature * a - gamma * rest, trans=1)
    weights = jnp.pad(jnp.stack([b, -gamma * a], axis=1), ((0, 1), (0, 0)))
    weights = weights[(jnp.arange(slots) - history.head - 1) % slots]
    return -gamma * g - weights.ravel() @ history.ring
