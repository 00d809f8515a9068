"""torch.save's container before torch 1.6: pickles, then storages, in one stream.

A magic number, a protocol version, facts about the machine, the state_dict, the list
of storage keys (five pickles); then, key by key, the count of numbers (int64) and the
numbers.
"""

import mmap
from pathlib import Path
from typing import Any

from weights_convert.checkpoint import Checkpoint, mapped, truncated, unpack
from weights_convert.readers import pickles, torch_state

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a .pth file in torch's older container.

    Args:
      path: the file.

    Raises:
      ValueError: if it is damaged, is not torch's, or asks for code.
    """
    with path.open("rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
            if pickles.load(stream, path) != MAGIC:
                raise ValueError(f"{path} is a pickle, but not one of torch.save's")
            version, machine, tree, keys = (pickles.load(stream, path) for _ in range(4))
            at = stream.tell()
    little = isinstance(machine, dict) and machine.get("little_endian")
    if version != PROTOCOL or not little or not isinstance(keys, list):
        raise ValueError(f"{path}: container version {version!r} is unknown or damaged")
    widths = {s.key: s.dtype.itemsize for s in _storages(tree)}
    return torch_state.checkpoint(tree, _places(keys, at, widths, path), path)


def _places(
    keys: list[str], at: int, widths: dict[str, int], path: Path
) -> dict[str, torch_state.Place]:
    """Returns where each storage is, walking over them from byte `at`."""
    places, data = {}, mapped(path)
    for key in keys:
        (count,) = unpack("<q", data, at, path)
        if count < 0 or key not in widths:
            raise ValueError(f"{path} is damaged: storage {key!r} makes no sense")
        places[key] = torch_state.Place(at + 8, count * widths[key])
        at = sum(places[key])
        if at > len(data):
            raise truncated(path, at, len(data))
    return places


def _storages(tree: Any) -> list[pickles.Storage]:
    """Returns every storage that tensors in a tree of dicts and lists look at."""
    found, queue, seen = [], [tree], set()
    while queue:
        value = queue.pop()
        if isinstance(value, pickles.Tensor):
            found.append(value.storage)
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            queue.extend(value.values() if isinstance(value, dict) else value)
    return found
