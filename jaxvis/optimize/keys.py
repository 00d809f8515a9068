"""Random keys that come from what an item is, never from its place in a call.

Class 2 with seed 0 is the same picture alone and among a thousand, and eight seeds
extend two.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.apart import compute_apart
from jaxvis.compiler import jit
from jaxvis.jax_internals import key_kinds
from jaxvis.platform import on_cpu
from jaxvis.types import Array, Key


def fold_name(key: Key, name: str) -> Key:
    """Folds a word, such as a tap's name, into a key.

    Args:
      key: a typed random key.
      name: any text; its CRC-32 is folded in.
    """
    return jax.random.fold_in(key, crc32(name.encode()))


def keys_of_places(key: Key, count: int) -> Key:
    """Makes `[count]` keys, `fold_in(key, i)` each.

    Args:
      key: a typed random key.
      count: how many.
    """
    return _fold_each(key, np.arange(count, dtype=np.uint32))


def item_keys(
    key: Key, *, seeds: int, indices: Sequence[int] | np.ndarray = (0,), name: str = ""
) -> Key:
    """Makes the keys of a sweep over indices and seeds, `[len(indices) * seeds]`.

    The key of index i and seed s is fold_in(fold_in(fold_in(key, crc32(name)), i), s).

    Args:
      key: a typed random key.
      seeds: pictures of every index.
      indices: of classes, channels or neurons; one for what has none.
      name: what the indices belong to, a tap's name.

    Raises:
      ValueError: if seeds is below 1.
    """
    check_seeds(seeds)
    of_item, seed = np.indices((len(indices), seeds), np.uint32).reshape(2, -1)
    path = (np.asarray(indices, np.uint32)[of_item], seed)
    return _fold_path(key, np.uint32(crc32(name.encode())), path)


@jit
def _fold_each(key: Key, numbers: np.ndarray) -> Key:
    return jax.vmap(partial(jax.random.fold_in, key))(numbers)


@jit
def _fold_path(key: Key, name: np.uint32, path: tuple[np.ndarray, np.ndarray]) -> Key:
    """Folds a name, and then an index and a seed each; one program, where eager folds are six."""
    base = jax.random.fold_in(unroll_draws(key), name)

    def fold(index: np.ndarray, seed: np.ndarray) -> Key:
        return jax.random.fold_in(jax.random.fold_in(base, index), seed)

    folded = jax.random.key_data(jax.vmap(fold)(*path))
    return jax.random.wrap_key_data(folded, impl=jax.random.key_impl(key))


def check_seeds(seeds: int) -> None:
    """Checks that there is at least one seed.

    Args:
      seeds: pictures of every item.

    Raises:
      ValueError: if there is none.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")


def unroll_draws(key: Key) -> Key:
    """Gives a key that draws the same numbers by a program that compiles sooner.

    On a CPU JAX writes the hash of its keys as a loop, and XLA compiles one such loop for
    every draw and split, longer than whole layers of a network. Here the hash is written
    out, on a CPU as a program of its own: fused with what reads it, it would be computed again for
    every pixel that a drawn number touches. Keys of other kinds than JAX's default are left
    as they are.

    Args:
      key: a typed random key.
    """
    partitionable = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    if not partitionable or jax.random.key_impl(key) != "threefry2x32":
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_UNROLLED)


_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


@jit
def _hash_unrolled(key: Array, counts: Array) -> tuple[Array, Array]:
    """Computes Threefry-2x32 of 20 rounds of counts below 2^32.

    Args:
      key: `[2]` uint32.
      counts: uint32 of any shape.

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
    """
    # The functions of `lax`: operators of arrays take five times as long to trace.
    parts = [lax.index_in_dim(key, i, keepdims=False) for i in range(2)]
    parts.append(lax.bitwise_xor(lax.bitwise_xor(*parts), np.uint32(0x1BD11BDA)))
    parts = [lax.broadcast(part, counts.shape) for part in parts]
    high, low = parts[0], lax.add(counts, parts[1])
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            high = lax.add(high, low)
            up = lax.shift_left(low, np.uint32(bits))
            down = lax.shift_right_logical(low, np.uint32(32 - bits))
            low = lax.bitwise_xor(high, lax.bitwise_or(up, down))
        high = lax.add(high, parts[(group + 1) % 3])
        low = lax.add(lax.add(low, parts[(group + 2) % 3]), np.uint32(group + 1))
    return high, low


def _hash(key: Array, counts: Array) -> tuple[Array, Array]:
    return on_cpu(partial(compute_apart, _hash_unrolled), _hash_unrolled, key, counts)


def _count(shape: tuple[int, ...]) -> Array:
    return lax.iota(np.uint32, math.prod(shape)).reshape(shape)


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    return jnp.stack(_hash(key, _count(shape)), axis=-1)


def _fold_in(key: Array, number: Any) -> Array:
    return jnp.stack(_hash(key, jnp.asarray(number, jnp.uint32)))


def _draw_bits(key: Array, width: int, shape: tuple[int, ...]) -> Array:
    if width != 32 or math.prod(shape) >= 2**32:
        return _JAX.random_bits(key, width, shape)
    high, low = _hash(key, _count(shape))
    return high ^ low


_JAX = key_kinds.threefry_prng_impl
_UNROLLED = key_kinds.define_prng_impl(
    key_shape=(2,),
    seed=_JAX.seed,
    split=_split,
    random_bits=_draw_bits,
    fold_in=_fold_in,
    name="jaxvis_threefry2x32",
    tag="jaxvis",
)
