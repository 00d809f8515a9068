"""Random keys that come from what an item is, never from its place in a call.

Class 2 with seed 0 is the same picture alone and among a thousand, and eight seeds
extend two.
"""

from collections.abc import Sequence
from functools import partial
from zlib import crc32

import jax
import numpy as np

from jaxvis.compiler import jit
from jaxvis.types import Key


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
    base = jax.random.fold_in(key, name)

    def fold(index: np.ndarray, seed: np.ndarray) -> Key:
        return jax.random.fold_in(jax.random.fold_in(base, index), seed)

    return jax.vmap(fold)(*path)


def check_seeds(seeds: int) -> None:
    """Checks that there is at least one seed.

    Args:
      seeds: pictures of every item.

    Raises:
      ValueError: if there is none.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
