"""Sweeps that are killed at random moments: python -m tests.faults.sweeps --count 50.

After `jaxvis sweep resume` every byte is what it is in an undisturbed run, whatever the
moment and the signal.
"""

import argparse
import random
import re
import tempfile
import time
from pathlib import Path

from tests.faults.harness import SIGNALS, Server
from tests.sweep.sweeps import read_files

PLAN = (
    "sweep demo --taps conv2_1,relu3_1 --index 0:4 --steps 30 --size 32 --shard 2 --measure no "
    "--plan plan.json"
)
HIDDEN = re.compile(r"(.*/)?\.[^/]*")


def prepare_sweep(server: Server) -> float:
    """Makes the plan and an undisturbed run in the folder "whole"; gives its seconds."""
    assert server.run(PLAN.split()) == 0, server.said()
    for name in ("warm", "whole"):
        begin = time.perf_counter()
        assert server.run(["sweep", "run", "plan.json", name]) == 0, server.said()
    return time.perf_counter() - begin


def try_sweep(server: Server, folder: str, signal: str, seconds: float) -> list[str]:
    """Stops a sweep after some seconds, resumes it, and gives what is wrong."""
    pid = server.start(["sweep", "run", "plan.json", folder])
    time.sleep(seconds)
    code, said = server.stop(pid, signal), server.said()
    expected = {0, -SIGNALS[signal] if signal == "kill" else 130}
    faults = [] if code in expected else [f"exit code {code}: {said[-300:]}"]
    there = server.work / folder
    if "Traceback" in said:
        faults.append(f"a traceback: {said[-600:]}")
    whole = read_files(server.work / "whole")
    if there.exists():
        found = read_files(there)
        records = [name for name in found if name.startswith("records/") and name[8] != "."]
        faults += [
            f"{name} is not as it should be" for name in records if found[name] != whole[name]
        ]
    # Words of the first call go on too, also where a kill came before the plan was written.
    code = server.run(["sweep", "run", "plan.json", folder])
    if code:
        return [*faults, f"going on ended with {code}: {server.said()[-300:]}"]
    found = {n: data for n, data in read_files(there).items() if not HIDDEN.fullmatch(n)}
    if found != whole:
        wrong = [name for name in found.keys() | whole.keys() if found.get(name) != whole.get(name)]
        faults.append(f"other bytes: {sorted(wrong)}")
    return faults


def main() -> int:
    """Runs the trials, and prints how many were right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="trials")
    parser.add_argument("--seed", type=int, default=0, help="of moments and signals")
    options = parser.parse_args()
    draw, right = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as work:
        server = Server(Path(work))
        seconds = prepare_sweep(server)
        print(f"undisturbed: {seconds:.1f} s", flush=True)
        for number in range(options.count):
            signal, after = draw.choice([*SIGNALS]), draw.uniform(0, 1.05) * seconds
            faults = try_sweep(server, f"trial {number}", signal, after)
            right += not faults
            if faults:
                print(f"trial {number}, {signal} after {after:.2f} s: {faults}", flush=True)
        server.close()
    print(f"seed {options.seed}: {right} of {options.count} trials right")
    return int(right < options.count)


if __name__ == "__main__":
    raise SystemExit(main())
