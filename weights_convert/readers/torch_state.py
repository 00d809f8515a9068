"""What both torch containers share: a state_dict of tensors over mapped bytes."""

from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from weights_convert.checkpoint import Checkpoint, Stored, naming_of
from weights_convert.readers.pickles import Storage, Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts put the state_dict."""


class Place(NamedTuple):
    """Where a storage is in the file: its first byte, and how many there are."""

    start: int
    size: int


def checkpoint(tree: Any, places: dict[str, Place], path: Path) -> Checkpoint:
    """Returns the tensors of an unpickled tree.

    Args:
      tree: a state_dict, or a dict that holds one.
      places: storage key -> where its bytes are.
      path: the file; mapped, read when a tensor is asked for.

    Raises:
      ValueError: if there are no tensors, or a storage is smaller than it claims.
    """
    tensors = {
        name: Stored(tensor.shape, partial(_array, path, tensor, place))
        for name, tensor in _state(tree, path).items()
        for place in [_place(tensor.storage, places, path)]
    }
    return Checkpoint(naming_of(tensors, path), tensors)


def _state(tree: Any, path: Path) -> dict[str, Tensor]:
    for candidate in (tree, *(tree.get(key) for key in WRAPPERS if _is_dict(tree))):
        if _is_dict(candidate):
            state = {
                name: value
                for name, value in candidate.items()
                if isinstance(value, Tensor) and isinstance(name, str)
            }
            if state:
                return state
    raise ValueError(f"{path} holds no tensors: save model.state_dict()")


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _place(storage: Storage, places: dict[str, Place], path: Path) -> Place:
    if storage.key not in places:
        raise ValueError(f"{path} is damaged: storage {storage.key!r} is not in it")
    place = places[storage.key]
    claimed = storage.numel * storage.dtype.itemsize
    if claimed > place.size:
        raise ValueError(
            f"{path} is damaged: storage {storage.key!r} claims {claimed} bytes, the "
            f"file has {place.size} of it"
        )
    return place


def _array(path: Path, tensor: Tensor, place: Place) -> np.ndarray:
    storage, shape = tensor.storage, tensor.shape
    if not prod(shape):
        return np.zeros(shape, storage.dtype)
    numbers = np.memmap(path, storage.dtype, "r", place.start, (storage.numel,))
    first = tensor.offset + (storage.view[0] if storage.view else 0)
    strides = tuple(step * storage.dtype.itemsize for step in tensor.strides)
    return np.lib.stride_tricks.as_strided(numbers[first:], shape, strides)
