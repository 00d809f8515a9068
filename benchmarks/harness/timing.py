"""How long runs take, measured in turn so that all of them meet the same machine."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Times = Mapping[str, np.ndarray]
"""Way -> what its runs took, `[pairs]`; entries of equal index are neighbours in time."""

REST = 0.2
"""Seconds in which idle threads of another library fall asleep."""


def time_call(run: Callable[[], Any]) -> float:
    """Measures the seconds of a call.

    Args:
      run: the call, which must wait for its own results.
    """
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def interleave(
    ways: Mapping[str, Callable[[], Any]],
    pairs: int,
    *,
    warmups: int = 1,
    again: bool = True,
) -> dict[str, np.ndarray]:
    """Measures the seconds of every run `[pairs]`, by way: A B A B, never A A B B.

    Neighbours in time share what else the machine was doing, so the median of their
    ratios says more than the ratio of two medians. Before each counted run there is a
    rest and a run that is not counted: the threads of one library go on spinning for a
    while after its work, and would be counted against the other.

    Args:
      ways: name -> a call that waits for its own results.
      pairs: runs of every way.
      warmups: runs of every way before, not counted: they compile.
      again: whether to run uncounted before each counted run; runs of many seconds
        do not need it.
    """
    for _ in range(warmups):
        for run in ways.values():
            run()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(pairs):
        for name, run in ways.items():
            time.sleep(REST)
            if again:
                run()
            found[name].append(time_call(run))
    return {name: np.array(values) for name, values in found.items()}
