"""Factorisation of values that are not negative into parts that are not negative."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.compiler import jit
from jaxvis.types import Array, ArrayLike, Key, as_key

TINY = 1e-9
"""What is added to a divisor, as a share of the mean of the values."""


def factorize(
    values: ArrayLike, count: int, /, *, steps: int = 300, key: Key | int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Factorizes values V into amounts U and parts W with V = U W, none negative.

    Multiplicative updates from random parts never make |V - U W|^2 larger.

    Args:
      values: `[m, c]`; negative ones count as 0.
      count: n, how many parts.
      steps: updates.
      key: a typed random key, or an integer seed.

    Returns:
      tuple: (U `[m, n]`, W `[n, c]`); each part has length 1, or 0 where the values are 0.

    Raises:
      ValueError: for values that are not `[m, c]` and finite, or a count or steps below 1.

    Source: Lee & Seung (2001).
    """
    matrix = np.maximum(np.asarray(values, np.float32), 0)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(f"values are [m, c] and finite, not of shape {matrix.shape}")
    if count < 1 or steps < 1:
        raise ValueError(f"count and steps are at least 1, not {count} and {steps}")
    amounts, parts = _factorize(count, jnp.asarray(matrix), as_key(key), steps)
    return np.asarray(amounts), np.asarray(parts)


def solve_amounts(values: Array, parts: Array, *, steps: int = 100) -> Array:
    """Solves for the amounts U of known parts with V = U W, not negative, `[..., n]`.

    Args:
      values: `[..., c]`; negative ones count as 0.
      parts: `[n, c]`, not negative.
      steps: multiplicative updates.
    """
    values = jnp.maximum(values, 0)
    wanted, gram = values @ parts.T, parts @ parts.T
    tiny = TINY * jnp.mean(values) + jnp.finfo(values.dtype).tiny

    def update(_: Array, amounts: Array) -> Array:
        return amounts * wanted / (amounts @ gram + tiny)

    return lax.fori_loop(0, steps, update, wanted)


@jit(static_argnums=0)
def _factorize(count: int, values: Array, key: Key, steps: Array) -> tuple[Array, Array]:
    scale = jnp.mean(values)
    tiny = TINY * scale + jnp.finfo(values.dtype).tiny
    left, right = jax.random.split(key)
    size = jnp.sqrt(scale / count)
    amounts = size * jax.random.uniform(left, (len(values), count), minval=0.1)
    parts = size * jax.random.uniform(right, (count, values.shape[1]), minval=0.1)

    def update(_: Array, both: tuple[Array, Array]) -> tuple[Array, Array]:
        amounts, parts = both
        amounts = amounts * (values @ parts.T) / (amounts @ (parts @ parts.T) + tiny)
        parts = parts * (amounts.T @ values) / ((amounts.T @ amounts) @ parts + tiny)
        return amounts, parts

    amounts, parts = lax.fori_loop(0, steps, update, (amounts, parts))
    length = jnp.linalg.norm(parts, axis=1)
    return amounts * length, parts / jnp.where(length > 0, length, 1)[:, None]
