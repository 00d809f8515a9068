"""Processes of several numbers of cores or devices, which wait side by side to be asked.

A process has its cores and devices for life, so a curve over them needs a process for
each point. They run in turn, one at a time, as the ways of `harness.timing.interleave`.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.child import run_task
from benchmarks.harness.server import Server, answer_lines

DEVICES = "--xla_force_host_platform_device_count="


class Worker(Server):
    """A process that paints when asked: see `benchmarks.speed.curves_subjects`.

    Args:
      kind: "cores" or "devices".
      count: how many it has. Devices are simulated: they share the cores that there are.
      subjects: what it may be asked to paint, `Subject`s as lists.
      folder: where its files go.
    """

    def __init__(self, kind: str, count: int, subjects: Sequence[Any], folder: Path) -> None:
        spec = {"cores": count if kind == "cores" else None, "subjects": list(subjects)}
        env = {}
        if kind == "devices":
            flags = os.environ.get("XLA_FLAGS", "").split()
            kept = [flag for flag in flags if not flag.startswith(DEVICES)]
            env["XLA_FLAGS"] = " ".join([*kept, f"{DEVICES}{count}"])
        super().__init__(__name__, spec, folder / f"{kind}{count}", **env)

    def paint(self, subject: int, items: int) -> np.ndarray:
        """Paints pictures and waits for them: losses `[items, steps]`.

        Args:
          subject: the place of the subject among those given.
          items: pictures.

        Raises:
          RuntimeError: if the process has failed; with the end of its messages.
        """
        return np.array(self.ask([subject, items]))


@contextlib.contextmanager
def start_workers(
    kind: str, counts: Sequence[int], subjects: Sequence[Any], folder: Path
) -> Iterator[dict[int, Worker]]:
    """Starts a process for each count, and ends them all afterwards.

    Args:
      kind, subjects, folder: see `Worker`.
      counts: of cores or devices.
    """
    workers: dict[int, Worker] = {}
    try:
        for count in counts:
            workers[count] = Worker(kind, count, subjects, folder)
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def serve(spec: dict) -> str:
    """Answers every line of the input, [subject, items], with one that has the losses.

    Args:
      spec: "cores" (how many to use, or None for all) and "subjects".
    """
    if spec["cores"] is not None:
        mine = sorted(os.sched_getaffinity(0))[: spec["cores"]]
        os.sched_setaffinity(0, mine)
    import jaxvis
    from benchmarks.speed.curves_subjects import Subject, make_painter

    jaxvis.use_cores()
    painters = [make_painter(Subject(*subject)) for subject in spec["subjects"]]
    return answer_lines(lambda asked: painters[asked[0]](asked[1]).tolist())


if __name__ == "__main__":
    run_task({"serve": serve})
