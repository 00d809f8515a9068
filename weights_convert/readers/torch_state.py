"""What both torch containers share: a state_dict of tensors over mapped bytes."""

import zlib
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvis.escape import escape
from weights_convert.checkpoint import Checkpoint, CheckpointError, DamageError, StoredTensor
from weights_convert.names import naming_of
from weights_convert.readers.bounds import map_file
from weights_convert.readers.pickles import Storage, Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts put the state_dict."""


class Place(NamedTuple):
    """Where a storage is in the file: its first byte, how many there are, their CRC-32.

    The checksum is None in containers that have none.
    """

    start: int
    size: int
    checksum: int | None = None


def make_checkpoint(tree: Any, places: dict[str, Place], path: Path) -> Checkpoint:
    """Returns the tensors of an unpickled tree.

    Args:
      tree: a state_dict, or a dict that holds one.
      places: storage key -> where its bytes are.
      path: the file; mapped, read when a tensor is asked for.

    Raises:
      CheckpointError: if there are no tensors, or a storage is smaller than it claims.
    """
    verified: set[str] = set()
    tensors = {
        name: StoredTensor(tensor.shape, partial(_read_array, path, tensor, place, verified))
        for name, tensor in _find_state(tree).items()
        for place in [_find_place(tensor.storage, places)]
    }
    return Checkpoint(naming_of(tensors), tensors)


def _find_state(tree: Any) -> dict[str, Tensor]:
    if isinstance(tree, dict):
        for candidate in (tree, *(tree.get(key) for key in WRAPPERS)):
            if not isinstance(candidate, dict):
                continue
            state = {
                name: value
                for name, value in candidate.items()
                if isinstance(value, Tensor) and isinstance(name, str)
            }
            if state:
                return state
    raise CheckpointError("holds no tensors: save model.state_dict()")


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
