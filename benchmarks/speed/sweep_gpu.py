"""The sweep that a GPU is meant for: 1000 classes of VGG-16, 512 steps, 224 pixels.

    python -m benchmarks sweep --gpu [--quick] --out FILE.json

Aimed at: 60 seconds on one H200 (about 53 % of its bfloat16 rate), and 25 times a
lucent-style loop. Both are first measured on a part; the whole sweep is then run if it
will end within minutes. `--quick` takes a small picture, few classes and few steps: it
runs anywhere, and shows that the command works.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
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
from jaxvis.types import Params, Run, Status

NAME, PRECISION = "vgg16", "bfloat16"
LOWER = (0.02, 0.3, 0.05)
"""Tolerances of `judge_sweep` in bfloat16, which has three digits."""
GOAL_SECONDS, GOAL_LOOP = 60.0, 25.0
"""The whole sweep, and the ratio to a lucent-style loop."""
PATIENCE = 240.0
"""The whole sweep is run if it is projected to take fewer seconds."""


class Sizes(NamedTuple):
    """The size of a measurement.

    Attributes:
      side: pixels of a side.
      classes, steps: of the part that is measured in pairs.
      whole_classes, whole_steps: of the whole sweep.
      batch: classes that torch takes together.
      loop: classes of the lucent-style loop.
      pairs: interleaved runs.
    """

    side: int
    classes: int
    steps: int
    whole_classes: int
    whole_steps: int
    batch: int
    loop: int
    pairs: int

    @property
    def whole(self) -> int:
        """Pictures times steps of the whole sweep."""
        return self.whole_classes * self.whole_steps


FULL = Sizes(224, 128, 64, 1000, 512, 64, 1, 3)
QUICK = Sizes(32, 4, 2, 6, 3, 2, 1, 2)


def _make_torch_ways(net: Network, params: Params, sizes: Sizes) -> dict[str, TorchWay]:
    """Makes torch's two programs."""
    import torch

    from benchmarks.peers.torch_maximize import make_lucent_view, make_robust_view

    side, steps = sizes.side, sizes.steps
    peer = make_sweep_peer(net, params, side, sizes.batch, compiled=False)
    low = getattr(torch, PRECISION)
    exact, _ = subjects.make_network(NAME, side)
    module = torch_peer.make_module(exact, params, exact.classes, side)
    module = module.to(dtype=low, memory_format=torch_peer.format_of(peer.fastest.form))
    lower = partial(peer.batch, module=module, dtype=low)
    same = judge_sweep(net, params, side, lower, allowed=LOWER)
    same_loop = judge_sweep(exact, params, side, peer.loop)
    # As its users find it: on a GPU torch's own convolutions are TF32.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    start = draw_start(side, sizes.classes)
    view, usual = make_robust_view((side, side)), make_lucent_view((side, side))
    together = partial(sweep_batches, lower, start, batch=sizes.batch, steps=steps, view=view)
    some = start[: sizes.loop]
    loop = partial(sweep_batches, peer.loop, some, batch=sizes.loop, steps=steps, view=usual)
    name = f"{peer.fastest.name}, {PRECISION}, batches of {sizes.batch}"
    return {
        "batched": TorchWay(name, together, sizes.classes, same),
        "loop": TorchWay("torch, lucent-style loop, tf32", loop, sizes.loop, same_loop),
    }


