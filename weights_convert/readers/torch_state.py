"""What both torch containers share: named tensors over mapped bytes."""

import zlib
from functools import partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxvis.escape import escape
from weights_convert import quantised
from weights_convert.checkpoint import Checkpoint, CheckpointError, DamageError, StoredTensor
from weights_convert.names.naming import naming_of
from weights_convert.readers.bounds import map_file
from weights_convert.readers.pickled_tensors import Storage, Tensor
from weights_convert.readers.pickled_tree import Leaves, list_leaves
from weights_convert.readers.pickles import Pickled, refuse


class Place(NamedTuple):
    """Where a storage is in the file: its first byte, how many there are, their CRC-32.

    The checksum is None in containers that have none.
    """

    start: int
    size: int
    checksum: int | None = None


def list_tensors(pickled: Pickled) -> Leaves:
    """Returns the tensors of what was unpickled, under the paths that lead to them.

    Args:
      pickled: a state_dict, or whatever holds one.

    Raises:
      CheckpointError: if there are no tensors; says what is there in their place.
    """
    leaves = list_leaves(pickled.value)
    if leaves.tensors:
        return leaves
    sign = quantised.find_sign((), leaves.foreign)
    if sign:
        raise CheckpointError(quantised.explain(sign))
    for foreign in leaves.foreign.values():
        raise refuse(foreign)
    raise CheckpointError("holds no tensors: save model.state_dict()")


def make_checkpoint(leaves: Leaves, places: dict[str, Place], path: Path) -> Checkpoint:
    """Returns tensors that are read from a file when they are asked for.

    Args:
      leaves: from `list_tensors`.
      places: storage key -> where its bytes are.
      path: the file; mapped.

    Raises:
      CheckpointError: if a storage is smaller than it claims.
    """
    verified: set[str] = set()
    tensors = {
        name: StoredTensor(tensor.shape, partial(_read_array, path, tensor, place, verified))
        for name, tensor in leaves.tensors.items()
        for place in [_find_place(tensor.storage, places)]
    }
    naming = naming_of(tensors, foreign=leaves.foreign)
    return Checkpoint(naming, tensors, foreign=leaves.foreign)


def _find_place(storage: Storage, places: dict[str, Place]) -> Place:
    if storage.key not in places:
        raise DamageError(f"storage {escape(storage.key)} is not in it")
    place = places[storage.key]
    claimed = storage.numel * storage.dtype.itemsize
    if claimed > place.size:
        raise DamageError(
            f"storage {escape(storage.key)} claims {claimed} bytes, the file has {place.size} of it"
        )
    return place


def _read_array(path: Path, tensor: Tensor, place: Place, verified: set[str]) -> np.ndarray:
    storage, shape = tensor.storage, tensor.shape
    if not prod(shape):
        return np.zeros(shape, storage.dtype)
    if storage.key not in verified:  # many tensors may share one storage
        _verify(path, storage.key, place)
        verified.add(storage.key)
    numbers = np.memmap(path, storage.dtype, "r", place.start, (storage.numel,))
    first = tensor.offset + (storage.view[0] if storage.view else 0)
    strides = tuple(step * storage.dtype.itemsize for step in tensor.strides)
    return np.lib.stride_tricks.as_strided(numbers[first:], shape, strides)


def _verify(path: Path, key: str, place: Place) -> None:
    if place.checksum is None:
        return
    content = map_file(path)[place.start : place.start + place.size]
    if zlib.crc32(content.data) != place.checksum:
        raise DamageError(f"the checksum of storage {escape(key)} is wrong")
