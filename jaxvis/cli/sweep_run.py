"""jaxvis sweep run and resume: the shards of a plan, made and written one after the other."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jaxvis.cli.sweep_flags import RUN, RunFlags
from jaxvis.escape import escape
from jaxvis.output.record import describe_device
from jaxvis.sweep.engines import find_engine
from jaxvis.sweep.estimate import refuse_impossible
from jaxvis.sweep.plan import Plan, Shard
from jaxvis.sweep.plan_file import read_plan
from jaxvis.sweep.run import list_missing
from jaxvis.sweep.store import Store, open_store

BAD = ("failed", "dead")
"""How pictures end badly."""


def run(
    plan: Path,
    dir: str,
    /,
    *,
    how: RunFlags = RUN,
) -> int:
    """Makes the pictures of a plan, shard by shard, in a folder or a store elsewhere.

    A shard is wholly there or not at all. Ctrl-C, SIGTERM or a kill lose at most the shards
    that are in progress: call it again, or `jaxvis sweep resume DIR`, and what is missing
    is made, with the bytes that it would have had. For example:
    jaxvis sweep run plan.json pictures

    Args:
      plan: a file that jaxvis sweep --plan wrote.
      dir: a new folder, or one that this plan was begun in, or s3://bucket/path, gs://...

    Raises:
      OSError: if plan, weights or folder cannot be opened.
      ValueError: for a plan that cannot be made here, a folder of something else, or
        weights and photographs that have changed.
    """
    return make_sweep(read_plan(plan), open_store(dir), how=how)


def resume(
    dir: str,
    /,
    *,
    how: RunFlags = RUN,
) -> int:
    """Makes what is missing of a sweep, by the plan that is in its folder.

    For example: jaxvis sweep resume pictures

    Args:
      dir: the folder, or the store elsewhere.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a folder without a plan, or weights and photographs that have changed.
    """
    store = open_store(dir)
    return make_sweep(store.read_plan(), store, how=how)


def make_sweep(plan: Plan, store: Store, *, how: RunFlags = RUN) -> int:
    """Makes what is missing of a plan; gives the exit code.

    Args:
      plan: what is made.
      store: where.
      how: what runs it.

    Raises:
      OSError, ValueError: as `run`.
    """
    which = parse_part(how.part)
    done = set(store.list_done())
    missing = list_missing(plan, store, part=which, done=done)
    share = sum(plan.count_of(one) for one in plan.shards if one.name in done) / plan.count
    refuse_impossible(plan, store.folder, done=share)
    if done:
        print(f"{len(done)} of {len(plan.shards)} shards are there already", flush=True)
        if missing and how.engine == "local":
            warn_of_devices(store, min(done))
    ends: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    interrupted = False
    with tqdm(total=sum(map(plan.count_of, missing)), unit="picture", delay=1) as bar:

        def tell(shard: Shard, rows: Sequence[dict[str, Any]]) -> None:
            ends.update(row["status"] for row in rows)
            reasons.update(row["why"] for row in rows if row["why"])
            bar.update(plan.count_of(shard))

        try:
            options = parse_slurm(how.slurm)
            engine = find_engine(how.engine)
            engine(plan, store, workers=how.workers, part=which, tell=tell, options=options)
        except KeyboardInterrupt:
            interrupted = True
    return end_sweep(plan, store, ends, reasons, interrupted=interrupted)


def warn_of_devices(store: Store, name: str) -> None:
    """Says so where a sweep goes on with other devices: rounding may differ then.

    Args:
      store: where it is.
      name: of a shard that is there.

    Raises:
      OSError, ValueError: if the shard's record cannot be read.
    """
    then, now = store.read_record(name).get("device", {}), describe_device()
    differing = [one for one in ("platform", "kind", "count") if then.get(one) != now.get(one)]
    if differing:
        was = ", ".join(f"{one} {then.get(one)}, now {now.get(one)}" for one in differing)
        print(
            f"this sweep was begun on other devices ({escape(was)}): new pictures may differ in "
            "rounding from what they would have been",
            file=sys.stderr,
        )


def end_sweep(
    plan: Plan,
    store: Store,
    ends: Counter[str],
    reasons: Counter[str],
    *,
    interrupted: bool,
) -> int:
    """Says what was made and what went wrong; gives the exit code.

    Args:
      plan: what is made.
      store: where.
      ends: how many pictures of this sitting ended how.
      reasons: why pictures were refused, and how many.
      interrupted: whether Ctrl-C cut it short.

    Returns:
      int: 0; 1 where pictures failed or are dead; 130 after Ctrl-C.

    Raises:
      OSError: if the store cannot be read.
    """
    there, new = len(store.list_done()), sum(ends.values())
    print(f"{escape(store.url)}: {there} of {len(plan.shards)} shards, {new} new pictures")
    for status in BAD:
        if ends[status]:
            print(f"{ends[status]} pictures {status}", file=sys.stderr)
    for why, times in reasons.most_common(3):
        print(f"{times} times: {escape(why)}", file=sys.stderr)
    if interrupted:
        print(f"interrupted: jaxvis sweep resume {escape(store.url)} goes on", file=sys.stderr)
        return 130
    return 1 if any(ends[status] for status in BAD) else 0


def parse_part(text: str) -> tuple[int, int]:
    """Reads a part of a sweep, such as 2/8.

    Args:
      text: I/N, I from 1 to N.

    Raises:
      ValueError: for anything else.
    """
    number, slash, count = text.partition("/")
    if (
        not slash
        or not number.isdigit()
        or not count.isdigit()
        or not 1 <= int(number) <= int(count)
    ):
        raise ValueError(f"--part {text!r} is no part: write I/N with I from 1 to N, such as 2/8")
    return int(number), int(count)


def parse_slurm(text: str) -> dict[str, str]:
    """Reads options of sbatch, such as "partition=gpu,gpus_per_node=1".

    Args:
      text: NAME=VALUE, separated by commas.

    Raises:
      ValueError: for anything else.
    """
    found = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--slurm {text!r} is no list of options: write partition=gpu,...")
        found[name.strip()] = value.strip()
    return found
