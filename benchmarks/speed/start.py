"""How long until the first picture? A whole process, cold and warm, against torch.

Ours is `jaxvis maximize` on the command line: cold with an empty folder for compiled
programs, warm when a run before has filled it. The peer is a program that reads the
same parameters, builds the module and takes the same steps; it compiles nothing, so
both rows have the same. A picture counts from when its file is there. The two programs
draw different views and starts, so pictures are compared by what they are for: the
class's score must rise above a grey image's in both.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.harness import child, subjects
from benchmarks.harness.machine import thread_count
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.verdicts import Verdict, judge
from benchmarks.peers import torch_peer
from benchmarks.speed.sweep import seen_side
from jaxvis.compiler import jit
from jaxvis.images import RECORRELATE
from jaxvis.nets import build
from jaxvis.network import Network
from jaxvis.output.io import read_image
from jaxvis.types import Params
from jaxvis.weights import file as weights_file
from jaxvis.weights import load as weights
from jaxvis.weights.cache import EMBEDDED

INDEX = 1
TARGETS = {"cold": 0.7, "warm": 1.0}
"""Kind of start -> the ratio aimed at."""


def _load(name: str, folder: Path) -> tuple[Network, Params, Path]:
    """Returns a network, its parameters and their file: trained, or random."""
    if name in EMBEDDED:
        net, params = weights.load(name)
    else:
        net = build(name)
        _, params = weights.load(name, weights=jax.random.key(0))
    path = folder / f"{name}.safetensors"
    weights_file.save(path, net, params)
    return net, params, path


def _time_ours(name: str, path: Path, steps: int, home: Path, out: Path) -> float:
    words = ["-m", "jaxvis", "maximize", name, "--index", str(INDEX), "--steps", str(steps)]
    words = [sys.executable, *words, "--weights", str(path), "--out", str(out)]
    return child.time_first_picture(words, out, child.child_environment(JAXVIS_HOME=str(home)))


def _time_torch(spec: dict[str, Any], folder: Path, out: Path) -> float:
    out.mkdir()
    given = {**spec, "picture": str(out / "picture.png")}
    words = child.child_command("benchmarks.peers.child_torch", "picture", given, folder)
    return child.time_first_picture(words, out, child.child_environment())


def _make_spec(net: Network, params: Params, path: Path, steps: int) -> dict[str, Any]:
    side = net.input_size[0]
    seen = seen_side(net, params, side)
    return {
        "weights": str(path),
        "colour": RECORRELATE.tolist(),
        "side": side,
        "seen": seen,
        "steps": steps,
        "index": INDEX,
        "threads": thread_count(),
        "rows": subjects.rows_of(net),
        "tap": net.classes,
        "shapes": subjects.shapes_of(net, seen),
    }


def judge_pictures(net: Network, params: Params, folders: dict[str, Path]) -> Verdict:
    """Gives the verdict on pictures: how far below grey's their class's scores are.

    Args:
      net, params: the network that they were made for.
      folders: side -> folder whose first .png file is the picture.
    """
    look = jit(lambda image: net.apply(params, image, stop=net.classes))

    def score(image: np.ndarray) -> float:
        values = np.asarray(look(image)[net.classes])
        return float(values.reshape(-1, values.shape[-1]).mean(0)[INDEX])

    grey = score(np.full((*net.input_size, 3), 0.5, np.float32))
    checks = {}
    for side, folder in folders.items():
        image = read_image(sorted(folder.glob("*.png"))[0])
        rise = score(image) - grey
        checks[f"{side}_below_grey"] = (max(0.0, -rise) if rise != 0 else 1.0, 0.0)
    return judge(**checks)


def _time_all(
    name: str, steps: int, pairs: int, *, warmups: int, folder: Path
) -> tuple[dict[str, np.ndarray], Verdict, Network]:
    """Returns the seconds of every kind of process, and the verdict on their pictures."""
    net, params, path = _load(name, folder)
    spec = _make_spec(net, params, path, steps)
    kinds = ("cold", "warm") if torch_peer.why_absent() else ("cold", "warm", "peer")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    last: dict[str, Path] = {}
    for i in range(warmups + pairs):
        for kind in kinds:
            out = last[kind] = folder / f"{kind}{i}"
            if kind == "peer":
                seconds = _time_torch(spec, folder, out)
            else:
                seconds = _time_ours(name, path, steps, folder / f"home{i}", out)
            if i >= warmups:
                found[kind].append(seconds)
    sides = {"cold": "ours", "peer": "peer"}
    folders = {side: last[kind] for kind, side in sides.items() if kind in last}
    verdict = judge_pictures(net, params, folders)
    return {kind: np.array(values) for kind, values in found.items()}, verdict, net


def measure_start(name: str, steps: int, pairs: int, *, warmups: int = 1) -> list[Row]:
    """Measures two rows, cold and warm.

    Args:
      name: the network.
      steps: updates until the picture.
      pairs: processes of each kind, in turn.
      warmups: as many of each before: they fill the system's file cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        times, verdict, net = _time_all(name, steps, pairs, warmups=warmups, folder=Path(folder))
    absent, words = torch_peer.why_absent(), f"first picture of {steps} steps"
    sizes = {"net": name, "pixels": net.input_size[0], "steps": steps}
    return [
        make_row(
            Case("start", f"{name}, {words}, {kind}", sizes, target=TARGETS[kind]),
            ours=times[kind],
            peer=times.get("peer"),
            verdict=None if absent else verdict,
            peer_name=absent or "torch, a program of its own",
        )
        for kind in ("cold", "warm")
    ]


def measure(quick: bool) -> list[Row]:
    """Measures the embedded network and SqueezeNet, cold and warm.

    Args:
      quick: fewer runs.
    """
    pairs = 1 if quick else 5
    return [row for name in ("demo", "squeezenet1_1") for row in measure_start(name, 32, pairs)]


def measure_smoke() -> list[Row]:
    """Measures the embedded network, one run each, 8 steps."""
    return measure_start("demo", 8, 1, warmups=0)
