"""Commands that are stopped in the middle, and what must be true afterwards.

A trial runs a tiny command, stops it at a random moment, looks at what is on the disk,
lets the command go on with --resume, and compares everything with an undisturbed run.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from jaxvis.cli.ledger import NAME
from jaxvis.output.io import write_image

CASES = {
    "sweep": "sweep demo --classes 0:5 --steps 40 --chunk 2",
    "maximize": "maximize demo --tap conv2_1 --index 0:4 --steps 60 --chunk 1",
    "generate": "generate demo --index 1,2 --side 32 --steps 3 --chunk 1",
    "invert": "invert demo chelsea --tap relu1_1,pool1,relu2_1 --steps 60 --seeds 2",
    "caricature": "caricature demo chelsea --tap relu1_1,pool1,relu2_1 --steps 60",
    "dream": "dream demo rocket --tap relu1_1 --size 48 --octaves 2 --steps 60 --seeds 3 "
    "--chunk 1 --save-every 25",
    "texture": "texture demo coffee --source-size 32 --blocks 1:4 --optimizer adam --steps 60 "
    "--save-every 25",
    "style": "style demo chelsea rocket --content-tap relu2_1 --style-tap relu1_1,relu2_1 "
    "--optimizer adam --steps 40 --size 32 --scales 2 --seeds 3 --chunk 1 --save-every 25",
    "feature-maps": "feature-maps demo chelsea --tap relu1_1,relu2_1 --index 0:2 --steps 60 "
    "--size 24",
    "facets": "facets demo photos --index 3 --count 2 --most 6 --steps 60",
    "classical-texture": "classical-texture coffee --source 24 --window 5 --size 20 --seeds 2",
    "stylize": "stylize net/style.safetensors photos --style x",
    "augment": "augment net/style.safetensors photos --copies 2 --size 16",
    "ranvgg stack": "ranvgg stack coffee --net demo --size 16 --networks 2 --candidates 2 "
    "--steps 20 --stop relu2_1",
    "ranvgg invert": "ranvgg invert coffee --net demo --size 16 --kinds random,trained --seeds 2 "
    "--steps 40 --tap relu1_1,relu2_1",
    "train style": "train style photos --style x.png --net demo --content-tap relu2_1 "
    "--style-tap relu1_1,relu2_1 --size 16 --width 2 --blocks 1 --batch 2 --model same --steps 40",
    "train autoencoder": "train autoencoder photos --model small --steps 4 --checkpoint-seconds 0",
}
"""Commands that write a folder, tiny."""
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
NOT_COMPARED = ("created", "seconds", "arguments", "own")
"""Fields of JSON files that say when, or with which folder."""
LEFT = re.compile(r"\.(.+\.lock|.+\.\d+\.part)")


class Server:
    """The process that forks one for every command; see `server.py`.

    Args:
      work: a folder with everything that the commands read.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.whole: dict[str, Reference] = {}
        environment = {**os.environ, "JAXVIS_HOME": str(work / "home"), "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            cwd=Path(__file__).resolve().parents[2],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, words: list[str], **places: object) -> int:
        """Starts a command; gives the id of its process. See `server.run` for `places`."""
        files = {"out": str(self.work / "stdout"), "err": str(self.work / "stderr")}
        line = {"words": words, "folder": str(self.work), **files, **places}
        print(json.dumps(line), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def wait(self) -> int:
        """Waits for the end of the command; gives its exit code, negative for a signal."""
        return int(self.process.stdout.readline())

    def run(self, words: list[str], **places: object) -> int:
        """Runs a command to its end."""
        self.start(words, **places)
        return self.wait()

    def said(self) -> str:
        """What the last command printed."""
        return "".join((self.work / name).read_text() for name in ("stdout", "stderr"))

    def stop(self, pid: int, name: str) -> int:
        """Sends a signal to a command; waits for its end, and gives its exit code."""
        try:
            os.kill(pid, SIGNALS[name])
        except ProcessLookupError:
            pass  # it has ended
        return self.wait()

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def prepare(server: Server) -> None:
    """Fills the folder: photographs (one is damaged), a style, a network of styles."""
    draw, work = np.random.default_rng(0), server.work
    for name in ("x.png", "photos/a.png", "photos/b.png", "photos/deep/c.png", "photos/d.png"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(work / name, draw.random((40, 40, 3)).astype(np.float32))
    for number in range(6):
        write_image(work / f"photos/e{number}.png", draw.random((40, 40, 3)).astype(np.float32))
    (work / "photos/damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    words = CASES["train style"].replace("--steps 40", "--steps 2").split()
    assert server.run([*words, "--out", "net"]) == 0, server.said()


@dataclass
class Reference:
    """An undisturbed run: how long it took, and its files."""

    seconds: float
    files: dict[str, object]


@dataclass
class Trial:
    """A command, and how it is stopped."""

    case: str
    signal: str
    part: float
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line: what was tried, and what was wrong."""
        words = f"{self.case}, {self.signal} after {100 * self.part:.0f} % of the time"
        return f"{words}: {'; '.join(self.faults) or 'right'}"


def read_files(folder: Path, *, all_of_them: bool = True) -> dict[str, object]:
    """Reads a folder: bytes of pictures and weights, JSON without what may differ.

    Raises an error for a file that is not whole.
    """
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or LEFT.fullmatch(path.name):
            continue
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
        if path.suffix == ".safetensors":
            load_file(path)
        if path.suffix == ".json":
            whole = json.loads(path.read_text())
            found[name] = {k: v for k, v in whole.items() if k not in NOT_COMPARED}
            found[name].pop("files", None)
        else:
            found[name] = path.read_bytes()
    return found


def make_reference(server: Server, case: str) -> Reference:
    """Runs a command twice without disturbing it; the second time is what it takes."""
    if case in server.whole:
        return server.whole[case]
    for name in ("warm", "whole"):
        begin = time.perf_counter()
        code = server.run([*CASES[case].split(), "--out", f"{case} {name}"])
        assert code in (0, 1), server.said()
    seconds = time.perf_counter() - begin
    server.whole[case] = Reference(seconds, read_files(server.work / f"{case} whole"))
    return server.whole[case]


def list_done(files: dict[str, object]) -> list[str]:
    """Lists the pictures that progress.json calls done."""
    done = files.get(NAME, {}).get("done", {})
    return [f"{name}.png" for name, one in done.items() if one["finite"]]


def try_to_stop(server: Server, trial: Trial, whole: Reference, folder: str) -> Trial:
    """Stops a command, looks at what is there, lets it go on, and compares."""
    words, out = [*CASES[trial.case].split(), "--out", folder], server.work / folder
    pid = server.start(words)
    time.sleep(trial.part * whole.seconds)
    code, said = server.stop(pid, trial.signal), server.said()
    trial.faults += _find_faults(trial, code, said, out, whole)
    code = server.run([*words, "--resume"])
    if code not in (0, 1):
        trial.faults.append(f"--resume ended with {code}: {server.said()[-300:]}")
        return trial
    left = [path.name for path in out.rglob("*") if LEFT.fullmatch(path.name)]
    if left:
        trial.faults.append(f"{left} are left")
    trial.faults += compare(read_files(out), whole.files)
    return trial


def _find_faults(trial: Trial, code: int, said: str, out: Path, whole: Reference) -> Iterator[str]:
    """Looks for faults of what a stopped command left."""
    number = SIGNALS[trial.signal]
    expected = {0, 1, -number if trial.signal == "kill" else 130}
    if not out.exists():  # it came before the command hears any signal
        expected.add(-number)
    if code not in expected:
        yield f"exit code {code}: {said[-300:]}"
    if "Traceback" in said and out.exists():
        yield f"a traceback: {said[-600:]}"
    if not out.exists():
        return
    try:
        files = read_files(out)
    except Exception as error:  # whatever a file that is not whole may raise
        yield f"half a file: {error!r}"
        return
    for name in list_done(files):
        if files.get(name) != whole.files.get(name):
            yield f"{name} is done, and not what it is in an undisturbed run"
    if "record.json" not in files or code != 130:
        return
    counted = re.search(r": (\d+) pictures?( of \d+)?,", said)
    pictures = [one["file"] for one in files["record.json"].get("pictures", []) if one["file"]]
    if counted and int(counted[1]) != len(pictures):
        yield f"{counted[0]!r} was said, and {len(pictures)} are in the record"
    yield from (f"{name} is in the record alone" for name in pictures if name not in files)


def compare(files: dict[str, object], whole: dict[str, object]) -> Iterator[str]:
    """Compares the files of a folder with those of an undisturbed run."""
    if files.keys() != whole.keys():
        yield f"other files: {sorted(files.keys() ^ whole.keys())}"
    for name in files.keys() & whole.keys():
        if files[name] == whole[name]:
            continue
        fields = ""
        if isinstance(files[name], dict):
            fields = str([k for k in whole[name] if files[name].get(k) != whole[name][k]])
        yield f"{name} differs {fields}"


def draw_trials(count: int, seed: int, cases: list[str]) -> list[Trial]:
    """Draws trials: every case in turn, another signal each time, at random moments."""
    draw = random.Random(seed)
    names = [case for case in cases for _ in range(-(-count // len(cases)))][:count]
    return [Trial(case, draw.choice([*SIGNALS]), draw.uniform(0.0, 1.05)) for case in names]
