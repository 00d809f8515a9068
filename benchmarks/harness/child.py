"""Child processes: memory and start-up time are measured of whole processes.

Neither JAX nor torch is imported here: a child imports only the one that it measures.
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

from benchmarks.harness.paths import ROOT

MIB = 2**20


def read_resident() -> float:
    """Reads the MiB of memory that this process holds; NaN where the system has no figure."""
    return _read_status("VmRSS")


def read_peak() -> float:
    """Reads the most MiB that this process has held since the last `reset_peak`."""
    found = _read_status("VmHWM")
    if np.isnan(found):
        found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def reset_peak() -> bool:
    """Starts the peak anew; returns whether the system allows it (Linux does)."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _read_status(name: str) -> float:
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def measure_memory(
    load: Callable[[], Any], step: Callable[[Any], tuple], spec: Mapping[str, Any]
) -> dict[str, float | bool]:
    """Measures the MiB that a gradient step takes beyond what importing took.

    Args:
      load: returns what the step needs. What it leaves in memory counts; what it needs
        only on the way does not.
      step: takes a step and waits for it: (scores, gradients) as NumPy arrays.
      spec: "steps", how many; "out", the .npz file for the last step's outputs.

    Returns:
      dict: "first", the peak of the first step, compiling included; "steps", of the
      others; "held", what `load` left; "resettable", whether peaks could be told apart.
    """
    gc.collect()
    base = read_resident()
    given = load()
    resettable = reset_peak()
    held = read_resident() - base
    scores, gradients = step(given)
    first = read_peak() - base
    reset_peak()
    for _ in range(spec["steps"]):
        scores, gradients = step(given)
    later = read_peak() - base
    np.savez(spec["out"], scores=scores, gradients=gradients)
    return {"first": first, "steps": later, "held": held, "resettable": resettable}


def call_child(module: str, task: str, spec: Mapping[str, Any], folder: Path, **more: str) -> dict:
    """Runs a child and returns the JSON object on the last line that it prints.

    Args:
      module: `benchmarks.harness.child_jaxvis` or `benchmarks.peers.child_torch`.
      task: what it is to do.
      spec: what it needs to know. It goes through a file, since tables are long.
      folder: where that file goes.
      **more: environment variables to set.

    Raises:
      RuntimeError: if it fails; with the end of its messages.
    """
    done = subprocess.run(
        child_command(module, task, spec, folder),
        capture_output=True,
        text=True,
        env=child_environment(**more),
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} {task} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def child_command(module: str, task: str, spec: Mapping[str, Any], folder: Path) -> list[str]:
    """Writes a child's spec into a file and gives the words that start the child.

    Args:
      module, task, spec, folder: as for `call_child`.
    """
    file = folder / f"{module}.{task}.json"
    file.write_text(json.dumps(spec), encoding="utf-8")
    return [sys.executable, "-m", module, task, str(file)]


def child_environment(**more: str) -> dict[str, str]:
    """Gives this process's environment, without JAX's own compilation cache.

    Args:
      **more: variables to set.
    """
    kept = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    return {**kept, **more}


def time_first_picture(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> float:
    """Measures the seconds from starting a program to its first picture in a folder.

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
        cwd=ROOT,
    ) as process:
        while at is None and process.poll() is None:
            if next(folder.glob("*.png"), None):
                at = time.perf_counter() - begin
            time.sleep(0.005)
        _, messages = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} failed: {messages[-2000:]}")
    if at is None and next(folder.glob("*.png"), None) is None:
        raise RuntimeError(f"{' '.join(words)} made no picture in {folder}")
    return at if at is not None else time.perf_counter() - begin


def run_task(tasks: Mapping[str, Callable[[dict], Any]]) -> None:
    """Runs a child: does the task named by the first word with the spec in a file.

    Args:
      tasks: name -> `spec -> what to print as JSON`.
    """
    spec = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    print(json.dumps(tasks[sys.argv[1]](spec)))
