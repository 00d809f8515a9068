"""L-BFGS for many items at once: N inversions of a convolutional code, side by side.

There are five ways to the same pixels. Each keeps m = 10 pairs, searches by the strong
Wolfe conditions, and ends an item once an iteration lowers its loss by at most `FTOL`:
`jaxvis`: one batched value and gradient a step, finished items taken out;
`optax`: `optax.lbfgs` under `vmap`, a step called from Python, finished items frozen;
`one by one`: our own optimizer with one item at a time;
`scipy`: L-BFGS-B, one item at a time, with the same compiled value and gradient;
`torch`: `torch.optim.LBFGS`, one item at a time, the same network in torch.
Final losses are compared: a way counts as faster only if its loss is as low.
"""

from collections.abc import Callable
from functools import partial

import jax

from benchmarks.harness.machine import package_version
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import Times, interleave
from benchmarks.harness.verdicts import Verdict, judge, relative_difference
from benchmarks.peers import lbfgs_peers, torch_peer
from benchmarks.peers.lbfgs_peers import FTOL, MEMORY, STEPS, Found, Inversions
from jaxvis.loss.canvas import Pixels
from jaxvis.optimize import Problem, lbfgs, solve

TARGETS = {"optax": 2.5, "one by one": 1.0, "torch": 1.2}
WORSE, START = 10 * FTOL, 1e-4
"""How much our mean final loss may lie above the peer's, of 1 for a code of zeros, and
how much values at the start may differ, relatively."""
NAMES = {
    "optax": "optax.lbfgs under vmap",
    "one by one": "jaxvis, one by one",
    "scipy": "scipy L-BFGS-B, one by one",
    "torch": "torch.optim.LBFGS, one by one",
}
"""Way -> the peer's name."""


def solve_by_jaxvis(given: Inversions, chunk: int | None) -> Found:
    """Solves the inversions with our own optimizer.

    Args:
      given: the inversions.
      chunk: items side by side; None lets the solver choose.
    """
    canvas = Pixels((given.side, given.side), noise=0.1)
    problem = Problem(given.loss, canvas, lbfgs(memory=MEMORY, ftol=FTOL), STEPS)
    run = solve(
        problem, given.params, given.items, jax.random.key(2), start=given.start, chunk=chunk
    )
    return Found(run.trace["loss"][:, -1], int(run.facts["evaluations"].sum()))


def make_ways(given: Inversions) -> tuple[dict[str, Callable[[], Found]], dict[str, Verdict]]:
    """Makes every way that is possible here, and the verdict on torch's network.

    Args:
      given: the inversions.
    """
    value_and_grad = jax.jit(jax.value_and_grad(given.compute_loss))
    ways = {
        "ours": partial(solve_by_jaxvis, given, None),
        "optax": partial(lbfgs_peers.solve_by_optax, given, *lbfgs_peers.compile_optax(given)),
        "one by one": partial(solve_by_jaxvis, given, 1),
    }
    same: dict[str, Verdict] = {}
    if package_version("scipy"):
        ways["scipy"] = partial(lbfgs_peers.solve_by_scipy, given, value_and_grad)
    if torch_peer.why_absent() is None:
        torch_peer.configure()
        module = torch_peer.make_module(given.net, given.plain, given.tap, given.side)
        ways["torch"] = partial(lbfgs_peers.solve_by_torch, given, module)
        theirs = lbfgs_peers.make_torch_loss(given, module, 0)[0]().detach().cpu().numpy()
        ours = value_and_grad(given.start[0], given.item(0))[0]
        same["torch"] = judge(start=(relative_difference(ours, theirs), START))
    return ways, same


def measure_inversions(name: str, tap: str, side: int, count: int, *, pairs: int) -> list[Row]:
    """Measures a row for every peer, of the same interleaved runs.

    Args:
      name: the network.
      tap: the layer that is inverted.
      side: pixels of a side.
      count: items.
      pairs: interleaved runs.
    """
    ways, same = make_ways(lbfgs_peers.make_inversions(name, tap, side, count))
    found: dict[str, Found] = {}

    def keep(way: str) -> None:
        found[way] = ways[way]()

    times = interleave({way: partial(keep, way) for way in ways}, pairs, again=False)
    case = Case(
        "lbfgs",
        f"{count} inversions of {name} {tap}, {side} px",
        {"net": name, "tap": tap, "pixels": side, "items": count, "ftol": FTOL},
    )
    targets = TARGETS if count >= 8 else {}
    return [
        _make_row(case._replace(target=targets.get(way)), way, times, found, same.get(way))
        for way in list(ways)[1:]
    ]


def _make_row(
    case: Case, way: str, times: Times, found: dict[str, Found], same: Verdict | None
) -> Row:
    """Makes the row of one peer; `same` is the verdict on its network."""
    sides = {"ours": found["ours"], "peer": found[way]}
    means = {side: float(one.losses.mean()) for side, one in sides.items()}
    evaluations = {side: one.evaluations for side, one in sides.items()}
    against = f" against {evaluations['peer']}" if evaluations["peer"] else ""
    return make_row(
        case,
        ours=times["ours"],
        peer=times[way],
        **times.describe(peer=way),
        peer_name=NAMES[way],
        verdict=judge(
            loss=(max(0.0, means["ours"] - means["peer"]), WORSE),
            start=(same.difference["start"] if same else 0.0, START),
        ),
        mean_loss=means,
        evaluations=evaluations,
        note=f"{evaluations['ours']} evaluations{against}",
    )


def measure(quick: bool) -> list[Row]:
    """Measures 32 inversions of small images, and 32 of larger ones.

    Args:
      quick: eight of the small ones.
    """
    if quick:
        return measure_inversions("vgg19", "relu2_1", 32, 8, pairs=2)
    small = measure_inversions("vgg19", "relu2_1", 32, 32, pairs=3)
    return small + measure_inversions("vgg19", "relu3_1", 64, 32, pairs=3)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: three inversions from relu1_1."""
    return measure_inversions("vgg19", "relu1_1", 32, 3, pairs=1)
