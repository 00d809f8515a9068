"""The process that reads damaged files, one after another, and tells what became of them.

`python -m tests.fuzz.worker BOARD FOLDER JOBS` reads the inputs of `JOBS`, JSON
[[reader, seed, first, end], ...], with little address space. It writes where it is to
`BOARD`, a small mapped file, so that another process sees it hang or die, and prints a
line of JSON for every fault.
"""

import json
import mmap
import random
import resource
import struct
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import mutators
from tests.fuzz.targets import PLANTED, TARGETS, Target, check_text

LIMIT = 1 << 30
"""Bytes that reading a file may take beyond what it returns."""
PICTURE = 1_200_000_000
"""Bytes of the largest picture that is read, as float32 RGB."""
RESET = 64 << 20
"""Peaks below this one are not told apart between inputs."""
LAYOUT = struct.Struct("<qqddqqqdqq")


class Board(NamedTuple):
    """What the worker says of itself while it works.

    Attributes:
      job: which job it is at.
      number: which input it reads.
      began: when it began to, by `time.monotonic`; 0 before the first and after the last.
      used: seconds of the processor that the worker had used then.
      refused, read, failed: how many inputs of this job went so.
      slowest: seconds of the processor that one took.
      slowest_number: which.
      peak: bytes that one took.
    """

    job: int = 0
    number: int = 0
    began: float = 0.0
    used: float = 0.0
    refused: int = 0
    read: int = 0
    failed: int = 0
    slowest: float = 0.0
    slowest_number: int = 0
    peak: int = 0


def make_input(target: Target, name: str, seed: int, number: int, files: list[bytes]) -> bytes:
    """Returns the damaged file of a number; the same in every process.

    Args:
      target: the reader.
      name: its name.
      seed: the seed of the whole run.
      number: which input.
      files: good files.
    """
    rng = random.Random(f"{name}/{seed}/{number}")
    data = rng.choice(files)
    if target.mutations and rng.random() < 0.6:
        data = rng.choice(target.mutations)(rng, data)
        if rng.random() < 0.8:
            return data
    if rng.random() < 0.05:
        data = mutators.splice(rng, data, rng.choice(files))
    data = mutators.mutate_bytes(rng, data)
    while data in files:
        data = mutators.mutate_bytes(rng, data)
    return data


def try_input(target: Target, path: Path, data: bytes) -> tuple[bool, int]:
    """Reads a damaged file.

    Returns:
      (read, returned): whether it was read, and how many bytes that gave.

    Raises:
      Exception: any that the reader must not raise.
    """
    path.unlink(missing_ok=True)  # an old one may still be mapped
    path.write_bytes(data)
    try:
        return True, target.read(path) or 0
    except target.errors as error:
        _check_cause(error)
        check_text(str(error), path.name if target.named else "")
        return False, 0


def _check_cause(error: BaseException | None) -> None:
    """Raises the lack of memory that another error hides."""
    while error is not None:
        # Python's own parser calls brackets that are too deep a lack of memory.
        if isinstance(error, MemoryError) and not _ends_in_parser(error):
            raise error
        error = error.__cause__ or error.__context__


def _ends_in_parser(error: BaseException) -> bool:
    return traceback.extract_tb(error.__traceback__)[-1].filename.endswith("ast.py")


def _limit_memory() -> int:
    """Allows the process little beyond what it has; returns the memory that it takes."""
    _forget_peak()
    pages = Path("/proc/self/statm").read_text().split()
    space, memory = (int(count) * resource.getpagesize() for count in pages[:2])
    limit = space + LIMIT + 2 * PICTURE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return memory


def _read_peak() -> int:
    """Returns the most memory since `_forget_peak`.

    Not `ru_maxrss` where the kernel tells more: that begins with what the process that
    started this one had.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # then the peak of all inputs is that of the largest


class _Worker:
    """The inputs of one job after another."""

    def __init__(self, board: mmap.mmap, folder: Path) -> None:
        self.mapped, self.folder, self.board = board, folder, Board()
        self.base = 0

    def put(self, **values) -> None:
        self.board = self.board._replace(**values)
        self.mapped[: LAYOUT.size] = LAYOUT.pack(*self.board)

    def work(self, job: int, name: str, seed: int, first: int, end: int) -> None:
        target = (TARGETS | PLANTED)[name]
        files = target.seeds()
        path = self.folder / f"{name}{target.ending}"
        self.check_seeds(target, path, files)
        self.base = self.base or _limit_memory()
        self.put(**Board(job)._asdict())
        for number in range(first, end):
            data = make_input(target, name, seed, number, files)
            used = time.process_time()
            self.put(number=number, began=time.monotonic(), used=used)
            fault, returned = None, 0
            try:
                good, returned = try_input(target, path, data)
                self.put(
                    **{"read": self.board.read + 1} if good else {"refused": self.board.refused + 1}
                )
            except Exception as error:
                fault = _describe(error)
            self.measure(number, time.process_time() - used)
            peak = _read_peak() - self.base
            if fault is None and peak - returned > LIMIT:
                fault = {"fault": "memory", "text": f"{peak >> 20} MiB", "where": ""}
            if peak > RESET:
                _forget_peak()
            self.put(peak=max(self.board.peak, peak))
            if fault is not None:
                self.put(failed=self.board.failed + 1)
                print(json.dumps({"reader": name, "number": number, **fault}), flush=True)
        print(json.dumps({"reader": name, "board": self.board._asdict()}), flush=True)
        self.put(began=0.0)

    def check_seeds(self, target: Target, path: Path, files: list[bytes]) -> None:
        for data in files:
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            try:
                target.read(path)
            except target.errors as error:
                raise AssertionError(f"a good file of {path.name} is refused: {error}") from error

    def measure(self, number: int, seconds: float) -> None:
        if seconds > self.board.slowest:
            self.put(slowest=seconds, slowest_number=number)


def _describe(error: Exception) -> dict[str, str]:
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-4:-1])
    return {"fault": type(error).__name__, "text": str(error)[:300], "where": where}


def main() -> None:
    """Reads the inputs of the jobs in the arguments."""
    board, folder, jobs = sys.argv[1:]
    warnings.simplefilter("ignore")
    with open(board, "r+b") as file, mmap.mmap(file.fileno(), LAYOUT.size) as mapped:
        worker = _Worker(mapped, Path(folder))
        for job, words in enumerate(json.loads(jobs)):
            worker.work(job, *words)
        worker.put(job=-1)


if __name__ == "__main__":
    main()
