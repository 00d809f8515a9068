"""Processes of their own: started by memory and start, which measure whole processes.

Neither JAX nor torch is imported here: a child imports the one it measures, alone.
"""

import gc
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MIB = 2**20


def resident() -> float:
    """Returns the MiB of memory that this process holds; NaN where nothing tells."""
    return _status("VmRSS")


def peak() -> float:
    """Returns the most MiB that this process held since the last `forget_peak`."""
    found = _status("VmHWM")
    if np.isnan(found):
        found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def forget_peak() -> bool:
    """Starts the peak anew; returns whether the system lets one (Linux does)."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status(name: str) -> float:
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def measured(
    load: Callable[[], Any], step: Callable[[Any], tuple], spec: Mapping[str, Any]
) -> dict[str, float | bool]:
    """Returns the MiB a gradient step takes beyond what importing took.

    Args:
      load: returns what the step needs; what it takes on the way is not counted, what
        stays is.
      step: takes a step and waits for it: (scores, gradients) as NumPy arrays.
      spec: "steps", how many; "out", the .npz file for the last step's outputs.

    Returns:
      dict: "first", the peak of the first step, compiling included; "steps", of the
      others; "held", what `load` left; "resettable", whether peaks could be told apart.
    """
    gc.collect()
    base = resident()
    given = load()
    resettable = forget_peak()
    held = resident() - base
    scores, gradients = step(given)
    first = peak() - base
    forget_peak()
    for _ in range(spec["steps"]):
        scores, gradients = step(given)
    later = peak() - base
    np.savez(spec["out"], scores=scores, gradients=gradients)
    return {"first": first, "steps": later, "held": held, "resettable": resettable}


def call(module: str, task: str, spec: Mapping[str, Any], folder: Path, **more: str) -> dict:
    """Returns what a child says: the JSON object on its last line.

    Args:
      module: `benchmarks.harness.child_jaxvis` or `benchmarks.peers.child_torch`.
      task: what it is to do.
      spec: what it needs to know; written to a file, since tables are long.
      folder: where that file goes.
      **more: environment variables to set.

    Raises:
      RuntimeError: if it fails; with the end of what it said.
    """
    done = subprocess.run(
        command(module, task, spec, folder),
        capture_output=True,
        text=True,
        env=environment(**more),
        cwd=Path(__file__).resolve().parent.parent,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} {task} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def command(module: str, task: str, spec: Mapping[str, Any], folder: Path) -> list[str]:
    """Returns the words that start a child.

    Args:
      module, task, spec, folder: as for `call`.
    """
    file = folder / f"{module}.{task}.json"
    file.write_text(json.dumps(spec), encoding="utf-8")
    return [sys.executable, "-m", module, task, str(file)]


def environment(**more: str) -> dict[str, str]:
    """Returns this process's environment, without JAX's own compilation cache.

    Args:
      **more: variables to set.
    """
    kept = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    return {**kept, **more}


def until_picture(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> float:
    """Returns the seconds from starting a program to its first picture in a folder.

    Args:
      words: the program.
      folder: where its first .png file will be.
      env: its environment.

    Raises:
      RuntimeError: if it ends without a picture, or fails after it.
    """
    begin = time.perf_counter()
    at: float | None = None
    with subprocess.Popen(
        words,
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parent.parent,
    ) as process:
        while at is None and process.poll() is None:
            if next(folder.glob("*.png"), None):
                at = time.perf_counter() - begin
            time.sleep(0.005)
        _, said = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} failed: {said[-2000:]}")
    if at is None and next(folder.glob("*.png"), None) is None:
        raise RuntimeError(f"{' '.join(words)} made no picture in {folder}")
    return at if at is not None else time.perf_counter() - begin


def main(tasks: Mapping[str, Callable[[dict], Any]]) -> None:
    """Runs a child: does the task named by the first word with the spec in a file.

    Args:
      tasks: name -> `spec -> what to print as JSON`.
    """
    spec = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    print(json.dumps(tasks[sys.argv[1]](spec)))
