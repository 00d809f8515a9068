"""The sweep that a GPU is meant for: 1000 classes of VGG-16, 512 steps, 224 pixels.

Aimed at: 60 seconds on one H200 in bfloat16 (about 53 % of its rate), and 25 times a
lucent-style loop. All classes are swept for few steps, and for twice as many: the
difference is what these steps take, from which the time of all steps is extrapolated. A
row says so. `measure_whole` takes all steps. In slower precisions a part of the classes is
swept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxvis
from benchmarks.harness import flops, subjects
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import interleave, time_call
from benchmarks.peers import torch_peer
from benchmarks.peers.sweep_peers import (
    TorchWay,
    draw_start,
    judge_sweep,
    make_sweep_peer,
    sweep_batches,
)
from benchmarks.speed.gpu_peaks import describe_rate
from benchmarks.speed.gpu_steps import NAME, read_peak
from jaxvis.network import Network
from jaxvis.types import Params, Run, Status

NET, PRECISION = "vgg16", "bfloat16"
"""The network, and the precision in which torch is measured too."""
LOWER = (0.02, 0.3, 0.05)
"""Tolerances of `judge_sweep` in bfloat16, which has three digits."""
GOAL_SECONDS, GOAL_LOOP = 60.0, 25.0
"""The whole sweep on one H200, and the ratio to a lucent-style loop."""


class Sizes(NamedTuple):
    """The size of a measurement.

    Attributes:
      side: pixels of a side.
      classes: that are swept.
      steps: the smaller of the two numbers that are measured.
      whole: classes, and steps, for which the time is extrapolated.
      batch: classes that torch takes together.
      theirs, loop: classes that torch sweeps in batches, and one by one.
      pairs: interleaved runs.
      net: the network.
      recipe: of `jaxvis.maximize`.
    """

    side: int
    classes: int
    steps: int
    whole: tuple[int, int]
    batch: int
    theirs: int
    loop: int
    pairs: int
    net: str = NET
    recipe: str = "robust"


FULL = Sizes(224, 1000, 32, (1000, 512), 64, 128, 1, 3)
PART = FULL._replace(classes=256)
SMOKE = Sizes(32, 2, 1, (4, 3), 2, 2, 1, 1, "demo", "plain")


def _make_torch_ways(net: Network, params: Params, sizes: Sizes) -> dict[str, TorchWay]:
    """Makes torch's two programs."""
    import torch

    from benchmarks.peers.torch_maximize import make_lucent_view, make_robust_view

    side, steps = sizes.side, sizes.steps
    peer = make_sweep_peer(net, params, side, sizes.batch, compiled=False)
    low = getattr(torch, PRECISION)
    exact, _ = subjects.make_network(sizes.net, side)
    module = torch_peer.make_module(exact, params, exact.classes, side)
    module = module.to(dtype=low, memory_format=torch_peer.format_of(peer.fastest.form))
    lower = partial(peer.batch, module=module, dtype=low)
    same = judge_sweep(net, params, side, lower, allowed=LOWER)
    same_loop = judge_sweep(exact, params, side, peer.loop)
    # As its users find it: on a GPU torch's own convolutions are TF32.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    start = draw_start(side, sizes.theirs)
    view, usual = make_robust_view((side, side)), make_lucent_view((side, side))
    together = partial(sweep_batches, lower, start, batch=sizes.batch, steps=steps, view=view)
    some = start[: sizes.loop]
    loop = partial(sweep_batches, peer.loop, some, batch=sizes.loop, steps=steps, view=usual)
    name = f"{peer.fastest.name}, {PRECISION}, batches of {sizes.batch}"
    return {
        "batched": TorchWay(name, together, sizes.theirs, same),
        "loop": TorchWay("torch, lucent-style loop, tf32", loop, sizes.loop, same_loop),
    }


