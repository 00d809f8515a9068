"""Reads many damaged files with every reader, and prints what became of them.

python -m tests.fuzz --reader npz --count 100000 --seed 0
python -m tests.fuzz --reader npz --number 4711 --keep npz.bin
"""

import argparse
import sys
from pathlib import Path

from tests.fuzz import watch, worker
from tests.fuzz.targets import TARGETS

HEAD = ("reader", "inputs", "refused", "read", "faults", "slowest", "peak")


def main() -> int:
    """Runs the command; returns 1 if a reader failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--reader", action="append", choices=TARGETS, help="default: every one")
    parser.add_argument("--count", type=int, default=1000, help="inputs for each reader")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, help="make this input again and keep it")
    parser.add_argument("--keep", type=Path, help="the file, or the folder, for failing inputs")
    words = parser.parse_args()
    readers = words.reader or list(TARGETS)
    if words.number is not None:
        (name,) = readers
        _keep(name, words.seed, words.number, words.keep or Path(f"{name}-{words.number}"))
        return 0
    print("  ".join(f"{word:>12}" for word in HEAD), flush=True)
    failed = 0
    for name in readers:
        options = {"seed": words.seed, "count": words.count, "first": words.first}
        tally = watch.run([name], **options)[name]
        failed += len(tally.faults)
        slowest, peak = f"{tally.slowest:.2f} s", f"{tally.peak >> 20} MiB"
        cells = (name, tally.inputs, tally.refused, tally.read, len(tally.faults), slowest, peak)
        print("  ".join(f"{cell!s:>12}" for cell in cells), flush=True)
        for fault in tally.faults:
            print(f"    {fault}", flush=True)
            if words.keep is not None:
                words.keep.mkdir(exist_ok=True, parents=True)
                number = fault["number"]
                _keep(name, words.seed, number, words.keep / f"{name}-{words.seed}-{number}")
    return 1 if failed else 0


def _keep(name: str, seed: int, number: int, path: Path) -> None:
    target = TARGETS[name]
    path.write_bytes(worker.make_input(target, name, seed, number, target.seeds()))


if __name__ == "__main__":
    sys.exit(main())
