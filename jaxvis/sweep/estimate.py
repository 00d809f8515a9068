"""What a plan will cost: time, memory and disk, measured on a few pictures of each shape."""

import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.escape import escape
from jaxvis.output.record import describe_device
from jaxvis.sweep.plan import Plan, Shard
from jaxvis.sweep.run import Studio, make_shard, write_shard
from jaxvis.sweep.store import RemoteFiles, Store

FEW, MORE = 3, 9
"""Steps of the two runs whose difference is the time of a step."""
PACKED = 0.9
"""Bytes of a finished picture's file for each of its values, at most."""


@dataclass(frozen=True)
class Cost:
    """What one compiled shape costs.

    Attributes:
      shape: what the shards have in common, in words.
      shards: how many there are.
      pictures: of them all.
      compile: seconds that the first run takes more than the next ones.
      shard: seconds of a shard with all its steps, pictures written.
      bytes: of a picture's file and row.
    """

    shape: str
    shards: int
    pictures: int
    compile: float
    shard: float
    bytes: float

    @property
    def seconds(self) -> float:
        """Seconds of all its shards."""
        return self.compile + self.shard * self.shards


def estimate(studio: Studio, *, tell: Callable[[Cost], Any] = lambda cost: None) -> dict[str, Any]:
    """Measures what the plan of a studio costs, on the first pictures of each shape.

    A shape's time of a step is the difference between short runs of two lengths, the faster
    of two each, so that neither compilation nor the time before the first step is in it.

    Args:
      studio: the plan, opened.
      tell: told of each shape that was measured.

    Returns:
      dict: "seconds", "bytes" (of pictures and rows), "memory" (the peak of this process in
      bytes; that of a first device where it says it), "device", and "shapes", a list of what
      each shape costs.

    Raises:
      ValueError: as the method, for what it cannot do.
    """
    costs = []
    for shards in group_shards(studio.plan):
        cost = _measure(studio, shards)
        tell(cost)
        costs.append(cost)
    device = describe_device()
    return {
        "seconds": round(sum(cost.seconds for cost in costs), 3),
        "bytes": int(sum(cost.bytes * cost.pictures for cost in costs)),
        "memory": measure_peak(),
        "device": {name: device.get(name) for name in ("platform", "kind", "count", "processor")},
        "shapes": [
            {
                "shape": cost.shape,
                "shards": cost.shards,
                "pictures": cost.pictures,
                "compile_seconds": round(cost.compile, 3),
                "shard_seconds": round(cost.shard, 3),
                "bytes_each": int(cost.bytes),
            }
            for cost in costs
        ],
    }


def group_shards(plan: Plan) -> Iterator[list[Shard]]:
    """Yields the shards of one compiled shape each.

    Args:
      plan: any.
    """
    groups: dict[Any, list[Shard]] = {}
    for shard in plan.shards:
        key = (shard.tap, shard.size, tuple(sorted((k, str(v)) for k, v in shard.settings.items())))
        groups.setdefault(key, []).append(shard)
    yield from groups.values()


def _measure(studio: Studio, shards: list[Shard]) -> Cost:
    """Measures what shards of one shape cost, on the first of them."""
    plan, first = studio.plan, shards[0]
    count = sum(map(plan.count_of, shards))
    fraction = count / len(shards) / plan.count_of(first)
    store = Store("estimate", RemoteFiles(_Counter(), "estimate"))
    counter: _Counter = store.files.system  # type: ignore[attr-defined]
    steps = _count_steps(studio, first)
    few, more = min(steps, FEW), min(steps, MORE)
    short, longer = (_shorten(first, steps) for steps in (few, more))
    cold = _time(studio, short, store)
    warm = seconds = min(_time(studio, short, store) for _ in range(2))
    if few < more:
        _time(studio, longer, store)  # it may be compiled anew
        slower = min(_time(studio, longer, store) for _ in range(2))
        seconds += max(slower - warm, 0.0) / (more - few) * (steps - few)
    each = counter.bytes / max(counter.shards, 1) / plan.count_of(first)
    # A picture of few steps is smoother than it will be: files of finished ones come close to
    # the size of their pixels.
    pixels = first.size[0] * first.size[1] * studio.subject.net.channels
    each = max(each, PACKED * pixels)
    words = [first.tap or "classes", f"{first.size[0]}x{first.size[1]}"]
    words += [f"{k}={v}" for k, v in first.settings.items() if v is not None]
    shape = ", ".join(words)
    return Cost(shape, len(shards), count, max(cold - warm, 0.0), seconds * fraction, each)


