"""Shards made one after the other, each written before the next one begins."""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from jaxvis.interrupts import hold_interrupts
from jaxvis.optimize.keys import check_seeds
from jaxvis.optimize.memory import is_out_of_memory
from jaxvis.output.encode import encode_image
from jaxvis.output.record import describe_device, read_versions
from jaxvis.sweep.judges import Judge, open_judge
from jaxvis.sweep.kinds import find_kind
from jaxvis.sweep.kinds.base import Made, Order, Subject, join_items
from jaxvis.sweep.plan import Plan, Shard
from jaxvis.sweep.plan_file import hash_plan
from jaxvis.sweep.rows import make_rows
from jaxvis.sweep.store import Store
from jaxvis.sweep.subject import open_source, open_subject

Tell = Callable[[Shard, Sequence[dict[str, Any]]], None]
"""Called with each shard that is written, and its rows."""


@dataclass(frozen=True, eq=False)
class Studio:
    """Everything that shards are made with, opened once.

    Attributes:
      plan: what is made.
      subject: the network and the photographs.
      judges: other networks.
      engine: what the times of a shard are noted under.
    """

    plan: Plan
    subject: Subject
    judges: tuple[Judge, ...]
    engine: str = "local"

    @cached_property
    def sum(self) -> str:
        """The sha256 of the plan, which every record has."""
        return hash_plan(self.plan)


def open_studio(plan: Plan, *, engine: str = "local") -> Studio:
    """Opens the networks and photographs of a plan.

    Args:
      plan: any.
      engine: see `Studio`.

    Raises:
      OSError: if a file cannot be opened.
      ValueError: if weights or photographs are others than those of the plan.
    """
    check_seeds(plan.seeds)
    find_kind(plan.method)
    subject = open_subject(plan)
    judges = tuple(open_judge(open_source(one), subject.opened) for one in plan.judges)
    return Studio(plan, subject, judges, engine)


def choose_part(plan: Plan, part: tuple[int, int]) -> list[Shard]:
    """Chooses the shards of one part of several: every n-th one.

    Args:
      plan: any.
      part: (i, n), the i-th of n parts, from 1.

    Raises:
      ValueError: for a part that is none.
    """
    number, count = part
    if not 1 <= number <= count:
        raise ValueError(f"a part is I/N with I from 1 to N, such as 2/8, not {number}/{count}")
    return list(plan.shards[number - 1 :: count])


def list_missing(
    plan: Plan, store: Store, *, part: tuple[int, int] = (1, 1), done: set[str] | None = None
) -> list[Shard]:
    """Lists the shards that are not there yet.

    Args:
      plan: what is made.
      store: where.
      part: see `choose_part`.
      done: the names of those that are there; None asks the store.

    Raises:
      OSError: if the store cannot be read.
      ValueError: as `choose_part`.
    """
    there = set(store.list_done()) if done is None else done
    return [shard for shard in choose_part(plan, part) if shard.name not in there]


def run_shards(
    studio: Studio, store: Store, shards: Sequence[Shard], *, tell: Tell | None = None
) -> None:
    """Makes shards, and writes each when it is done.

    Args:
      studio: what they are made with.
      store: where they are written.
      shards: which.
      tell: told of each.

    Raises:
      KeyboardInterrupt: on Ctrl-C or SIGTERM; shards that were finished are written.
      OSError: if one cannot be written.
    """
    for shard in shards:
        began = time.perf_counter()
        made = make_shard(studio, shard)
        # What is made is written, even if Ctrl-C comes meanwhile.
        with hold_interrupts():
            rows = write_shard(studio, store, shard, made, began=began)
            if tell is not None:
                tell(shard, rows)


def make_shard(studio: Studio, shard: Shard) -> Made:
    """Makes the pictures of a shard; an item that is refused is FAILED, the others are made.

    Args:
      studio: what they are made with.
      shard: which.

    Raises:
      KeyboardInterrupt: on Ctrl-C.
      MemoryError, RuntimeError: if not even one item at a time fits into memory.
    """
    plan, kind = studio.plan, find_kind(studio.plan.method)
    order = Order(shard, plan.seeds, plan.seed, plan.chunk)
    halves = _halve(shard)
    try:
        return kind.make(studio.subject, order)
    except (MemoryError, RuntimeError) as error:
        # Methods halve their own chunks; here are those that make a whole shard at once.
        if halves is None or not is_out_of_memory(error):
            raise
    except (ValueError, OSError) as error:
        if _is_interrupt(error):
            raise KeyboardInterrupt from None
        if halves is None:
            return _refuse(shard, plan.seeds, str(error))
    return join_items([make_shard(studio, half) for half in halves])


def _is_interrupt(error: BaseException | None) -> bool:
    """Says whether JAX made an error of a Ctrl-C that came while it compared or compiled."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _halve(shard: Shard) -> tuple[Shard, Shard] | None:
    """Cuts a shard in two, so that one bad item costs no other; None of a single one."""
    if len(shard.sources) > 1:
        half = len(shard.sources) // 2
        first, rest = shard.sources[:half], shard.sources[half:]
        return replace(shard, sources=first), replace(shard, sources=rest)
    if len(shard.indices) > 1:
        half = len(shard.indices) // 2
        before, after = shard.indices[:half], shard.indices[half:]
        return replace(shard, indices=before), replace(shard, indices=after)
    return None


def _refuse(shard: Shard, seeds: int, why: str) -> Made:
    """Gives pictures that could not be made."""
    height, width = shard.size
    images = np.full((seeds, height, width, 3), np.nan, np.float32)
    return Made(images, ["failed"] * seeds, [{}] * seeds, why=why)


def write_shard(
    studio: Studio, store: Store, shard: Shard, made: Made, *, began: float
) -> list[dict[str, Any]]:
    """Writes the pictures of a shard and its record; gives the rows.

    Args:
      studio: what they were made with.
      store: where.
      shard: which.
      made: its pictures, `[N, H, W, C]`.
      began: when it began, by `time.perf_counter`.

    Raises:
      OSError: if they cannot be written.
    """
    plan = studio.plan
    rows = make_rows(plan, shard, studio.subject, made, judges=studio.judges)
    pictures = {
        row["file"].rpartition("/")[2]: encode_image(image, plan.format)
        for row, image in zip(rows, made.images)
        if row["file"]
    }
    device = describe_device()
    record = {
        "plan": studio.sum,
        "chunk": made.chunk,
        "versions": read_versions(),
        "device": {name: device[name] for name in ("platform", "kind", "count", "flags")},
        "rows": rows,
    }
    times = {
        "seconds": round(time.perf_counter() - began, 3),
        "ended": round(time.time(), 3),
        "host": platform.node(),
        "engine": studio.engine,
        "devices": device["count"],
    }
    store.commit(shard.name, pictures, record, times)
    return rows
