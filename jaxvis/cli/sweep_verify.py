"""jaxvis sweep verify: every file of a sweep read, and compared with its sha256."""

import sys

from tqdm import tqdm

from jaxvis.escape import escape_path
from jaxvis.sweep.estimate import say_bytes
from jaxvis.sweep.store import open_store
from jaxvis.sweep.verify import Verdict, mend_store, verify_store


def verify(dir: str, /, *, mend: bool = False) -> int:
    """Reads every file of a sweep, and lists what is damaged, missing or too many.

    Any flipped byte of a picture or a record is found. Shards that are not there yet are no
    fault. The exit code is 0 if nothing is wrong or everything was mended, else 1. For
    example: jaxvis sweep verify pictures --mend; jaxvis sweep resume pictures

    Args:
      dir: the folder of the sweep, or s3://bucket/path, gs://...
      mend: remove the records of damaged shards, so that jaxvis sweep resume makes them
        again, and files that belong to no shard.

    Raises:
      OSError: if the folder cannot be read, or written with --mend.
      ValueError: if it holds no sweep; with --mend, if another process writes into it.
    """
    store = open_store(dir)
    total = len(store.read_plan().shards)
    with tqdm(total=total, unit="shard", delay=1) as bar:
        look = mend_store if mend else verify_store
        found = look(store, tell=lambda contents: bar.update())
    for fault in found.faults:
        print(f"{escape_path(fault.path)} {fault.what}")
    for path in found.unfinished if not mend else ():
        print(f"{escape_path(path)} is not finished: it is being written, or was stopped")
    print(describe_verdict(dir, found))
    if found.faults and not mend:
        print(f"jaxvis sweep verify {escape_path(dir)} --mend removes them", file=sys.stderr)
    if found.damaged and mend:
        print(f"jaxvis sweep resume {escape_path(dir)} makes them again", file=sys.stderr)
    return 1 if found.faults and not mend else 0


def describe_verdict(url: str, found: Verdict) -> str:
    """Describes what was found in one line.

    Args:
      url: of the sweep.
      found: in it.
    """
    words = [
        f"{escape_path(url)}: {found.files} files read ({say_bytes(found.size)})",
        f"{found.shards} of {found.planned} shards are there",
        f"{say_count(len(found.faults), 'fault')}, "
        f"{say_count(len(found.damaged), 'shard')} to make again"
        if found.faults
        else "nothing is wrong",
    ]
    if found.removed:
        words.append(f"{say_count(len(found.removed), 'file')} removed")
    return ", ".join(words)


def say_count(count: int, what: str) -> str:
    """Says a number of things: "1 fault", "2 faults".

    Args:
      count: how many.
      what: one of them is called.
    """
    return f"{count} {what}{'s' * (count != 1)}"
