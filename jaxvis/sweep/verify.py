"""Every file of a store read and compared, and what is damaged made ready to be made again."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxvis.sweep.contents import Contents, Fault, check_shard, list_extra
from jaxvis.sweep.leftovers import list_leftovers, remove_path
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.plan_file import hash_plan
from jaxvis.sweep.store import PLAN, Store
from jaxvis.sweep.threads import map_in_threads


@dataclass(frozen=True)
class Verdict:
    """What was found in a store.

    Attributes:
      shards: how many were read, of `planned`.
      planned: how many the plan has.
      files: how many were read.
      size: of them, in bytes.
      faults: what is wrong, shard by shard.
      unfinished: folders without a record, hidden files and folders that a process writes,
        or left when it was killed: no faults.
      removed: what `mend_store` removed.
    """

    shards: int
    planned: int
    files: int
    size: int
    faults: tuple[Fault, ...]
    unfinished: tuple[str, ...]
    removed: tuple[str, ...] = ()

    @property
    def damaged(self) -> tuple[str, ...]:
        """The shards that must be made again."""
        return tuple(dict.fromkeys(fault.shard for fault in self.faults if fault.shard))


def verify_store(store: Store, *, tell: Callable[[Contents], object] | None = None) -> Verdict:
    """Reads every file of a store, and compares it with its sha256.

    It finds every flipped byte of pictures and records, files that are missing or too many,
    records that cannot be read, and a plan that is not the one that the shards were made by.
    Shards that are not there yet are no fault.

    Args:
      store: of a sweep.
      tell: told of each shard that was read.

    Raises:
      OSError: if the store cannot be reached.
      ValueError: if it holds no plan, or one that cannot be read.
    """
    plan = store.read_plan()
    names = [shard.name for shard in plan.shards]
    extra, unfinished = list_extra(store, names)
    done = set(store.list_done())
    there = [shard for shard in plan.shards if shard.name in done]
    contents = []
    for found in map_in_threads(lambda shard: check_shard(store, plan, shard), there):
        contents.append(found)
        if tell is not None:
            tell(found)
    faults = [fault for found in contents for fault in found.faults]
    faults += _compare_plans(contents, hash_plan(plan)) + extra
    hidden = [f"{path}" for path in list_leftovers(store.folder)]
    return Verdict(
        shards=len(there),
        planned=len(names),
        files=1 + sum(found.files for found in contents),
        size=sum(found.size for found in contents),
        faults=tuple(faults),
        unfinished=(*unfinished, *hidden),
    )


def _compare_plans(contents: Sequence[Contents], own: str) -> list[Fault]:
    """Finds shards of another plan; if nearly all of them are, the plan itself is another."""
    hashes = Counter(found.plan for found in contents if found.plan is not None)
    other = sum(hashes.values()) - hashes[own]
    if hashes and hashes[own] < other:
        return [Fault(PLAN, f"is another plan than the one that {other} shards were made by")]
    return [
        Fault(f"records/{found.shard}.json", "was made by another plan", found.shard)
        for found in contents
        if found.plan not in (own, None)
    ]


def mend_store(store: Store, *, tell: Callable[[Contents], object] | None = None) -> Verdict:
    """Verifies a store, and removes what keeps damaged shards from being made again.

    These are their records, and files that belong to nothing; also what killed processes
    left half written. Nobody may write into the store meanwhile.

    Args:
      store: of a sweep.
      tell: told of each shard that was read.

    Raises:
      OSError: if the store cannot be reached or written.
      ValueError: if somebody writes into it, or its plan is not the one of its shards.
    """
    store.read_plan()  # before a lock is made in a folder of something else
    with hold_sweep(store.folder):
        found = verify_store(store, tell=tell)
        if any(fault.path == PLAN for fault in found.faults):
            raise ValueError(
                f"{PLAN} is not the plan that the shards were made by, so nothing is removed: "
                "put the plan that the sweep was begun with in its place"
            )
        removed = [f"records/{name}.json" for name in found.damaged]
        removed += [fault.path for fault in found.faults if fault.extra]
        for path in dict.fromkeys(removed):
            _remove(store, path)
        for left in list_leftovers(store.folder):
            removed.append(str(left))
            remove_path(left)
    return Verdict(**{**vars(found), "removed": tuple(dict.fromkeys(removed))})


def _remove(store: Store, path: str) -> None:
    """Removes a file, or a folder that is of no shard."""
    if store.folder is not None:
        remove_path(store.folder / path)
        return
    for name in store.files.list(path):
        store.files.remove(f"{path}/{name}")
    store.files.remove(path)
