"""Processes that a process has started, found without a package."""

import os
import time
from pathlib import Path


def list_children(pid, word):
    """Lists processes below `pid` whose command line has a word."""
    parents, lines = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                lines[int(folder.name)] = (folder / "cmdline").read_bytes().decode()
                parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended

    def is_below(one):
        while one in parents and one != pid:
            one = parents[one]
        return one == pid

    return [one for one in lines if one != pid and word in lines[one] and is_below(one)]


def wait_until(ask, *, seconds=120.0):
    """Waits until a function gives something true, and gives it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := ask():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def make_environment(tmp_path, **more):
    """Makes the environment of commands that are compared: one device, programs kept."""
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    own = {"JAXVIS_HOME": str(tmp_path / "home"), "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": path}
    return {**os.environ, **own, **more}
