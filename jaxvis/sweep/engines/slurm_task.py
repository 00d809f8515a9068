"""One task of a SLURM array: a part of a sweep, made again and again until it is complete.

SLURM warns a task before its time ends, or before another job takes its place. The task then
finishes its shard, and submitit puts it back into the queue; it goes on with what is missing.
"""

import os
import signal
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any

from jaxvis.sweep.engines.worker import Setting, prepare_worker
from jaxvis.sweep.leftovers import remove_leftovers
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.plan import Plan
from jaxvis.sweep.run import list_missing, open_studio, run_shards
from jaxvis.sweep.store import open_store

WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that say that the time ends: submitit handles one of them, and asks for a requeue."""
LATER = 3.0
"""Seconds after SIGTERM in which a warning may follow."""


class Stopped(Exception):
    """The task was asked to stop, and has finished its shard."""


@dataclass
class Notice:
    """Signals that came while a shard was made, kept until it is written.

    Attributes:
      grace: seconds after a warning that the shard has to end; then the task ends without it.
    """

    grace: int

    def __post_init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._warned: int | None = None
        self._ended = False

    def __enter__(self) -> "Notice":
        for number in (*WARNINGS, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._leave)
        return self

    def __exit__(self, *error: object) -> None:
        signal.alarm(0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def obey(self) -> None:
        """Ends the task if a signal came: with a requeue after a warning.

        Raises:
          Stopped: if the task was asked to stop for good.
        """
        until = time.monotonic() + LATER
        while self._ended and self._warned is None and time.monotonic() < until:
            time.sleep(0.05)
        if self._warned is not None:
            signal.alarm(0)
            self._before[self._warned](self._warned, None)  # submitit's: it ends the process
        if self._warned is not None or self._ended:
            raise Stopped

    def _hear(self, number: int, frame: FrameType | None) -> None:
        # Only submitit's handler asks for a requeue; it ignores SIGTERM, which may come first.
        if number == signal.SIGTERM or not callable(self._before[number]):
            self._ended = True
            return
        self._warned = number
        signal.alarm(self.grace)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        """Ends the process, since the shard takes too long; it will be made again."""
        assert self._warned is not None
        try:
            self._before[self._warned](self._warned, frame)
        except SystemExit as stop:
            # JAX turns what a handler raises in some places into something else.
            os._exit(stop.code if isinstance(stop.code, int) else 1)


@dataclass(frozen=True)
class Task:
    """A part of a sweep, as submitit calls it, and calls it again after a requeue.

    Attributes:
      plan: what is made.
      url: of the store.
      part: (i, n): every n-th shard, from the i-th.
      setting: of the process that submitted it.
      grace: see `Notice`.
    """

    plan: Plan
    url: str
    part: tuple[int, int]
    setting: Setting
    grace: int = 60

    def __call__(self) -> int:
        """Makes the shards of the part; gives how many are missing at the end.

        Raises:
          OSError, ValueError: as `jaxvis.sweep.run.open_studio` and `run_shards`.
        """
        with Notice(self.grace) as notice:
            prepare_worker(self.setting)
            store = open_store(self.url)
            with hold_sweep(store.folder, part=self.part):
                remove_leftovers(store.folder, self.plan, part=self.part)
                missing = list_missing(self.plan, store, part=self.part)
                studio = open_studio(self.plan, engine="slurm") if missing else None
                for left, shard in zip(range(len(missing), 0, -1), missing):
                    try:
                        notice.obey()
                    except Stopped:
                        return left
                    assert studio is not None
                    run_shards(studio, store, [shard])
        return 0

    def checkpoint(self) -> Any:
        """Gives submitit what is called after a requeue: the same, which knows what is there."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
