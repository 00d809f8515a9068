"""How long runs take, measured in turn so that all of them meet the same machine."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Times = Mapping[str, np.ndarray]
"""Way -> what its runs took, `[pairs]`; entries of equal index are neighbours in time."""


class Measured(dict[str, np.ndarray]):
    """Way -> seconds of its runs `[pairs]`, and what else was seen while they ran.

    Attributes:
      processor: way -> median seconds of processor time of a run, on all cores together.
      spent: way -> seconds of processor time of its runs `[pairs]`.
      others: the share of the machine's cores that other processes took; None where the
        system does not say.
    """

    processor: dict[str, float]
    spent: dict[str, np.ndarray]
    others: float | None

    def describe(self, ours: str = "ours", peer: str = "peer") -> dict[str, Any]:
        """Gives the facts of a row: processor times of both ways, and the others' share.

        Args:
          ours, peer: names of two ways; one that was not run is left out.
        """
        ways = {"ours": ours, "peer": peer}
        found = {name: self.processor.get(way) for name, way in ways.items()}
        seconds = {name: round(value, 6) for name, value in found.items() if value is not None}
        return {"processor": seconds, "others": self.others}


REST = 0.2
"""Seconds in which idle threads of another library fall asleep."""

STAT = Path("/proc/stat")
BUSY = 0.1
"""The share of the cores from which on other processes spoil a measurement."""
TRIES = 3
"""How often a measurement is begun anew on a busy machine."""


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
    clock: Callable[[], float] | None = None,
) -> Measured:
    """Measures the seconds of every run `[pairs]`, by way: A B A B, never A A B B.

    Neighbours in time share what else the machine was doing, so the median of their
    ratios says more than the ratio of two medians. Before each counted run there is a
    rest and a run that is not counted: the threads of one library go on spinning for a
    while after its work, and would be counted against the other.

    Where other processes took more than a tenth of the cores, all runs are measured
    again, two times at most: torch's threads are up to ten times slower beside any other
    load. One pair alone is no measurement, and stays.

    Args:
      ways: name -> a call that waits for its own results.
      pairs: runs of every way.
      warmups: runs of every way before, not counted: they compile.
      again: whether to run uncounted before each counted run; runs of many seconds
        do not need it.
      clock: gives the seconds of processor time that were used so far by whatever works
        for the ways; None asks this process.
    """
    clock = clock or time.process_time
    for _ in range(warmups):
        for run in ways.values():
            run()
    measured = _measure(ways, pairs, again, clock)
    for _ in range(TRIES - 1 if pairs > 1 else 0):
        if measured.others is None or measured.others <= BUSY:
            break
        measured = min(measured, _measure(ways, pairs, again, clock), key=_rate_others)
    return measured


def _rate_others(measured: Measured) -> float:
    return measured.others or 0.0


def _measure(
    ways: Mapping[str, Callable[[], Any]], pairs: int, again: bool, clock: Callable[[], float]
) -> Measured:
    """Measures all runs once, and how much other processes did meanwhile."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    before = _read_clocks(clock)
    for _ in range(pairs):
        for name, run in ways.items():
            time.sleep(REST)
            if again:
                run()
            begin = clock()
            found[name].append(time_call(run))
            processor[name].append(clock() - begin)
    measured = Measured((name, np.array(values)) for name, values in found.items())
    measured.spent = {name: np.array(values) for name, values in processor.items()}
    measured.processor = {name: float(np.median(each)) for name, each in measured.spent.items()}
    measured.others = _share_of_others(before, _read_clocks(clock))
    return measured


class _Clocks(NamedTuple):
    """Seconds: of all cores together, of those that were busy, and of what is measured."""

    whole: float
    busy: float
    own: float


def _read_clocks(clock: Callable[[], float] | None = None) -> _Clocks | None:
    """Reads how long the cores have run; None where the system does not say."""
    try:
        words = STAT.read_text().split("\n", 1)[0].split()[1:9]
    except OSError:  # not Linux
        return None
    ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in words]
    idle = ticks[3] + ticks[4]  # the fourth number is idle time, the fifth waits for a disk
    return _Clocks(sum(ticks), sum(ticks) - idle, (clock or time.process_time)())


def _share_of_others(before: _Clocks | None, after: _Clocks | None) -> float | None:
    """Gives the share of all cores' time that other processes took between two readings."""
    if before is None or after is None or after.whole <= before.whole:
        return None
    busy, own = after.busy - before.busy, after.own - before.own
    return round(max(0.0, busy - own) / (after.whole - before.whole), 3)
