"""Processes of several numbers of cores or devices, which wait side by side to be asked.

A process has its cores and devices for life, so a curve over them needs a process for
each point. They run in turn, one at a time, as the ways of `harness.timing.interleave`.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.child import child_command, child_environment, run_task
from benchmarks.harness.paths import ROOT

DEVICES = "--xla_force_host_platform_device_count="


class Worker:
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
        self.folder = folder / f"{kind}{count}"
        self.folder.mkdir()
        self.messages = self.folder / "messages.txt"
        self.processor = 0.0
        with self.messages.open("w") as messages:
            self.process = subprocess.Popen(
                child_command(__name__, "serve", spec, self.folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                env=child_environment(**env),
                cwd=ROOT,
            )

    def paint(self, subject: int, items: int) -> np.ndarray:
        """Paints pictures and waits for them: losses `[items, steps]`.

        Args:
          subject: the place of the subject among those given.
          items: pictures.

        Raises:
          RuntimeError: if the process has failed; with the end of its messages.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([subject, items]) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process failed: {self.messages.read_text()[-2000:]}")
        answer = json.loads(line)
        self.processor = answer["processor"]
        return np.array(answer["losses"])

    def close(self) -> None:
        """Ends the process, which stops when it is asked nothing more."""
        self.process.communicate()


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
    for line in sys.stdin:
        subject, items = json.loads(line)
        losses = painters[subject](items).tolist()
        print(json.dumps({"losses": losses, "processor": time.process_time()}), flush=True)
    return "done"


if __name__ == "__main__":
    run_task({"serve": serve})
