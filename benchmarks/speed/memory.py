"""How much memory does a gradient step take? Peaks of whole processes, in MiB.

A child imports jaxvis or torch, notes what it holds, reads the parameters, takes a step
and a few more. Its peak beyond what importing took is compared. Ours finds its programs
in the compilation cache, as every run of a command after the first does; the memory of
that first run is told too. Parameters count on both sides, and so does what preparing
them adds.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors.numpy import save_file

from benchmarks.harness import child, subjects
from benchmarks.harness.machine import thread_count
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.verdicts import judge_step
from benchmarks.peers import torch_peer
from benchmarks.speed import random_nets
from jaxvis.network import Network
from jaxvis.types import Params

TARGETS = {"fast": 0.8, "direct": 1.0}
"""How kernels are convolved -> the ratio aimed at."""
STEPS = 3
CHILDREN = {"ours": "benchmarks.harness.child_jaxvis", "peer": "benchmarks.peers.child_torch"}
"""Side -> the module that its process runs."""


class Subject(NamedTuple):
    """What of a network is measured.

    Attributes:
      tap: where the score is.
      images: `[N, H, W, 3]`.
      many: 0, or how many networks there are, one for each image.
      convolution: "fast" or "direct".
    """

    tap: str
    images: np.ndarray
    many: int = 0
    convolution: str = "fast"


def _write_spec(folder: Path, net: Network, params: Params, subject: Subject) -> dict[str, Any]:
    """Writes the files that both children read, and returns their spec."""
    flat = {
        f"{name}/{leaf}": np.ascontiguousarray(array)
        for name, leaves in params.items()
        for leaf, array in leaves.items()
    }
    weights, pictures = folder / "weights.safetensors", folder / "images.npy"
    facts = {"format": "jaxvis", "net": net.name, "stop": subject.tap}
    save_file(flat, weights, metadata=facts)
    np.save(pictures, subject.images)
    side = subject.images.shape[1]
    return {
        "net": net.name,
        "side": side,
        "tap": subject.tap,
        "networks": subject.many,
        "convolution": subject.convolution,
        "weights": str(weights),
        "images": str(pictures),
        "steps": STEPS,
        "threads": thread_count(),
        "rows": subjects.rows_of(net),
        "shapes": subjects.shapes_of(net, side),
    }


def _run_children(
    spec: dict[str, Any], folder: Path, pairs: int
) -> tuple[dict[str, list[dict]], dict[str, tuple]]:
    """Runs the children in turn; returns their findings, side -> `[pairs]`, and outputs.

    "compiling" is a side too, of one run: ours with an empty cache.
    """
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    cold = {**spec, "chunk": not spec["networks"], "out": str(folder / "cold.npz")}
    first = child.call_child(CHILDREN["ours"], "memory", cold, folder, **cache)
    sides = ("ours",) if torch_peer.why_absent() else ("ours", "peer")
    found: dict[str, list[dict]] = {side: [] for side in sides}
    for _ in range(pairs):
        for side in sides:
            out = {**spec, "out": str(folder / f"{side}.npz")}
            found[side].append(child.call_child(CHILDREN[side], "memory", out, folder, **cache))
    outputs = {}
    for side in sides:
        with np.load(folder / f"{side}.npz") as file:
            outputs[side] = (file["scores"], file["gradients"])
    return {**found, "compiling": [first]}, outputs


def measure_step(net: Network, params: Params, subject: Subject, *, pairs: int) -> Row:
    """Measures one row.

    Args:
      net, params: the network; with many of them, leaves `[many, ...]`.
      subject: what of it is measured.
      pairs: processes of each side, in turn.
    """
    images, many = subject.images, subject.many
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        spec = _write_spec(folder, net, params, subject)
        found, outputs = _run_children(spec, folder, pairs)
    peaks = {
        side: np.array([max(run["first"], run["steps"]) for run in runs])
        for side, runs in found.items()
    }
    side, batch = images.shape[1], len(images)
    what = f"{many} {net.name} trunks" if many else f"{net.name}, batch {batch}"
    how = "" if subject.convolution == "fast" else f', convolution="{subject.convolution}"'
    sizes = {"tap": subject.tap, "pixels": side, "batch": batch, "networks": many}
    case = Case(
        "memory",
        f"{what}, {side} px{how}, peak of a process",
        {"net": net.name, **sizes, "convolution": subject.convolution},
        unit="MiB",
        target=TARGETS[subject.convolution],
    )
    absent = torch_peer.why_absent()
    return make_row(
        case,
        ours=peaks["ours"],
        peer=peaks.get("peer"),
        peer_name=absent or ("torch.func.vmap" if many else "torch channels_last"),
        verdict=None if absent else judge_step(outputs["ours"], outputs["peer"]),
        note=f"{peaks['compiling'][0]:.0f} MiB where it must compile first",
        compiling_mib=peaks["compiling"][0],
        held_mib={side: runs[0]["held"] for side, runs in found.items()},
        parameters_mib=sum(x.nbytes for x in jax.tree.leaves(params)) / child.MIB,
        chunk=found["compiling"][0].get("chunk"),
    )


def measure_shared(
    name: str, side: int, batch: int, *, pairs: int, convolution: str = "fast"
) -> Row:
    """Measures one network whose parameters all images share.

    Args:
      name: the network.
      side: pixels of a side.
      batch: images.
      pairs: processes of each side.
      convolution: "fast" or "direct", without further forms of kernels.
    """
    net, params = subjects.make_network(name, side)
    images = subjects.draw_images(batch, side)
    subject = Subject(net.classes, images, convolution=convolution)
    return measure_step(net, params, subject, pairs=pairs)


def measure_many(side: int, count: int, *, pairs: int, tap: str = random_nets.TAP) -> Row:
    """Measures many random networks, one image each.

    Args:
      side: pixels of a side.
      count: networks.
      pairs: processes of each side.
      tap: where the score is.
    """
    net, params = random_nets.make_networks(side, count, tap=tap)
    images = subjects.draw_images(count, side)
    return measure_step(net, params, Subject(tap, images, many=count), pairs=pairs)


def measure(quick: bool) -> list[Row]:
    """Measures five networks at 224 pixels, batch 4, and eight trunks.

    Args:
      quick: two small networks, batch 1, and four trunks at 64 pixels.
    """
    if quick:
        nets = ("squeezenet1_1", "googlenet")
        shared = [
            measure_shared(name, 224, 1, pairs=1, convolution=how)
            for name in nets
            for how in TARGETS
        ]
        return [*shared, measure_many(64, 4, pairs=1)]
    nets = ("vgg19", "vgg16", "alexnet", "squeezenet1_1", "googlenet")
    shared = [
        measure_shared(name, 224, 4, pairs=2, convolution=how) for name in nets for how in TARGETS
    ]
    return [*shared, measure_many(128, 8, pairs=2)]


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: SqueezeNet at 48 pixels, two trunks."""
    small = measure_shared("squeezenet1_1", 48, 1, pairs=1)
    return [small, measure_many(32, 2, pairs=1, tap="pool1")]
