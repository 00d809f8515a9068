"""Shards made by this process, with all its devices."""

from collections.abc import Mapping

from jaxvis.sweep.leftovers import remove_leftovers
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.plan import Plan
from jaxvis.sweep.run import Tell, list_missing, open_studio, run_shards
from jaxvis.sweep.store import Store


def run_local(
    plan: Plan,
    store: Store,
    *,
    workers: int | None = None,
    part: tuple[int, int] = (1, 1),
    tell: Tell | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Makes what is missing of a plan in this process.

    Args:
      plan: what is made.
      store: where.
      workers: must be None: this process is the only one.
      part: (i, n): every n-th shard, from the i-th.
      tell: told of each shard that is written.
      options: must be empty: they are of other engines.

    Raises:
      KeyboardInterrupt: on Ctrl-C or SIGTERM; shards that were finished are written.
      OSError: if weights or store cannot be opened.
      ValueError: for another writer, another plan, or weights that have changed.
    """
    if workers is not None:
        raise ValueError("--workers is of the engines ray and slurm: leave it out")
    if options:
        raise ValueError("--slurm is of the engine slurm: leave it out")
    with hold_sweep(store.folder, part=part):
        store.begin(plan)
        remove_leftovers(store.folder, plan, part=part)
        missing = list_missing(plan, store, part=part)
        if missing:
            run_shards(open_studio(plan), store, missing, tell=tell)
