"""Shards made by actors of a Ray cluster, one for each device.

Each actor opens the networks once, takes shard after shard, and writes each by itself. What
is lost with a worker or a node is Ray's to start again.
"""

import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxvis.sweep.engines.worker import (
    Setting,
    check_flags,
    check_shared,
    describe_setting,
    prepare_worker,
)
from jaxvis.sweep.extras import import_extra
from jaxvis.sweep.leftovers import remove_leftovers
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.plan import Plan, Shard
from jaxvis.sweep.run import Studio, Tell, list_missing, make_shard, open_studio, write_shard
from jaxvis.sweep.store import Store, open_store

AGAIN = 3
"""How often Ray makes a shard again whose worker was lost, before the sweep ends."""
PAUSE = 0.5
"""Seconds after which the driver looks whether Ctrl-C came."""

Rows = list[dict[str, Any]]


class Maker:
    """A worker: it makes the shards that it is given, one after the other.

    Args:
      plan: what is made.
      url: of the store.
      setting: of the process that started it.
    """

    def __init__(self, plan: Plan, url: str, setting: Setting) -> None:
        prepare_worker(setting)
        self.plan, self.store = plan, open_store(url)
        self._studio: Studio | None = None

    def make(self, shard: Shard) -> Rows:
        """Makes a shard and writes it; gives its rows.

        Args:
          shard: which.

        Raises:
          OSError, ValueError: as `jaxvis.sweep.run.open_studio` and `write_shard`.
        """
        try:
            # A worker that was lost may have written it in its last moment.
            rows: Rows = self.store.read_record(shard.name)["rows"]
            return rows
        except (FileNotFoundError, ValueError):
            pass
        began = time.perf_counter()
        if self._studio is None:
            self._studio = open_studio(self.plan, engine="ray")
        made = make_shard(self._studio, shard)
        return write_shard(self._studio, self.store, shard, made, began=began)


def run_ray(
    plan: Plan,
    store: Store,
    *,
    workers: int | None = None,
    part: tuple[int, int] = (1, 1),
    tell: Tell | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Makes what is missing of a plan with actors of the Ray cluster that there is.

    Where there is none, Ray starts one of this machine. An actor has a GPU where the cluster
    has some, and else an equal part of its cores.

    Args:
      plan: what is made.
      store: where; every node must reach it.
      workers: how many actors; None takes one for each GPU, or for each core.
      part: (i, n): every n-th shard, from the i-th.
      tell: told of each shard that is written.
      options: must be empty: they are of another engine.

    Raises:
      KeyboardInterrupt: on Ctrl-C or SIGTERM, after all actors were stopped.
      OSError: if weights or store cannot be opened, or a worker was lost again and again.
      ValueError: if Ray is not installed, for another writer, another plan, or weights that
        have changed.
    """
    check_flags(options=options, workers=workers)
    ray, url = import_extra("ray", "ray"), check_shared(store, "ray")
    with hold_sweep(store.folder, part=part):
        store.begin(plan)
        remove_leftovers(store.folder, plan, part=part)
        missing = list_missing(plan, store, part=part)
        if missing:
            with _join_cluster(ray) as stays:
                crew = _start_crew(ray, plan, url, min(workers or len(missing), len(missing)))
                try:
                    _deal(ray, crew, deque(missing), tell)
                finally:
                    # Elsewhere they end with this process's connection to the cluster.
                    for maker in crew if stays else ():
                        ray.kill(maker)


@contextmanager
def _join_cluster(ray: Any) -> Iterator[bool]:
    """Connects to the Ray cluster, and leaves it; yields whether it stays connected."""
    if ray.is_initialized():
        yield True
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            # The processes that Ray forks from this one become other programs at once.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
        if main:
            signal.signal(signal.SIGTERM, before)  # Ray has set its own
        yield False
    finally:
        ray.shutdown()


def _start_crew(ray: Any, plan: Plan, url: str, most: int) -> list[Any]:
    """Starts the actors: as many as are wanted, but no more than there are devices."""
    there = ray.cluster_resources()
    gpus, cores = int(there.get("GPU", 0)), max(1, int(there.get("CPU", 1)))
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    if gpus:
        count, each = min(most, gpus), 1
        need = {"num_gpus": 1, "num_cpus": 1}
    else:
        count = min(most, cores)
        # No actor spreads over nodes: it must fit the smallest that has cores.
        each = max(1, min(cores // count, *(int(node) for node in nodes if node >= 1)))
        need = {"num_cpus": each}
    kind = ray.remote(Maker).options(max_restarts=-1, max_task_retries=AGAIN, **need)
    setting = describe_setting(cores=None if gpus else each)
    return [kind.remote(plan, url, setting) for _ in range(count)]


def _deal(ray: Any, crew: list[Any], shards: deque[Shard], tell: Tell | None) -> None:
    """Gives every actor a shard, and the next one whenever it has written one."""
    running: dict[Any, tuple[Any, Shard]] = {}
    for maker in crew:
        shard = shards.popleft()
        running[maker.make.remote(shard)] = maker, shard
    while running:
        ready, _ = ray.wait(list(running), timeout=PAUSE)
        for one in ready:
            maker, shard = running.pop(one)
            rows = _take(ray, one, shard)
            if shards:
                following = shards.popleft()
                running[maker.make.remote(following)] = maker, following
            if tell is not None:
                tell(shard, rows)


def _take(ray: Any, one: Any, shard: Shard) -> Rows:
    """Gives the rows of a shard, or raises what went wrong, as it would be raised here."""
    try:
        rows: Rows = ray.get(one)
        return rows
    except ray.exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, OSError | ValueError | MemoryError):
            raise cause from None
        raise
    except ray.exceptions.RayError as error:
        first = " ".join(str(error).split())[:300]
        raise OSError(
            f"the worker of shard {shard.name} was lost {AGAIN + 1} times ({first}): it may need "
            "more memory than there is, so plan with a smaller --chunk"
        ) from None
