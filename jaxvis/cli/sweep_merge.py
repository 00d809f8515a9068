"""jaxvis sweep merge: parts of a sweep that were made in several places, put together."""

from typing import Literal

from tqdm import tqdm

from jaxvis.cli.sweep_verify import say_count
from jaxvis.escape import escape_path
from jaxvis.sweep.merge import merge_stores
from jaxvis.sweep.store import open_store


def merge(out: str, dirs: tuple[str, ...], /, *, keep: Literal["first"] | None = None) -> int:
    """Puts sweeps of one plan together that were made in several places.

    Shards that several of them have must be the same, byte for byte. For example:
    jaxvis sweep merge all part1 part2 part3

    Args:
      out: a new folder, or one of the same plan, or s3://bucket/path, gs://...
      dirs: the folders of the sweeps, which stay as they are.
      keep: take a shard that differs from out, or else from the first of the folders; it is
        refused if left out.

    Raises:
      OSError: if something cannot be read or written.
      ValueError: for sweeps of different plans, and shards that differ or are damaged.
    """
    stores = [open_store(one) for one in dirs]
    with tqdm(unit="shard", delay=1) as bar:
        found = merge_stores(open_store(out), stores, keep=keep, tell=lambda name: bar.update())
    print(
        f"{escape_path(out)}: {found.shards} of {found.planned} shards, {found.copied} of them new"
    )
    if found.equal:
        print(f"{say_count(found.equal, 'shard')} in several of them, and the same")
    if found.kept:
        print(f"{say_count(found.kept, 'shard')} in several forms: the first was kept")
    return 0