class _Sweep:
    """Our sweep at one precision."""

    def __init__(self, precision: str, sizes: Sizes) -> None:
        self.precision, self.sizes = precision, sizes
        self.net, self.params = subjects.make_network(sizes.net, sizes.side, precision=precision)
        self.last: Run | None = None

    def run(self, classes: int, steps: int) -> None:
        """Sweeps the first classes."""
        self.last = jaxvis.maximize(
            self.net,
            self.params,
            index=range(classes),
            steps=steps,
            recipe=self.sizes.recipe,
            size=(self.sizes.side, self.sizes.side),
        )

    def describe_rate(self, seconds: float) -> dict[str, Any]:
        """Gives the rate of a whole sweep; views and canvas are less than a hundredth of it."""
        classes, steps = self.sizes.whole
        each = flops.count_step(self.net, self.net.classes, (self.sizes.side, self.sizes.side))
        device = jax.devices()[0].device_kind
        return describe_rate(each * classes * steps, seconds, device, self.precision)

    def describe(self, words: str) -> Case:
        """Gives the case of a row."""
        sizes, what = self.sizes, self.sizes._asdict()
        every = "{}, {} px, {} classes x {} steps".format(sizes.net, sizes.side, *sizes.whole)
        return Case(NAME, f"{every}, {self.precision}, {words}", what)

    def describe_run(self) -> dict[str, Any]:
        """Gives facts on the last run."""
        assert self.last is not None
        failed = int(np.sum(self.last.status != Status.DONE))
        chunk = int(self.last.facts["chunk"].flat[0])
        return {"failed": failed, "chunk": chunk, "peak_mib": read_peak(jax.devices()[0])}


def measure_sweep(precision: str, sizes: Sizes) -> list[Row]:
    """Measures a sweep of few steps, and extrapolates to all of them.

    Args:
      precision: of the network's products.
      sizes: the size of the measurement.
    """
    ours = _Sweep(precision, sizes)
    short = partial(ours.run, sizes.classes, sizes.steps)
    first, absent = time_call(short), torch_peer.why_absent()
    peers: dict[str, TorchWay] = {}
    if precision == PRECISION and absent is None:
        peers = _make_torch_ways(ours.net, ours.params, sizes)
    ways: dict[str, Callable] = {
        "short": short,
        "long": partial(ours.run, sizes.classes, 2 * sizes.steps),
        **{name: way.run for name, way in peers.items()},
    }
    times = interleave(ways, sizes.pairs, again=False, warmups=0)
    classes, steps = sizes.whole
    each = (times["long"] - times["short"]) / sizes.steps
    whole = (times["short"] + each * (steps - sizes.steps)) * classes / sizes.classes
    facts = {
        **ours.describe_run(),
        **ours.describe_rate(float(np.median(whole))),
        "measured_s": [round(float(np.median(times[name])), 3) for name in ("short", "long")],
        "compile_s": round(first - float(np.median(times["short"])), 2),
    }
    facts["note"] += (
        f"; extrapolated from {sizes.classes} classes x {sizes.steps} and {2 * sizes.steps} steps"
    )
    case = ours.describe("extrapolated")
    if not peers:
        absent = absent or f"torch is measured in {PRECISION}"
        return [make_row(case, ours=whole, peer_name=absent, **facts)]
    targets = {"loop": GOAL_LOOP} if sizes is FULL else {}
    return [
        make_row(
            case._replace(target=targets.get(name)),
            ours=whole,
            peer=way.scale_times(times[name], sizes.steps) * classes * steps,
            peer_name=f"{way.name}, extrapolated",
            verdict=way.verdict,
            **facts,
        )
        for name, way in peers.items()
    ]


def measure_whole(precision: str, sizes: Sizes) -> list[Row]:
    """Measures all steps of the sweep, once; it includes what is compiled for it.

    Args:
      precision: of the network's products.
      sizes: the size of the measurement.
    """
    ours = _Sweep(precision, sizes)
    seconds = time_call(partial(ours.run, *sizes.whole))
    facts = {**ours.describe_run(), **ours.describe_rate(seconds)}
    if sizes is FULL:
        facts["note"] += f"; goal: {GOAL_SECONDS:.0f} s on one H200"
    case = ours.describe("whole, with compiling")
    return [make_row(case, ours=np.array([seconds]), peer_name="measured alone", **facts)]
