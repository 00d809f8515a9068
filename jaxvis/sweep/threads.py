"""The shards of a store, looked at by several threads: disks and networks answer in parallel."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 16
"""Questions that are asked at once. More make no local disk faster."""

Item = TypeVar("Item")
Found = TypeVar("Found")


def map_in_threads(
    function: Callable[[Item], Found], items: Iterable[Item], *, threads: int = THREADS
) -> Iterator[Found]:
    """Yields what a function gives for each item, in their order.

    Args:
      function: called in several threads at once; what it raises is raised here.
      items: such as names of shards.
      threads: how many.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(function, items)
    finally:
        # Ctrl-C, or an error, waits for the calls that run, not for all of them.
        pool.shutdown(cancel_futures=True)
