"""How much memory does a gradient step take? Peaks of processes of their own, in MiB.

A child imports jaxvis or torch, notes what it holds, reads the parameters, takes a step
and a few more; its peak beyond what importing took is compared. Ours finds its programs
in the compilation cache, as all runs of a command but the first do; what that first one
takes is told too. Parameters count on both sides, and so does what preparing them adds.
"""

import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import save_file

from benchmarks.harness import child, subjects
from benchmarks.harness.rows import Row, angle, relative, row, threads, verdict
from benchmarks.peers import torch_peer
from benchmarks.speed import random_nets
from jaxvis.network import Network
from jaxvis.types import Params

TARGET = 1 / 1.3
SCORES, ANGLE = 1e-4, 1e-3
"""Tolerances, as in `benchmarks.speed.step`."""
STEPS = 3


def _case(
    folder: Path, net: Network, params: Params, tap: str, images: np.ndarray, many: int
) -> dict[str, Any]:
    """Returns the spec of both children, their files written."""
    flat = {
        f"{name}/{leaf}": np.ascontiguousarray(array)
        for name, leaves in params.items()
        for leaf, array in leaves.items()
    }
    weights, pictures = folder / "weights.safetensors", folder / "images.npy"
    facts = {"format": "jaxvis", "net": net.name, "stop": tap}
    save_file(flat, weights, metadata=facts)
    np.save(pictures, images)
    side = images.shape[1]
    return {
        "net": net.name,
        "side": side,
        "tap": tap,
        "networks": many,
        "weights": str(weights),
        "images": str(pictures),
        "steps": STEPS,
        "threads": threads(),
        "rows": subjects.rows_of(net),
        "shapes": subjects.shapes_of(net, side),
    }


def _peaks(
    spec: dict[str, Any], folder: Path, pairs: int
) -> tuple[dict[str, list[dict]], dict[str, Any]]:
    """Returns what the children found, side -> `[pairs]`, and their last outputs.

    "compiling" is a side too, of one run: ours with an empty cache.
    """
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    cold = {**spec, "chunk": not spec["networks"], "out": str(folder / "cold.npz")}
    first = child.call("benchmarks.harness.child_jaxvis", "memory", cold, folder, **cache)
    sides = {"ours": "benchmarks.harness.child_jaxvis"}
    if torch_peer.absent() is None:
        sides["peer"] = "benchmarks.peers.child_torch"
    found: dict[str, list[dict]] = {side: [] for side in sides}
    for _ in range(pairs):
        for side, module in sides.items():
            out = {**spec, "out": str(folder / f"{side}.npz")}
            found[side].append(child.call(module, "memory", out, folder, **cache))
    outputs = {side: dict(np.load(folder / f"{side}.npz")) for side in sides}
    return {**found, "compiling": [first]}, outputs


def measured(
    net: Network, params: Params, tap: str, images: np.ndarray, *, many: int, pairs: int
) -> Row:
    """Returns one row.

    Args:
      net, params: the network; with `many`, leaves `[many, ...]`.
      tap: where the score is.
      images: `[N, H, W, 3]`.
      many: 0, or how many networks there are, one an image.
      pairs: processes of each side, in turn.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        spec = _case(folder, net, params, tap, images, many)
        found, outputs = _peaks(spec, folder, pairs)
    peaks = {
        side: np.array([max(run["first"], run["steps"]) for run in runs])
        for side, runs in found.items()
    }
    side, batch = images.shape[1], len(images)
    what = f"{many} {net.name} trunks" if many else f"{net.name}, batch {batch}"
    said = {
        "unit": "MiB",
        "sizes": {"net": net.name, "tap": tap, "pixels": side, "batch": batch, "networks": many},
        "compiling_mib": peaks["compiling"][0],
        "held_mib": {side: runs[0]["held"] for side, runs in found.items()},
        "parameters_mib": sum(x.nbytes for x in jax.tree.leaves(params)) / child.MIB,
        "chunk": found["compiling"][0].get("chunk"),
    }
    case = f"{what}, {side} px, peak of a process"
    if "peer" not in found:
        return row(
            "memory",
            case,
            ours=peaks["ours"],
            peer=None,
            verdict=None,
            peer_name=torch_peer.absent(),
            **said,
        )
    ours, theirs = outputs["ours"], outputs["peer"]
    same = verdict(
        scores=(relative(ours["scores"], theirs["scores"]), SCORES),
        gradient_angle=(angle(ours["gradients"], theirs["gradients"]), ANGLE),
    )
    peer = "torch.func.vmap" if many else "torch channels_last"
    note = f"{said['compiling_mib']:.0f} MiB where it must compile first"
    return row(
        "memory",
        case,
        ours=peaks["ours"],
        peer=peaks["peer"],
        verdict=same,
        peer_name=peer,
        target=TARGET,
        note=note,
        **said,
    )


def of_step(name: str, side: int, batch: int, *, pairs: int) -> Row:
    """Returns the row of one network with shared parameters.

    Args:
      name: the network.
      side: pixels of a side.
      batch: images.
      pairs: processes of each side.
    """
    net, params = subjects.subject(name, side)
    images = subjects.photographs(batch, side)
    return measured(net, params, net.classes, images, many=0, pairs=pairs)


def of_many(side: int, count: int, *, pairs: int, tap: str = random_nets.TAP) -> Row:
    """Returns the row of many random networks, one image each.

    Args:
      side: pixels of a side.
      count: networks.
      pairs: processes of each side.
      tap: where the score is.
    """
    net, params = random_nets.stacked(side, count, tap=tap)
    images = subjects.photographs(count, side)
    return measured(net, params, tap, images, many=count, pairs=pairs)


def rows(quick: bool) -> list[Row]:
    """Returns the rows: five networks at 224 pixels, batch 4, and eight trunks.

    Args:
      quick: two small networks, batch 1, and four trunks at 64 pixels.
    """
    if quick:
        nets = ("squeezenet1_1", "googlenet")
        return [*(of_step(name, 224, 1, pairs=1) for name in nets), of_many(64, 4, pairs=1)]
    nets = ("vgg19", "vgg16", "alexnet", "squeezenet1_1", "googlenet")
    return [*(of_step(name, 224, 4, pairs=2) for name in nets), of_many(128, 8, pairs=2)]


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: SqueezeNet at 48 pixels, two trunks."""
    found = [of_step("squeezenet1_1", 48, 1, pairs=1), of_many(32, 2, pairs=1, tap="pool1")]
    # What importing and compiling take is most of it at such a size: no target.
    return [{**row, "target": None} for row in found]
