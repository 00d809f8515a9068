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
from weights_convert.readers.pickled_tree import list_leaves

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
    first = pickles.load(stream)
    if first.value != MAGIC:
        for foreign in list_leaves(first.value).foreign.values():
            raise pickles.refuse(foreign)
        raise CheckpointError("is a pickle, but not one of torch.save's")
    version, machine, tree, keys = (pickles.load(stream) for _ in range(4))
    facts = machine.value
    little = isinstance(facts, dict) and facts.get("little_endian") is True
    if version.value != PROTOCOL or not little or not isinstance(keys.value, list):
        held = escape(version.value)
        raise CheckpointError(f"has a container of version {held}, unknown or damaged")
    leaves = torch_state.list_tensors(tree)
    widths = {storage.key: storage.dtype.itemsize for storage in tree.storages.values()}
    places = _locate(keys.value, stream.tell(), widths, path)
    return torch_state.make_checkpoint(leaves, places, path)


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
