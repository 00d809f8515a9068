"""How far a sweep is, read from its store while it runs, or afterwards."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from jaxvis.sweep.locking import find_holder
from jaxvis.sweep.store import Store
from jaxvis.sweep.threads import map_in_threads

LAST = 50
"""Shards whose times say how fast the sweep is now."""
NOT_FINITE = "the picture is not finite"
"""Why a picture failed where its row gives no reason."""


@dataclass(frozen=True)
class Reason:
    """Why pictures failed.

    Attributes:
      why: the message.
      count: of how many pictures.
      example: the name of one.
    """

    why: str
    count: int
    example: str


@dataclass(frozen=True)
class Ended:
    """When and where a shard was written.

    Attributes:
      shard: its name.
      ended: seconds since 1970.
      seconds: that it took.
      host, engine: where it was made.
    """

    shard: str
    ended: float
    seconds: float
    host: str
    engine: str


@dataclass(frozen=True)
class Status:
    """How far a sweep is.

    Attributes:
      method, network: what is made.
      shards, pictures: how many there will be.
      shards_done, pictures_done: how many are there.
      ends: status of a row, such as "done" or "dead" -> how many pictures.
      reasons: why pictures failed, the most frequent first.
      damaged: shards whose record cannot be read.
      speed: pictures a second of the last shards; None before the first one.
      seconds_left: at this speed; 0 of a complete sweep; None where nothing is known.
      last: the shard that was written last, or None.
      holder: who writes just now, or None.
    """

    method: str
    network: str
    shards: int
    pictures: int
    shards_done: int
    pictures_done: int
    ends: dict[str, int] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    damaged: tuple[str, ...] = ()
    speed: float | None = None
    seconds_left: float | None = None
    last: Ended | None = None
    holder: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every shard is there and can be read."""
        return self.shards_done == self.shards

    def to_json(self) -> dict[str, Any]:
        """Gives all of it as JSON values."""
        return asdict(self) | {"complete": self.complete}


@dataclass(frozen=True)
class _Counts:
    """What is kept of a record."""

    ends: Counter[str]
    reasons: dict[str, Reason]


class Watch:
    """A store that is looked at again and again; each record is read once.

    Args:
      store: of a sweep.

    Raises:
      OSError: if its plan cannot be read.
      ValueError: if there is none.
    """

    def __init__(self, store: Store) -> None:
        self.store, self.plan = store, store.read_plan()
        self._counts: dict[str, _Counts | None] = {}
        self._ended: dict[str, Ended | None] = {}

    def look(self) -> Status:
        """Says how far the sweep is now.

        Raises:
          OSError: if the store cannot be read.
        """
        plan, store = self.plan, self.store
        planned = {shard.name: plan.count_of(shard) for shard in plan.shards}
        there = [name for name in store.list_done() if name in planned]
        new = [name for name in there if self._counts.get(name) is None]
        for name, counts, ended in map_in_threads(self._read, new):
            self._counts[name], self._ended[name] = counts, ended
        good = [name for name in there if self._counts[name] is not None]
        found = [counts for name in good if (counts := self._counts[name]) is not None]
        times = [ended for name in good if (ended := self._ended[name]) is not None]
        done, total = sum(planned[name] for name in good), plan.count
        speed = measure_speed(times, [planned[one.shard] for one in times])
        return Status(
            method=plan.method,
            network=plan.network.name,
            shards=len(plan.shards),
            pictures=total,
            shards_done=len(good),
            pictures_done=done,
            ends=dict(sum((one.ends for one in found), Counter[str]()).most_common()),
            reasons=_join_reasons(found),
            damaged=tuple(name for name in there if self._counts[name] is None),
            speed=speed,
            seconds_left=0.0 if done == total else (total - done) / speed if speed else None,
            last=max(times, key=lambda one: (one.ended, one.shard), default=None),
            holder=_find_writer(store),
        )

    def _read(self, name: str) -> tuple[str, _Counts | None, Ended | None]:
        try:
            data = self.store.files.read(f"records/{name}.json")
        except FileNotFoundError:  # removed in this moment, by --mend
            return name, None, None
        return name, count_rows(data), read_times(self.store, name)


def read_status(store: Store) -> Status:
    """Says how far a sweep is.

    Args:
      store: of the sweep.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it holds no plan.
    """
    return Watch(store).look()


def count_rows(data: bytes) -> _Counts | None:
    """Counts how the pictures of a record ended; None of a damaged record.

    Args:
      data: the record's file.
    """
    # A quotation mark inside of a JSON text has a backslash before it, so these bytes are
    # nothing else. Most records are counted this way, which spares reading their curves.
    whole = data.startswith(b'{"schema": 1, ') and data.endswith(b"}\n")
    count, done = data.count(b'"status": "'), data.count(b'"status": "done"')
    if whole and count == done:
        return _Counts(Counter({"done": done} if done else {}), {})
    try:
        rows = json.loads(data)["rows"]
        ends = Counter(str(row["status"]) for row in rows)
        reasons: dict[str, Reason] = {}
        for row in rows:
            if row["status"] == "failed":
                why = str(row.get("why") or NOT_FINITE)
                known = reasons.get(why, Reason(why, 0, str(row["name"])))
                reasons[why] = Reason(why, known.count + 1, known.example)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return _Counts(ends, reasons)


def read_times(store: Store, name: str) -> Ended | None:
    """Reads when a shard was written; None where its file is gone or damaged.

    Args:
      store: of the sweep.
      name: of the shard.
    """
    try:
        found = json.loads(store.files.read(f"times/{name}.json"))
        where = str(found["host"]), str(found["engine"])
        return Ended(name, float(found["ended"]), float(found["seconds"]), *where)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def measure_speed(times: Sequence[Ended], counts: Sequence[int]) -> float | None:
    """Measures the pictures a second of the shards that were written last.

    Hours in which nobody worked do not count, and shards that several workers made at the
    same time count as made in that time.

    Args:
      times: of shards.
      counts: the pictures of each.

    Returns:
      float: None without shards, or where they took no time.
    """
    last = sorted(zip(times, counts), key=lambda one: one[0].ended)[-LAST:]
    busy, until = 0.0, float("-inf")
    for one, _ in sorted(last, key=lambda one: one[0].ended - one[0].seconds):
        began = max(one.ended - one.seconds, until)
        busy += max(0.0, one.ended - began)
        until = max(until, one.ended)
    return sum(count for _, count in last) / busy if busy > 0 else None


def _join_reasons(found: Sequence[_Counts]) -> tuple[Reason, ...]:
    joined: dict[str, Reason] = {}
    for counts in found:
        for why, reason in counts.reasons.items():
            known = joined.get(why, Reason(why, 0, reason.example))
            joined[why] = Reason(why, known.count + reason.count, known.example)
    return tuple(sorted(joined.values(), key=lambda one: (-one.count, one.why)))


def _find_writer(store: Store) -> str | None:
    try:
        return find_holder(store.folder)
    except OSError:  # a folder that may only be read: locks cannot be tried there
        return None
