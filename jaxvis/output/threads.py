"""Work done ahead in threads, with its results in order."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any


def map_ahead(call: Callable[[Any], Any], values: Iterable[Any], *, ahead: int) -> Iterator[Any]:
    """Yields call(value) for every value, in order, computed ahead in threads.

    Args:
      call: a function that may run in several threads at once.
      values: what it is called with.
      ahead: how many calls may be under way, or done and waiting to be taken.
    """
    values = iter(values)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(call, value) for value in islice(values, ahead)]
        try:
            while waiting:
                done = waiting.pop(0).result()
                waiting += [pool.submit(call, value) for value in islice(values, 1)]
                yield done
        finally:
            for future in waiting:
                future.cancel()
