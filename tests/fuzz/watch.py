"""Starts the worker, ends it where it hangs, starts it again behind that, and counts."""

import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.worker import LAYOUT, Board

ROOT = Path(__file__).resolve().parents[2]
PATIENCE, WAITING, POLL = 5.0, 60.0, 0.05
"""Seconds of the processor that one input may take, seconds that it may take where others use
the processor too, and between two looks at the worker."""
MOST_FAULTS = 200
"""Faults of a reader after which the rest of its inputs is left out."""


@dataclass
class Tally:
    """What became of the inputs of one reader."""

    reader: str
    refused: int = 0
    read: int = 0
    slowest: float = 0.0
    slowest_number: int = 0
    peak: int = 0
    faults: list[dict] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """How many inputs there were."""
        return self.refused + self.read + len(self.faults)

    def add(self, board: Board) -> None:
        """Adds what a worker counted."""
        self.refused += board.refused
        self.read += board.read
        self.peak = max(self.peak, board.peak)
        if board.slowest > self.slowest:
            self.slowest, self.slowest_number = board.slowest, board.slowest_number


def run(
    readers: Sequence[str], *, seed: int, count: int, first: int = 0, patience: float = PATIENCE
) -> dict[str, Tally]:
    """Returns what became of the inputs of some readers.

    Args:
      readers: their names.
      seed: of the whole run.
      count: inputs for each.
      first: the number of the first input.
      patience: seconds of the processor that one may take.
    """
    tallies = {name: Tally(name) for name in readers}
    jobs = [[name, seed, first, first + count] for name in readers]
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        while jobs:
            jobs = _run_worker(jobs, tallies, Path(folder), patience)
    return tallies


def _fast_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _run_worker(
    jobs: list[list], tallies: dict[str, Tally], folder: Path, patience: float
) -> list[list]:
    """Runs one worker until it is done, hangs or dies; returns the jobs that are left."""
    board, log = folder / "board", folder / "log"
    board.write_bytes(LAYOUT.pack(*Board()))
    words = [sys.executable, "-m", "tests.fuzz.worker", str(board), str(folder), json.dumps(jobs)]
    with log.open("wb") as output, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=errors)
        try:
            hung, seen = _watch(process, board, patience)
        finally:
            process.kill()
            process.wait()
    for line in map(json.loads, log.read_text().splitlines()):
        tally = tallies[line["reader"]]
        if "fault" in line:
            tally.faults.append(line)
        else:
            tally.add(Board(**line["board"]))
    if seen.job < 0:
        return []
    if not seen.began:
        raise RuntimeError((folder / "errors").read_text()[-2000:])
    name, seed, _, end = jobs[seen.job]
    tally = tallies[name]
    tally.add(seen)
    text = f"over {patience:g} s" if hung else f"exit status {process.returncode}"
    fault = {"reader": name, "number": seen.number, "fault": "hang" if hung else "crash"}
    tally.faults.append(fault | {"text": text, "where": ""})
    rest, following = jobs[seen.job + 1 :], seen.number + 1
    done = following >= end or len(tally.faults) > MOST_FAULTS
    return rest if done else [[name, seed, following, end], *rest]


def _watch(process: subprocess.Popen, path: Path, patience: float) -> tuple[bool, Board]:
    """Waits for the worker; returns whether it hung, and what it said last."""
    tick = os.sysconf("SC_CLK_TCK")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), LAYOUT.size, access=mmap.ACCESS_READ)
    while True:
        alive = process.poll() is None
        seen = Board(*LAYOUT.unpack(mapped[:]))
        if not alive:
            return False, seen
        if seen.began:
            times = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(times[11]) + int(times[12])) / tick - seen.used
            if used > patience or time.monotonic() - seen.began > WAITING:
                return True, seen
        time.sleep(POLL)
