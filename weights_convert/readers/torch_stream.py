"""torch.save's container before torch 1.6: pickles, then storages, in one stream.

A magic number, a protocol version, facts about the machine, the state_dict, the list
of storage keys (five pickles); then, key by key, the count of numbers (int64) and the
numbers.
"""

import io
from pathlib import Path
from typing import Any

from jaxvis.escape import escape
from weights_convert.checkpoint import Checkpoint, CheckpointError, DamageError
from weights_convert.readers import pickles, torch_state
from weights_convert.readers.bounds import MAX_DESCRIPTION, check_end, map_file, unpack

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a .pth file in torch's older container.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it is damaged, is not torch's, or asks for code.
    """
    with path.open("rb") as file:
        stream = io.BytesIO(file.read(MAX_DESCRIPTION))
    if pickles.load(stream) != MAGIC:
        raise CheckpointError("is a pickle, but not one of torch.save's")
    version, machine, tree, keys = (pickles.load(stream) for _ in range(4))
    little = isinstance(machine, dict) and machine.get("little_endian") is True
    if version != PROTOCOL or not little or not isinstance(keys, list):
        raise CheckpointError(f"has a container of version {escape(version)}, unknown or damaged")
    widths = {storage.key: storage.dtype.itemsize for storage in _find_storages(tree)}
    return torch_state.make_checkpoint(tree, _locate(keys, stream.tell(), widths, path), path)


def _locate(
    keys: list[Any], at: int, widths: dict[str, int], path: Path
) -> dict[str, torch_state.Place]:
    """Returns where each storage is, walking over them from byte `at`."""
    places, data = {}, map_file(path)
    for key in keys:
        (count,) = unpack("<q", data, at)
        # A key of another type may not be hashable, or take for ever to hash.
        if count < 0 or not isinstance(key, str) or key not in widths:
            raise DamageError(f"storage {escape(key)} makes no sense")
        places[key] = torch_state.Place(at + 8, count * widths[key])
        at = places[key].start + places[key].size
        check_end(at, len(data))
    return places


def _find_storages(tree: Any) -> list[pickles.Storage]:
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