def _shorten(shard: Shard, steps: int) -> Shard:
    """Gives a shard with few steps, where its method has steps."""
    if "steps" not in shard.settings:
        return shard
    return replace(shard, settings={**shard.settings, "steps": steps})


def _count_steps(studio: Studio, shard: Shard) -> int:
    """Counts the steps of a shard: `FEW` where its method has none or nothing says them."""
    if "steps" not in shard.settings:
        return FEW
    given = shard.settings["steps"]
    if given is not None:
        return int(given)
    for recipe in studio.plan.recipes:
        if recipe["settings"] == dict(shard.settings) and recipe["tap"] == shard.tap:
            how = recipe["how"]
            steps = how.get("steps") or how.get("recipe", {}).get("steps")
            if steps:
                return int(steps)
    return FEW


def _time(studio: Studio, shard: Shard, store: Store) -> float:
    began = time.perf_counter()
    write_shard(studio, store, shard, make_shard(studio, shard), began=began)
    return time.perf_counter() - began


class _Counter:
    """A place that counts what is written, and keeps nothing."""

    def __init__(self) -> None:
        self.bytes, self.shards = 0, 0

    def makedirs(self, path: str, exist_ok: bool) -> None:
        """Makes nothing."""

    def pipe(self, files: Mapping[str, bytes]) -> None:
        """Counts the bytes of `files`."""
        self.bytes += sum(map(len, files.values()))

    def pipe_file(self, path: str, data: bytes) -> None:
        """Counts the bytes of a file, `data`, at `path`."""
        self.bytes += len(data)
        self.shards += "/records/" in path


def measure_peak() -> int:
    """Gives the most memory that this process, or its first device, has used, in bytes."""
    import jax

    try:
        stats: Mapping[str, int] = jax.local_devices()[0].memory_stats() or {}
    except (RuntimeError, NotImplementedError):
        stats = {}
    if "peak_bytes_in_use" in stats:
        return int(stats["peak_bytes_in_use"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def refuse_impossible(plan: Plan, folder: Path | None, *, done: float = 0.0) -> None:
    """Refuses a plan that takes more memory or disk than there is, where it was measured.

    Args:
      plan: any.
      folder: where it will be written; None where that is no folder of this machine.
      done: the share of it that is there already.

    Raises:
      ValueError: names what is missing.
    """
    need = float(plan.estimate.get("bytes", 0)) * (1 - done)
    if folder is not None and need:
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        free = shutil.disk_usage(there).free
        if need > free:
            raise ValueError(
                f"the plan takes about {say_bytes(need)}, and {escape(there)} has "
                f"{say_bytes(free)} left: name another folder, or make fewer pictures"
            )
    memory, have = float(plan.estimate.get("memory", 0)), _read_memory()
    same = plan.estimate.get("device", {}).get("platform") == "cpu"
    if same and have and memory > have:
        raise ValueError(
            f"the plan took {say_bytes(memory)} of memory where it was measured, and this "
            f"machine has {say_bytes(have)}: plan again with a smaller --chunk or --size"
        )


def _read_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def say_bytes(count: float) -> str:
    """Says a number of bytes: "1.5 GB".

    Args:
      count: the number.
    """
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def say_time(seconds: float) -> str:
    """Says a time: "1 h 05 min".

    Args:
      seconds: the time; one that is not finite is "unknown".
    """
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = int(np.ceil(seconds / 60))
    if minutes < 90:
        return f"{minutes} min"
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left:02d} min" if hours < 48 else f"{minutes / 1440:.1f} days"
