"""Stops many commands at random moments: python -m tests.faults --count 200."""

import argparse
import tempfile
from pathlib import Path

from tests.faults.harness import CASES, Server, draw_trials, make_reference, prepare, try_to_stop


def main() -> int:
    """Runs the trials, prints each that went wrong, and how many were right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="trials")
    parser.add_argument("--seed", type=int, default=0, help="of moments and signals")
    parser.add_argument("--case", choices=CASES, action="append", help="one or several")
    options = parser.parse_args()
    right = 0
    with tempfile.TemporaryDirectory() as work:
        server = Server(Path(work))
        prepare(server)
        trials = draw_trials(options.count, options.seed, options.case or [*CASES])
        for number, trial in enumerate(trials):
            new = trial.case not in server.whole
            whole = make_reference(server, trial.case)
            if new:
                print(f"{trial.case}: {whole.seconds:.1f} s", flush=True)
            try_to_stop(server, trial, whole, f"trial {number}")
            right += not trial.faults
            if trial.faults:
                print(f"trial {number}: {trial}", flush=True)
        server.close()
    print(f"seed {options.seed}: {right} of {len(trials)} trials right")
    return int(right < len(trials))


if __name__ == "__main__":
    raise SystemExit(main())
