"""Stores of one plan, made in several places, put together."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxvis.escape import escape_path
from jaxvis.sweep.contents import read_rows
from jaxvis.sweep.leftovers import remove_leftovers
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.plan import Plan
from jaxvis.sweep.plan_file import describe_work, hash_plan, list_differences
from jaxvis.sweep.store import Store
from jaxvis.sweep.threads import map_in_threads


@dataclass(frozen=True)
class Merged:
    """What was put together.

    Attributes:
      copied: shards that are new in the store.
      equal: shards that several stores had, byte for byte the same.
      kept: shards that several stores had in different forms; the first one was kept.
      shards: how many are there now, of `planned`.
      planned: how many the plan has.
    """

    copied: int
    equal: int
    kept: int
    shards: int
    planned: int


@dataclass(frozen=True)
class _Step:
    """What happens to a shard: it is copied from `first`; `others` must be equal to it."""

    name: str
    first: Store
    others: tuple[Store, ...]


def merge_stores(
    out: Store,
    stores: Sequence[Store],
    *,
    keep: Literal["first"] | None = None,
    tell: Callable[[str], object] | None = None,
) -> Merged:
    """Puts stores of one plan together; what is there already stays, and may be gone on with.

    Nothing is written before all shards that several stores have were compared. Every file
    is compared with its sha256 when it is read.

    Args:
      out: a new store, or one of the same plan.
      stores: where shards are taken from; they stay as they are.
      keep: what happens to a shard that differs between two stores: None refuses, "first"
        takes it from `out`, or else from the first of `stores` that has it.
      tell: called with the name of each shard when it is there.

    Raises:
      OSError: if a store cannot be read or written.
      ValueError: for stores of different plans, naming the difference; for a shard that
        differs, naming the file; for a file that is damaged; if somebody writes into `out`.
    """
    if not stores:
        raise ValueError("name at least one sweep to put together")
    if any(_place(one) == _place(out) for one in stores):
        raise ValueError(f"{escape_path(out.url)} is merged into itself: name a new folder")
    plan = stores[0].read_plan()
    for other in stores[1:]:
        _compare_plans(stores[0], plan, other)
    with hold_sweep(out.folder):
        out.begin(plan)
        remove_leftovers(out.folder, plan)
        steps = list(_list_steps(plan, out, stores))
        shared = [step for step in steps if step.others]
        different = [found for found in map_in_threads(_compare, shared) if found is not None]
        if different and keep is None:
            raise ValueError(
                f"{different[0]}: make the shards again in one of the stores, or take the first "
                "one with --keep first"
            )
        new = [step for step in steps if step.first is not out]
        for name in map_in_threads(lambda step: _copy(step.name, step.first, out), new):
            if tell is not None:
                tell(name)
    return Merged(
        copied=len(new),
        equal=len(shared) - len(different),
        kept=len(different),
        shards=len(steps),
        planned=len(plan.shards),
    )


def _place(store: Store) -> str:
    return store.url.rstrip("/") if store.folder is None else str(store.folder.resolve())


def _compare_plans(first: Store, plan: Plan, other: Store) -> None:
    found = other.read_plan()
    if hash_plan(found) != hash_plan(plan):
        what = list_differences(describe_work(plan), describe_work(found))
        raise ValueError(
            f"{escape_path(other.url)} is of another plan than {escape_path(first.url)} "
            f"({'; '.join(what)}): only stores of one plan are put together"
        )


def _list_steps(plan: Plan, out: Store, stores: Sequence[Store]) -> Iterator[_Step]:
    """Yields each shard that is somewhere, with where it is, in the order of the plan."""
    done = [(store, set(store.list_done())) for store in (out, *stores)]
    for shard in plan.shards:
        have = [store for store, names in done if shard.name in names]
        if have:
            yield _Step(shard.name, have[0], tuple(have[1:]))


def _compare(step: _Step) -> str | None:
    """Compares a shard of several stores byte for byte; says where one differs."""
    record, sums = _read_record(step.name, step.first)
    for path, wanted in sums.items():
        _read_file(step.first, path, wanted)
    for other in step.others:
        again, found = _read_record(step.name, other)
        for path, wanted in found.items():
            _read_file(other, path, wanted)
        first, shown = escape_path(step.first.url), escape_path(other.url)
        for path in sorted(set(sums) | set(found)):
            if sums.get(path) != found.get(path):
                return f"{escape_path(path)} differs between {first} and {shown}"
        if record != again:
            return f"records/{step.name}.json differs between {first} and {shown}"
    return None


def _copy(name: str, store: Store, out: Store) -> str:
    """Copies a shard: pictures, times, and the record last."""
    record, sums = _read_record(name, store)
    pictures = {path.rpartition("/")[2]: _read_file(store, path, sums[path]) for path in sums}
    out.files.write_folder(f"shards/{name}", pictures)
    out.files.write(f"times/{name}.json", store.files.read(f"times/{name}.json"))
    out.files.write(f"records/{name}.json", record)
    return name


def _read_record(name: str, store: Store) -> tuple[bytes, dict[str, str]]:
    """Reads the bytes of a record, and the sha256 of its files."""
    data = store.files.read(f"records/{name}.json")
    found = read_rows(data, name)
    if found is None:
        raise ValueError(_refuse(store, f"records/{name}.json", "is damaged"))
    sums: dict[str, str] = found["files"]
    return data, sums


def _read_file(store: Store, path: str, wanted: str) -> bytes:
    try:
        data = store.files.read(path)
    except FileNotFoundError:
        raise ValueError(_refuse(store, path, "is missing")) from None
    if hashlib.sha256(data).hexdigest() != wanted:
        raise ValueError(_refuse(store, path, "is damaged"))
    return data


def _refuse(store: Store, path: str, what: str) -> str:
    shown = f"{escape_path(store.url)}/{escape_path(path)}"
    return f"{shown} {what}: jaxvis sweep verify {escape_path(store.url)} --mend helps"
