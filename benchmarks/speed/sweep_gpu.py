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
from benchmarks.harness.rows import Row, Verdict, interleaved, row
from benchmarks.peers import torch_peer
from benchmarks.speed import sweep
from jaxvis.network import Network
from jaxvis.types import Params

NAME, PRECISION = "vgg16", "bfloat16"
LOWER = (0.02, 0.3, 0.05)
"""Tolerances of `sweep.agreement` in bfloat16, whose digits are three."""
GOAL_SECONDS, GOAL_LOOP = 60.0, 25.0
"""The whole sweep, and the ratio to a lucent-style loop."""
PATIENCE = 240.0
"""The whole sweep is run if it is projected to take fewer seconds."""


class Sizes(NamedTuple):
    """How much is measured.

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


FULL = Sizes(224, 128, 64, 1000, 512, 64, 1, 3)
QUICK = Sizes(32, 4, 2, 6, 3, 2, 1, 2)


def _torch_ways(
    net: Network, params: Params, sizes: Sizes
) -> tuple[dict[str, Callable[[], Any]], dict[str, Verdict], str]:
    """Returns torch's two programs, the verdicts on them and the batch's name."""
    import torch

    from benchmarks.peers import torch_maximize

    peer = sweep.peer_of(net, params, sizes.side, sizes.batch, False)
    start = sweep.start_of(sizes.side, sizes.classes)
    view = torch_maximize.robust_view((sizes.side,) * 2)
    usual = torch_maximize.lucent_view((sizes.side,) * 2)
    low = getattr(torch, PRECISION)
    exact, _ = subjects.subject(NAME, sizes.side)
    module = torch_peer.network(exact, params, exact.classes, sizes.side)
    form = torch.channels_last if peer.best.channels_last else torch.contiguous_format
    module = module.to(dtype=low, memory_format=form)
    lower = partial(peer.batch, module=module, dtype=low)
    found = {
        "batched": sweep.agreement(net, params, sizes.side, lower, allowed=LOWER),
        "loop": sweep.agreement(exact, params, sizes.side, peer.loop),
    }
    # As its users find it: on a GPU torch's own convolutions are TF32.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True

    def batched() -> None:
        for at in range(0, sizes.classes, sizes.batch):
            part = slice(at, at + sizes.batch)
            lower(start[part], np.arange(sizes.classes)[part], sizes.steps, view)

    def loop() -> None:
        peer.loop(start[: sizes.loop], np.arange(sizes.loop), sizes.steps, usual)

    name = f"{peer.best.name}, {PRECISION}, batches of {sizes.batch}"
    return {"batched": batched, "loop": loop}, found, name


def measured(sizes: Sizes) -> list[Row]:
    """Returns the rows: a part against both torch programs, and the whole.

    Args:
      sizes: how much.
    """
    net, params = subjects.subject(NAME, sizes.side, precision=PRECISION)
    size = (sizes.side, sizes.side)
    chunks: list[int] = []

    def sweep_of(classes: int, steps: int) -> Any:
        return jaxvis.maximize(
            net,
            params,
            index=range(classes),
            steps=steps,
            size=size,
            on_chunk=lambda where, run: chunks.append(len(where)),
        )

    ways = {"ours": lambda: sweep_of(sizes.classes, sizes.steps)}
    found: dict[str, Verdict] = {}
    batch_name = ""
    if torch_peer.absent() is None:
        theirs, found, batch_name = _torch_ways(net, params, sizes)
        ways |= theirs
    times = interleaved(ways, sizes.pairs)
    counts = {"ours": sizes.classes, "batched": sizes.classes, "loop": sizes.loop}
    each = {way: times[way] / (counts[way] * sizes.steps) for way in ways}
    ours = float(np.median(each["ours"]))
    total = sizes.whole_classes * sizes.whole_steps
    rate = flops.ceiling(dtype=PRECISION, side=None if sizes is FULL else 512)
    arithmetic = flops.step(net, net.classes, size)
    facts = {
        "sizes": {"net": NAME, **sizes._asdict(), "chunk": chunks[0]},
        "precision": PRECISION,
        "ceiling_flop_per_s": round(rate),
        "utilisation": round(arithmetic / ours / rate, 4),
        "projected_s": round(ours * total, 1),
        "whole_s": _whole(sweep_of, sizes, ours * total),
    }
    return _rows(sizes, each, found, batch_name, facts)


def _whole(sweep_of: Callable, sizes: Sizes, projected: float) -> dict[str, Any]:
    """Returns the seconds of the whole sweep, or why there are none.

    Another number of steps is another program: the first run compiles.
    """
    if projected > PATIENCE:
        return {"whole": f"not run: projected to take {projected:.0f} s"}
    seconds, failed = [], 0
    for _ in range(2):
        begin = time.perf_counter()
        run = sweep_of(sizes.whole_classes, sizes.whole_steps)
        seconds.append(round(time.perf_counter() - begin, 1))
        failed += int(np.sum(run.trace["status"] != 0))
    if failed:
        return {"whole": f"{failed} pictures failed"}
    return {"whole": seconds[1], "whole_with_compiling": seconds[0]}


def _rows(sizes, each, found, batch_name, facts) -> list[Row]:
    text = f"{NAME}, {sizes.side} px, {facts['precision']}, a picture and step"
    whole, total = facts["whole_s"]["whole"], sizes.whole_classes * sizes.whole_steps
    note = (
        f"{sizes.whole_classes} classes x {sizes.whole_steps} steps: {whole} s whole, "
        f"{facts['projected_s']} s projected, {100 * facts['utilisation']:.0f} % of "
        "the matrix-product rate"
    )
    if not found:
        return [
            row(
                "sweep",
                text,
                ours=each["ours"],
                peer=None,
                verdict=None,
                peer_name=torch_peer.absent(),
                note=note,
                **facts,
            )
        ]
    names = {"batched": batch_name, "loop": "torch, lucent-style loop, tf32"}
    goals = {"loop": GOAL_LOOP} if sizes is FULL else {}
    out = [
        row(
            "sweep",
            text,
            ours=each["ours"],
            peer=each[way],
            peer_name=names[way],
            verdict=found[way],
            note=note,
            target=goals.get(way),
            **facts,
        )
        for way in found
    ]
    if sizes is FULL and not isinstance(whole, str):
        theirs = np.array([float(np.median(each["batched"])) * total])
        text = f"{NAME}, {sizes.side} px, 1000 classes x 512 steps, whole"
        out.append(
            row(
                "sweep",
                text,
                ours=np.array([whole]),
                peer=theirs,
                peer_name=f"{batch_name}, projected",
                verdict=found["batched"],
                note=f"goal: {GOAL_SECONDS:.0f} s on one H200",
                **facts,
            )
        )
    return out


def rows(quick: bool) -> list[Row]:
    """Returns the rows.

    Args:
      quick: at the smallest sizes.
    """
    found = measured(QUICK if quick else FULL)
    jax.clear_caches()
    return found
