"""How long until the first picture? A whole process, cold and warm, against torch.

Ours is `jaxvis maximize` on the command line: cold with an empty folder for compiled
programs, warm when a run before has filled it. The peer is a program that reads the
same parameters, builds the module and takes the same steps; it compiles nothing, so
both rows have the same. A picture counts from when its file is there. Views and starts
are drawn apart, so pictures are compared by what they are for: the class's score must
rise above a grey image's in both.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from skimage import io

from benchmarks.harness import child, subjects
from benchmarks.harness.rows import Row, Verdict, row, threads, verdict
from benchmarks.peers import torch_peer
from benchmarks.speed import sweep
from jaxvis.images import RECORRELATE
from jaxvis.network import Network
from jaxvis.types import Params
from jaxvis.weights import load as weights

INDEX = 1


def _subject(name: str, folder: Path) -> tuple[Network, Params, Path]:
    """Returns a network, its parameters and their file: trained, or random."""
    if name in weights.EMBEDDED:
        net, params = weights.load(name)
    else:
        net = subjects.build(name)
        _, params = weights.load(name, weights=jax.random.key(0))
    path = folder / f"{name}.safetensors"
    weights.save(path, net, params)
    return net, params, path


def _ours(name: str, path: Path, steps: int, home: Path, out: Path) -> float:
    words = [
        sys.executable,
        "-m",
        "jaxvis",
        "maximize",
        name,
        "--index",
        str(INDEX),
        "--steps",
        str(steps),
        "--weights",
        str(path),
        "--out",
        str(out),
    ]
    return child.until_picture(words, out, child.environment(JAXVIS_HOME=str(home)))


def _torch(spec: dict[str, Any], folder: Path, out: Path) -> float:
    out.mkdir()
    given = {**spec, "picture": str(out / "picture.png")}
    words = child.command("benchmarks.peers.child_torch", "picture", given, folder)
    return child.until_picture(words, out, child.environment())


def _spec(net: Network, params: Params, path: Path, steps: int) -> dict[str, Any]:
    side = net.input_size[0]
    seen = sweep.shown(net, params, side)
    return {
        "weights": str(path),
        "colour": RECORRELATE.tolist(),
        "side": side,
        "seen": seen,
        "steps": steps,
        "index": INDEX,
        "threads": threads(),
        "rows": subjects.rows_of(net),
        "tap": net.classes,
        "shapes": subjects.shapes_of(net, seen),
    }


def risen(net: Network, params: Params, folders: dict[str, Path]) -> Verdict:
    """Returns the verdict on pictures: how far below grey's their class's scores are.

    Args:
      net, params: the network that they were made for.
      folders: side -> folder whose first .png file is the picture.
    """
    look = jax.jit(lambda image: net.apply(params, image, stop=net.classes))

    def score(image: np.ndarray) -> float:
        values = np.asarray(look(image)[net.classes])
        return float(values.reshape(-1, values.shape[-1]).mean(0)[INDEX])

    grey = score(np.full((*net.input_size, 3), 0.5, np.float32))
    checks = {}
    for side, folder in folders.items():
        image = io.imread(sorted(folder.glob("*.png"))[0])[..., :3]
        rise = score(image.astype(np.float32) / 255) - grey
        checks[f"{side}_below_grey"] = (max(0.0, -rise) if rise != 0 else 1.0, 0.0)
    return verdict(**checks)


def measured(name: str, steps: int, pairs: int, *, warmups: int = 1) -> list[Row]:
    """Returns two rows, cold and warm.

    Args:
      name: the network.
      steps: updates until the picture.
      pairs: processes of each kind, in turn.
      warmups: as many of each before: they fill the system's file cache.
    """
    found: dict[str, list[float]] = {"cold": [], "warm": [], "peer": []}
    reason = torch_peer.absent()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        net, params, path = _subject(name, folder)
        spec = _spec(net, params, path, steps)
        last: dict[str, Path] = {}
        for i in range(warmups + pairs):
            for kind in ("cold", "warm", "peer")[: 2 if reason else 3]:
                out = last[kind] = folder / f"{kind}{i}"
                if kind == "peer":
                    seconds = _torch(spec, folder, out)
                else:
                    seconds = _ours(name, path, steps, folder / f"home{i}", out)
                if i >= warmups:
                    found[kind].append(seconds)
        pictures = {"ours": last["cold"], **({} if reason else {"peer": last["peer"]})}
        same = risen(net, params, pictures)
    return [
        row(
            "start",
            f"{name}, first picture of {steps} steps, {kind}",
            ours=np.array(found[kind]),
            peer=None if reason else np.array(found["peer"]),
            verdict=None if reason else same,
            peer_name=reason or "torch, a program of its own",
            sizes={"net": name, "pixels": net.input_size[0], "steps": steps},
        )
        for kind in ("cold", "warm")
    ]


def rows(quick: bool) -> list[Row]:
    """Returns the rows: the embedded network and SqueezeNet, cold and warm.

    Args:
      quick: fewer runs.
    """
    pairs = 1 if quick else 5
    return [row for name in ("demo", "squeezenet1_1") for row in measured(name, 32, pairs)]


def smoke() -> list[Row]:
    """Returns the rows of the embedded network, one run each, 8 steps."""
    return measured("demo", 8, 1, warmups=0)
