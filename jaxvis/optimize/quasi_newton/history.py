"""The last m pairs (s, y) of L-BFGS, kept in a ring, and the direction that they give.

The two-loop recursion needs only inner products: of the pairs among themselves, and of
the pairs with the gradient. A step therefore reads the ring twice, as two matrix products,
however large m is. The recursion itself works on the inner products, as two triangular
systems of size m.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from jaxvis.types import Array


class History(NamedTuple):
    """The pairs s = x' - x and y = g' - g, kept in a ring.

    Attributes:
      ring: `[2 (m + 1), D]`, the rows s and y of every slot. There is one slot more than
        pairs: it is written at every step, and counts only after `head` has moved on.
      products: `[m + 1, 2, m + 1]`, the inner products s_i y_j and y_i y_j. Those of s are
        right only where j is i or newer, which is all that the recursion reads.
      head: `[]` int32, the slot that is written next.
      used: `[]` int32, how many pairs are used.
    """

    ring: Array
    products: Array
    head: Array
    used: Array


def make_empty(memory: int, like: Array) -> History:
    """Makes a history without pairs.

    Args:
      memory: m, the pairs that are kept.
      like: `[D]`, an array of the size and dtype of the pairs.
    """
    slots = memory + 1
    return History(
        jnp.zeros((2 * slots, like.size), like.dtype),
        jnp.zeros((slots, 2, slots), like.dtype),
        jnp.int32(0),
        jnp.int32(0),
    )


def extend(history: History, s: Array, y: Array, g: Array, keep: Array) -> tuple[History, Array]:
    """Adds a pair; gives the history, and the products s_i g and y_i g, `[m + 1, 2]`.

    Args:
      history: the pairs so far.
      s, y: `[D]`, the step and the change of the gradient.
      g: `[D]`, a gradient.
      keep: `[]` bool; where it is false the history stays as it is.
    """
    slots, head = history.products.shape[0], history.head
    pair = jnp.where(keep, jnp.stack([s, y]), 0.0)
    # The ring is updated in place and read by a product with few columns, so that XLA
    # makes no copy of it.
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
        jnp.minimum(history.used + keep, slots - 1),
    ), both[:, :, 0]


def restrict(history: History, free: Array, g: Array) -> tuple[History, Array]:
    """Recomputes the products from the free entries alone, also those with g `[m + 1, 2]`.

    Args:
      history: the pairs.
      free: `[D]`, 1 for entries that may move and 0 for the others.
      g: `[D]`, a gradient.
    """
    slots = history.products.shape[0]
    loose = history.ring * free
    products = (loose @ loose.T).reshape(slots, 2, slots, 2)[:, :, :, 1]
    return history._replace(products=products), (loose @ g).reshape(slots, 2)


def scale_of(history: History) -> Array:
    """Computes gamma = s y / y y of the newest pair, a scalar; 1 without pairs.

    Args:
      history: the pairs and their products.
    """
    newest = (history.head - 1) % history.products.shape[0]
    sy, yy = history.products[newest, :, newest]
    return jnp.where(history.used > 0, sy / jnp.where(yy > 0, yy, 1.0), 1.0)


def find_direction(history: History, with_g: Array, g: Array) -> Array:
    """Computes -H g `[D]`, H the inverse Hessian that the pairs give; -g without pairs.

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
    # Oldest first, without the slot at `head`, which holds no pair.
    slot = (history.head + 1 + jnp.arange(slots - 1)) % slots
    sy, yy = (history.products[:, i][slot][:, slot] for i in (0, 1))
    enough = jnp.diag(sy) > jnp.finfo(g.dtype).eps * jnp.diag(yy)
    valid = enough & (jnp.arange(slots - 1) >= slots - 1 - history.used)
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
