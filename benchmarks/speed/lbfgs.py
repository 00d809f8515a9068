"""L-BFGS for many items at once: N inversions of a convolutional code, side by side.

Five ways to the same pixels, each with m = 10 pairs, a strong Wolfe search, and an item
done once an iteration lowers its loss by no more than `FTOL`:
`jaxvis`: one batched value and gradient a step, finished items taken out;
`optax`: `optax.lbfgs` under `vmap`, a step called from Python, finished items frozen;
`one by one`: our own optimizer with one item at a time;
`scipy`: L-BFGS-B, one item at a time, with the same compiled value and gradient;
`torch`: `torch.optim.LBFGS`, one item at a time, the same network in torch.
Final losses are compared: a way is faster only if it gets as far.
"""

from collections.abc import Callable
from functools import partial

import jax

from benchmarks.harness.rows import (
    Row,
    Verdict,
    installed,
    interleaved,
    relative,
    row,
    verdict,
)
from benchmarks.peers import torch_peer
from benchmarks.peers.lbfgs_peers import (
    FTOL,
    MEMORY,
    STEPS,
    Case,
    Found,
    by_optax,
    by_scipy,
    by_torch,
    case,
    optax_step,
    torch_value,
)
from jaxvis.loss.canvas import Pixels
from jaxvis.optimize import Problem, lbfgs, solve
from jaxvis.types import Loss

TARGETS = {"optax": 2.5, "one by one": 1.0}
WORSE, START = 10 * FTOL, 1e-4
"""How much our mean final loss may lie above the peer's, of 1 for a code of zeros, and
how much values at the start may differ, relatively."""


def by_jaxvis(given: Case, chunk: int | None) -> Found:
    """Returns what our own optimizer finds.

    Args:
      given: the case.
      chunk: items side by side; None lets the solver choose.
    """
    run = solve(
        _problem(given.loss, given.side),
        given.params,
        given.items,
        jax.random.key(2),
        start=given.start,
        chunk=chunk,
    )
    return Found(run.trace["loss"][:, -1], int(run.trace["evaluations"].sum()))


def _problem(loss: Loss, side: int) -> Problem:
    optimizer = lbfgs(memory=MEMORY, ftol=FTOL)
    return Problem(loss, Pixels((side, side), noise=0.1), optimizer, STEPS)


def ways_of(given: Case) -> tuple[dict[str, Callable[[], Found]], dict[str, Verdict]]:
    """Returns every way there is here, and the verdict on torch's network.

    Args:
      given: the case.
    """
    value = jax.jit(jax.value_and_grad(given.value))
    ways = {
        "ours": partial(by_jaxvis, given, None),
        "optax": partial(by_optax, given, *optax_step(given)),
        "one by one": partial(by_jaxvis, given, 1),
    }
    same: dict[str, Verdict] = {}
    if installed("scipy"):
        ways["scipy"] = partial(by_scipy, given, value)
    if torch_peer.absent() is None:
        torch_peer.prepare()
        module = torch_peer.network(given.net, given.plain, given.tap, given.side)
        ways["torch"] = partial(by_torch, given, module)
        theirs = torch_value(given, module, 0)[0]().detach().cpu().numpy()
        first = value(given.start[0], given.item(0))[0]
        same["torch"] = verdict(start=(relative(first, theirs), START))
    return ways, same


def measured(name: str, tap: str, side: int, count: int, *, pairs: int) -> list[Row]:
    """Returns a row for every peer, of the same interleaved runs.

    Args:
      name: the network.
      tap: the layer that is inverted.
      side: pixels of a side.
      count: items.
      pairs: interleaved runs.
    """
    given = case(name, tap, side, count)
    ways, same = ways_of(given)
    found: dict[str, Found] = {}

    def kept(way: str) -> None:
        found[way] = ways[way]()

    times = interleaved({way: partial(kept, way) for way in ways}, pairs, again=False)
    ours = found["ours"]
    what = f"{count} inversions of {name} {tap}, {side} px"
    sizes = {"net": name, "tap": tap, "pixels": side, "items": count, "ftol": FTOL}
    out = []
    for way in list(ways)[1:]:
        worse = max(0.0, float(ours.losses.mean() - found[way].losses.mean()))
        start = same[way].difference["start"] if way in same else 0.0
        evaluations = {
            side: found[key].evaluations for side, key in (("ours", "ours"), ("peer", way))
        }
        said = f" against {evaluations['peer']}" if evaluations["peer"] else ""
        out.append(
            row(
                "lbfgs",
                what,
                ours=times["ours"],
                peer=times[way],
                peer_name=_name(way),
                verdict=verdict(loss=(worse, WORSE), start=(start, START)),
                sizes=sizes,
                target=TARGETS.get(way) if count == 32 else None,
                mean_loss={
                    "ours": float(ours.losses.mean()),
                    "peer": float(found[way].losses.mean()),
                },
                evaluations=evaluations,
                note=f"{evaluations['ours']} evaluations{said}",
            )
        )
    return out


def _name(way: str) -> str:
    one = ", one by one"
    return {
        "optax": "optax.lbfgs under vmap",
        "one by one": "jaxvis" + one,
        "scipy": "scipy L-BFGS-B" + one,
        "torch": "torch.optim.LBFGS" + one,
    }[way]


def rows(quick: bool) -> list[Row]:
    """Returns the rows: 32 inversions of small images, and 32 of larger ones.

    Args:
      quick: eight of the small ones.
    """
    if quick:
        return measured("vgg19", "relu2_1", 32, 8, pairs=2)
    small = measured("vgg19", "relu2_1", 32, 32, pairs=3)
    return small + measured("vgg19", "relu3_1", 64, 32, pairs=3)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: three inversions from relu1_1."""
    return measured("vgg19", "relu1_1", 32, 3, pairs=1)