def measure_sizes(sizes: Sizes) -> list[Row]:
    """Measures a part against both torch programs, and the whole.

    Args:
      sizes: the size of the measurement.
    """
    net, params = subjects.make_network(NAME, sizes.side, precision=PRECISION)
    size = (sizes.side, sizes.side)
    last: list[Run] = []

    def run_sweep(classes: int, steps: int) -> Run:
        return jaxvis.maximize(net, params, index=range(classes), steps=steps, size=size)

    def ours() -> None:
        last[:] = [run_sweep(sizes.classes, sizes.steps)]

    peers: dict[str, TorchWay] = {}
    if torch_peer.why_absent() is None:
        peers = _make_torch_ways(net, params, sizes)
    runs = {"ours": ours, **{name: way.run for name, way in peers.items()}}
    times = interleave(runs, sizes.pairs)
    each = {name: way.scale_times(times[name], sizes.steps) for name, way in peers.items()}
    each["ours"] = times["ours"] / (sizes.classes * sizes.steps)
    seconds = float(np.median(each["ours"]))
    rate = flops.measure_ceiling(dtype=PRECISION, side=None if sizes is FULL else 512)
    arithmetic = flops.count_step(net, net.classes, size)
    facts = {
        "precision": PRECISION,
        "ceiling_flop_per_s": round(rate),
        "utilisation": round(arithmetic / seconds / rate, 4),
        "projected_s": round(seconds * sizes.whole, 1),
        "whole_s": _time_whole(run_sweep, sizes, seconds * sizes.whole),
    }
    what = {"net": NAME, **sizes._asdict(), "chunk": int(last[0].facts["chunk"].flat[0])}
    case = Case("sweep", f"{NAME}, {sizes.side} px, {PRECISION}, a picture and step", what)
    return _make_rows(sizes, case, each, peers, facts)


def _time_whole(run_sweep: Callable, sizes: Sizes, projected: float) -> dict[str, Any]:
    """Measures the seconds of the whole sweep, or tells why there are none.

    Another number of steps is another program: the first run compiles.
    """
    if projected > PATIENCE:
        return {"whole": f"not run: projected to take {projected:.0f} s"}
    seconds, failed = [], 0
    for _ in range(2):
        begin = time.perf_counter()
        run = run_sweep(sizes.whole_classes, sizes.whole_steps)
        seconds.append(round(time.perf_counter() - begin, 1))
        failed += int(np.sum(run.status != Status.DONE))
    if failed:
        return {"whole": f"{failed} pictures failed"}
    return {"whole": seconds[1], "whole_with_compiling": seconds[0]}


def _make_rows(
    sizes: Sizes, case: Case, each: Times, peers: dict[str, TorchWay], facts: dict[str, Any]
) -> list[Row]:
    """Makes a row for each of torch's programs and, where it was run, for the whole sweep."""
    whole = facts["whole_s"]["whole"]
    note = (
        f"{sizes.whole_classes} classes x {sizes.whole_steps} steps: {whole} s whole, "
        f"{facts['projected_s']} s projected, {100 * facts['utilisation']:.0f} % of "
        "the matrix-product rate"
    )
    facts = {**facts, "note": note}
    if not peers:
        return [make_row(case, ours=each["ours"], peer_name=torch_peer.why_absent(), **facts)]
    goals = {"loop": GOAL_LOOP} if sizes is FULL else {}
    out = [
        make_row(
            case._replace(target=goals.get(name)),
            ours=each["ours"],
            peer=each[name],
            peer_name=way.name,
            verdict=way.verdict,
            **facts,
        )
        for name, way in peers.items()
    ]
    if sizes is FULL and not isinstance(whole, str):
        out.append(_make_whole_row(case, whole, each["batched"], peers["batched"], facts))
    return out


def _make_whole_row(
    case: Case, whole: float, each: np.ndarray, peer: TorchWay, facts: dict[str, Any]
) -> Row:
    """Makes the row of the whole sweep; torch's time is projected from the part."""
    return make_row(
        case._replace(words=f"{NAME}, {FULL.side} px, 1000 classes x 512 steps, whole"),
        ours=np.array([whole]),
        peer=np.array([float(np.median(each)) * FULL.whole]),
        peer_name=f"{peer.name}, projected",
        verdict=peer.verdict,
        **{**facts, "note": f"goal: {GOAL_SECONDS:.0f} s on one H200"},
    )


def measure(quick: bool) -> list[Row]:
    """Measures the sweep on a GPU.

    Args:
      quick: at the smallest sizes.
    """
    found = measure_sizes(QUICK if quick else FULL)
    jax.clear_caches()
    return found
