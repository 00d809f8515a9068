"""One shard of a store as it is on the disk, compared with what its record says."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxvis.sweep.plan import Plan, Shard
from jaxvis.sweep.seals import check_seal
from jaxvis.sweep.store import Store


@dataclass(frozen=True)
class Fault:
    """Something in a store that is not as it was written.

    Attributes:
      path: of the file, from the store's root on.
      what: is wrong with it.
      shard: the one that must be made again; None where none is.
      extra: whether the file belongs to nothing.
    """

    path: str
    what: str
    shard: str | None = None
    extra: bool = False


@dataclass(frozen=True)
class Contents:
    """What was found of a shard.

    Attributes:
      shard: its name.
      faults: what is wrong.
      files: how many were read.
      size: of them, in bytes.
      plan: the hash of the plan that its record names; None where it cannot be read.
    """

    shard: str
    faults: tuple[Fault, ...] = ()
    files: int = 0
    size: int = 0
    plan: str | None = None


@dataclass
class _Search:
    """Faults that were found so far."""

    shard: str
    faults: list[Fault] = field(default_factory=list)
    files: int = 0
    size: int = 0

    def add(self, path: str, what: str, *, extra: bool = False) -> None:
        self.faults.append(Fault(path, what, self.shard, extra))


def check_shard(store: Store, plan: Plan, shard: Shard) -> Contents:
    """Reads every file of a shard, and compares it with what its record says.

    Args:
      store: where it is.
      plan: what is made.
      shard: one whose record is there.

    Raises:
      OSError: if the store cannot be reached; a file that is missing is a fault.
    """
    search, path = _Search(shard.name), f"records/{shard.name}.json"
    data = _read(store, path, search)
    if data is None:
        return Contents(shard.name)  # removed in this moment
    record = read_rows(data, shard.name)
    if record is None or not check_seal(data):
        search.add(path, "is damaged")
    if record is not None:
        sums: dict[str, str] = record["files"]
        _check_rows(record, plan, shard, path, search)
        _check_files(store, shard.name, sums, search)
    _check_times(store, shard.name, search)
    own = record.get("plan") if record is not None else None
    return Contents(shard.name, tuple(search.faults), search.files, search.size, own)


def read_rows(data: bytes, name: str) -> dict[str, Any] | None:
    """Reads the record of a shard; None where it is damaged or names files of others.

    Args:
      data: the record's file.
      name: of the shard.
    """
    try:
        found = json.loads(data)
        rows, sums = found["rows"], found["files"]
        good = found["shard"] == name and isinstance(rows, list) and isinstance(sums, dict)
        good = good and all(isinstance(row, dict) for row in rows)
        good = good and all(is_own(path, name) for path in sums)
        return found if good else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def is_own(path: str, name: str) -> bool:
    """Says whether a path is that of a picture of a shard, and leads nowhere else.

    Args:
      path: as a record names it.
      name: of the shard.
    """
    folder = f"shards/{name}/"
    file = path.removeprefix(folder)
    plain = not set(file) & set("/\\\0") and file[:1] not in ("", ".")
    return path.startswith(folder) and plain


def _read(store: Store, path: str, search: _Search) -> bytes | None:
    """Reads a file and counts it; None where it is not there."""
    try:
        data = store.files.read(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    search.files, search.size = search.files + 1, search.size + len(data)
    return data


def _check_rows(
    record: dict[str, Any], plan: Plan, shard: Shard, path: str, search: _Search
) -> None:
    """Checks that the rows are as many as planned, and name the files that there are."""
    rows, count = record["rows"], plan.count_of(shard)
    if len(rows) != count:
        search.add(path, f"has {len(rows)} rows, {count} were planned")
    named = [row["file"] for row in rows if row.get("file")]
    if sorted(map(str, named)) != sorted(record["files"]):
        search.add(path, "has rows of other pictures than its files")


def _check_files(store: Store, name: str, sums: dict[str, str], search: _Search) -> None:
    """Checks that pictures are there, no others, and have their sha256."""
    folder = f"shards/{name}"
    try:
        there = {f"{folder}/{one}" for one in store.files.list(folder)}
    except NotADirectoryError:
        there = set()
        search.add(folder, "is a file", extra=True)
    for file in sorted(there - set(sums)):
        search.add(file, "is not of this shard", extra=True)
    for path, wanted in sums.items():
        data = _read(store, path, search)
        if data is None:
            search.add(path, "is missing")
        elif hashlib.sha256(data).hexdigest() != wanted:
            search.add(path, "is damaged: its sha256 is another")


def _check_times(store: Store, name: str, search: _Search) -> None:
    path = f"times/{name}.json"
    data = _read(store, path, search)
    if data is None:
        search.add(path, "is missing")
        return
    try:
        found = json.loads(data)
        float(found["seconds"])
    except (ValueError, KeyError, TypeError, RecursionError):
        search.add(path, "is damaged")


def list_extra(store: Store, planned: Sequence[str]) -> tuple[list[Fault], list[str]]:
    """Lists what is in a store and belongs to no shard of the plan.

    Args:
      store: where.
      planned: names of the plan's shards.

    Returns:
      The faults, and the folders of shards that are not finished, whose record is missing.

    Raises:
      OSError: if the store cannot be read.
    """
    known, faults = set(planned), []
    # In this order: a shard that is written meanwhile has its record when it is looked for.
    folders, times = store.files.list("shards"), store.files.list("times")
    done = set(store.list_done())
    for place, names, end in (
        ("shards", folders, ""),
        ("times", times, ".json"),
        ("records", store.files.list("records"), ".json"),
    ):
        for name in names:
            if not name.endswith(end) or name.removesuffix(end) not in known:
                faults.append(Fault(f"{place}/{name}", "is of no shard of the plan", extra=True))
    unfinished = [name for name in folders if name in known and name not in done]
    return faults, [f"shards/{name}" for name in unfinished]
