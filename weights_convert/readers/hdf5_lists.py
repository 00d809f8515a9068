"""Lists inside HDF5 files that go round in a circle, which libhdf5 follows without end.

The free space of a group's heap of names is a linked list, and so are the nodes of its
B-tree; in a damaged file they may lead back to themselves. h5py cannot be stopped then,
so these lists are followed here first. Other parts of a file are left to h5py.

Source: HDF5 File Format Specification 3.0, III.A.1 (version 1 B-trees) and III.D (local
heaps).
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from weights_convert.checkpoint import DamageError
from weights_convert.readers.bounds import Budget

SIGNATURE, HEAP, TREE = b"\x89HDF\r\n\x1a\n", b"HEAP", b"TREE"
HEAP_HEAD, TREE_HEAD = struct.Struct("<4sB3sQQQ"), struct.Struct("<4sBBHQQ")
NEXT = struct.Struct("<Q")
MAX_LINKS = 2_000_000
"""Of all lists together; a file that names a few thousand tensors has a few thousand."""
END_OF_LIST = 1
"""The offset that ends a heap's list of free space."""


def check_lists(path: Path, *, base: int | None = None) -> None:
    """Raises an error if a list of the file goes round in a circle.

    Args:
      path: of an HDF5 file; addresses of 8 bytes, as all today's programs write them.
      base: the byte where the HDF5 part begins; None looks for it.

    Raises:
      DamageError: if one does.
      CheckpointError: for more links than any checkpoint has.
      OSError: if the file cannot be opened.
    """
    with open(path, "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            budget, ended = Budget(MAX_LINKS, "links of lists"), set[int]()
            base = _find_base(data) if base is None else base
            for at in _find(data, HEAP, HEAP_HEAD.size):
                _check_heap(data, at, base, budget)
            for at in _find(data, TREE, TREE_HEAD.size):
                ended |= _follow(at, lambda at: _find_sibling(data, at, base), budget, ended)


def _find_base(data: mmap.mmap) -> int:
    """Finds where the HDF5 part begins, which addresses count from; MATLAB's text is before."""
    at = 0
    while data[at : at + len(SIGNATURE)] != SIGNATURE:
        at = max(512, 2 * at)
        if at > len(data):
            return 0
    return at


def _find(data: mmap.mmap, mark: bytes, size: int) -> Iterator[int]:
    """Finds where a mark stands with `size` bytes of the file from there on."""
    at = data.find(mark)
    while 0 <= at <= len(data) - size:
        yield at
        at = data.find(mark, at + 1)


def _check_heap(data: mmap.mmap, at: int, base: int, budget: Budget) -> None:
    _, version, rest, size, first, start = HEAP_HEAD.unpack_from(data, at)
    start += base
    if version or any(rest):
        return  # the four letters stand there by chance

    def find_next(offset: int) -> int | None:
        if offset == END_OF_LIST or offset + NEXT.size > min(size, len(data) - start):
            return None
        found: int = NEXT.unpack_from(data, start + offset)[0]
        return found

    _follow(first, find_next, budget, set())


def _find_sibling(data: mmap.mmap, at: int, base: int) -> int | None:
    """Gives the place of the node to the right; None where there is none."""
    if at + TREE_HEAD.size > len(data):
        return None
    mark, _, _, _, _, right = TREE_HEAD.unpack_from(data, at)
    return base + right if mark == TREE else None


def _follow(
    first: int, find_next: Callable[[int], int | None], budget: Budget, ended: set[int]
) -> set[int]:
    """Follows a list to its end, or to what is known to end; gives the places on the way."""
    seen: set[int] = set()
    at: int | None = first
    while at is not None and at not in ended:
        if at in seen:
            raise DamageError("a list of a group's names or members goes round in a circle")
        budget.spend(1)
        seen.add(at)
        at = find_next(at)
    return seen
