"""How fast is a sweep over classes? `jaxvis.maximize` against two programs in torch.

The peers: the same recipe for a batch of classes, by hand; and the usual program, one
image at a time (`benchmarks.peers.torch_maximize`). Figures are seconds a picture and
step. The time of 1000 classes of 512 steps is projected from them, and said to be.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness import flops, subjects
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import Times, interleave
from benchmarks.peers import torch_peer
from benchmarks.peers.sweep_peers import (
    TorchWay,
    draw_start,
    judge_sweep,
    make_sweep_peer,
    sweep_batches,
)
from jaxvis.network import Network
from jaxvis.recipes.presets import choose_seen
from jaxvis.types import Params

BATCH = 8
"""Classes that torch takes together on a CPU, as many as jaxvis does."""
TARGETS = {"batched": 1.3, "loop": 3.0}
"""Peer -> the ratio aimed at."""
WHOLE = 1000 * 512
"""Pictures times steps of the sweep that is projected."""


class Sweep(NamedTuple):
    """A sweep: network, pixels of a side, classes, steps, classes of the loop."""

    net: str
    side: int
    classes: int
    steps: int
    loop: int


FULL = (Sweep("squeezenet1_1", 224, 16, 32, 4), Sweep("googlenet", 224, 16, 32, 4))
QUICK = (Sweep("squeezenet1_1", 128, 8, 64, 1),)
SMOKE = (Sweep("squeezenet1_1", 48, 2, 2, 1),)


def seen_side(net: Network, params: Params, side: int) -> int:
    """Gives the pixels of a side that `jaxvis.maximize` shows the network.

    Args:
      net, params: the network.
      side: pixels of a side of the picture.
    """
    return choose_seen(net, params, (net.classes,), (side, side))[0]


def _make_torch_ways(
    net: Network, params: Params, sweep: Sweep, seen: int, compiled: bool
) -> dict[str, TorchWay]:
    """Makes torch's two programs."""
    from benchmarks.peers.torch_maximize import make_lucent_view, make_robust_view

    batch = min(BATCH, sweep.classes)
    peer = make_sweep_peer(net, params, seen, batch, compiled=compiled)
    start = draw_start(sweep.side, sweep.classes)
    view, usual = make_robust_view((seen, seen)), make_lucent_view((seen, seen))
    together = partial(sweep_batches, peer.batch, start, batch=batch, steps=sweep.steps, view=view)
    some = start[: sweep.loop]
    loop = partial(sweep_batches, peer.loop, some, batch=sweep.loop, steps=sweep.steps, view=usual)
    name = f"{peer.fastest.name}, batches of {batch}"
    usual_name = "torch, lucent-style loop, one image at a time"
    same = [judge_sweep(net, params, seen, program) for program in (peer.batch, peer.loop)]
    return {
        "batched": TorchWay(name, together, sweep.classes, same[0]),
        "loop": TorchWay(usual_name, loop, sweep.loop, same[1]),
    }


def measure_sweep(sweep: Sweep, *, pairs: int, compiled: bool) -> list[Row]:
    """Measures one row for each peer of one network, of the same interleaved runs.

    Args:
      sweep: what is swept.
      pairs: interleaved runs.
      compiled: whether torch.compile is tried.
    """
    net, params = subjects.make_network(sweep.net, sweep.side)
    seen, size = seen_side(net, params, sweep.side), (sweep.side, sweep.side)

    def ours() -> None:
        jaxvis.maximize(net, params, index=range(sweep.classes), steps=sweep.steps, size=size)

    peers: dict[str, TorchWay] = {}
    if torch_peer.why_absent() is None:
        peers = _make_torch_ways(net, params, sweep, seen, compiled)
    times = interleave({"ours": ours, **{name: way.run for name, way in peers.items()}}, pairs)
    each = {name: way.scale_times(times[name], sweep.steps) for name, way in peers.items()}
    each["ours"] = times["ours"] / (sweep.classes * sweep.steps)
    seconds = {name: times.describe(peer=name) for name in peers}
    return _make_rows(net, sweep, seen, peers, each, seconds)


def _make_rows(
    net: Network,
    sweep: Sweep,
    seen: int,
    peers: dict[str, TorchWay],
    each: Times,
    seconds: dict[str, dict],
) -> list[Row]:
    """Makes one row for each peer, with what the figures mean for a whole sweep.

    `seconds` are of whole runs, ours and each peer's: processor time, and what others took.
    """
    arithmetic = flops.count_step(net, net.classes, (seen, seen))
    rate, ours = flops.measure_ceiling(), float(np.median(each["ours"]))
    facts = {
        "items_per_s_at_512_steps": round(1 / (512 * ours), 5),
        "projected_s_1000x512": round(ours * WHOLE, 1),
        "flop_per_step": arithmetic,
        "ceiling_flop_per_s": round(rate),
        "utilisation": round(arithmetic / ours / rate, 4),
    }
    facts["note"] = (
        f"1000 classes x 512 steps, projected: {ours * WHOLE / 3600:.1f} h, "
        f"{100 * facts['utilisation']:.0f} % of the matrix-product rate"
    )
    sizes = {**sweep._asdict(), "seen": seen, "batch": BATCH}
    case = Case("sweep", f"{sweep.net}, {sweep.side} px, a picture and step", sizes)
    if not peers:
        return [make_row(case, ours=each["ours"], peer_name=torch_peer.why_absent(), **facts)]
    return [
        make_row(
            case._replace(target=TARGETS[name]),
            ours=each["ours"],
            peer=each[name],
            peer_name=way.name,
            verdict=way.verdict,
            peer_projected_s_1000x512=round(float(np.median(each[name])) * WHOLE, 1),
            **facts,
            **seconds[name],
        )
        for name, way in peers.items()
    ]


def measure(quick: bool) -> list[Row]:
    """Measures classes of SqueezeNet and GoogLeNet at 224 pixels, 32 steps.

    Args:
      quick: SqueezeNet alone, at 128 pixels, 8 classes, 64 steps.
    """
    sweeps, pairs = (QUICK, 2) if quick else (FULL, 3)
    found = [measure_sweep(sweep, pairs=pairs, compiled=not quick) for sweep in sweeps]
    return [row for part in found for row in part]


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: two classes, two steps, 48 pixels."""
    return measure_sweep(SMOKE[0], pairs=1, compiled=False)
