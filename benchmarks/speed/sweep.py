"""How fast is a sweep over classes? `jaxvis.maximize` against two programs in torch.

The peers: the same recipe for a batch of classes, by hand; and the usual program, one
image at a time (`benchmarks.peers.torch_maximize`). Figures are seconds a picture and step;
what 1000 classes of 512 steps would take is projected from them and said to be. Views
draw from other generators in torch, so outputs are compared with the view left out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxvis
from benchmarks.harness import flops, subjects
from benchmarks.harness.rows import Row, Verdict, interleaved, relative, row, verdict
from benchmarks.peers import torch_peer
from jaxvis.images import RECORRELATE
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import CrossEntropy, Excite
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.rules.first_order import adam
from jaxvis.types import Params

BATCH = 8
"""Classes that torch takes together on a CPU, as many as jaxvis does."""
LOSS, PROGRESS, IMAGE = 1e-4, 0.05, 1e-2
"""Tolerances: relative, of the first loss; of the loss's fall in a few steps; mean
absolute difference of the images then."""
COMPARED = 3  # steps
SPREAD = 1.0
"""Deviation of the compared start: on a nearly grey one, which of two almost equal
activations wins a maximum is a matter of rounding, which Adam's first steps amplify."""
WHOLE = 1000 * 512
"""Pictures times steps of the sweep that is projected."""


class Case(NamedTuple):
    """What is swept: network, pixels of a side, classes, steps, classes of the loop."""

    net: str
    side: int
    classes: int
    steps: int
    loop: int


FULL = (Case("squeezenet1_1", 224, 16, 32, 4), Case("googlenet", 224, 16, 32, 4))
QUICK = (Case("squeezenet1_1", 128, 8, 8, 2),)
SMOKE = (Case("squeezenet1_1", 48, 2, 2, 1),)


def shown(net: Network, params: Params, side: int) -> int:
    """Returns the pixels of a side that `jaxvis.maximize` shows the network.

    Args:
      net, params: the network.
      side: pixels of a side of the picture.
    """
    small = max(side * 6 // 7 // 8 * 8, 8)
    try:
        net.shape(params, net.classes, size=(small, small))
    except ValueError:
        return net.input_size[0]
    return small


class Peer(NamedTuple):
    """torch's side: the fastest configuration, and the two programs.

    Attributes:
      best: of `benchmarks.peers.torch_peer`.
      batch: `(start, index, steps, view) -> torch_maximize.Found`; takes another
        `module` and `dtype` too.
      loop: the same, one image at a time.
    """

    best: torch_peer.Best
    batch: Callable[..., Any]
    loop: Callable[..., Any]


def peer_of(net: Network, params: Params, seen: int, batch: int, compiled: bool) -> Peer:
    """Returns torch's side.

    Args:
      net, params: the network.
      seen: pixels of a side that it is shown.
      batch: classes taken together.
      compiled: whether torch.compile is tried.
    """
    import torch

    from benchmarks.peers import torch_maximize

    module = torch_peer.network(net, params, net.classes, seen)
    images, index = subjects.photographs(batch, seen), subjects.indices(batch)
    best = torch_peer.best(module, images, index, compiled=compiled)
    device, layer = torch_peer.device(), module.layer(net.classes)

    def canvas(start: np.ndarray) -> torch_maximize.Canvas:
        size = start.shape[2], start.shape[2]
        return torch_maximize.fourier(size, RECORRELATE, device=device)

    def together(start, index, steps, view, *, module=best.module, **options) -> Any:
        found = torch_maximize.batched(
            module,
            canvas(start),
            start,
            index,
            steps=steps,
            view=view,
            channels_last=best.channels_last,
            **options,
        )
        if device == "cuda":
            torch.cuda.synchronize()
        return found

    def loop(start: np.ndarray, index: np.ndarray, steps: int, view: Any) -> Any:
        return torch_maximize.one_by_one(
            module, layer, canvas(start), start, index, steps=steps, view=view
        )

    return Peer(best, together, loop)


def start_of(side: int, count: int) -> np.ndarray:
    """Returns first z of the Fourier canvas, `[count, 2, side, side // 2 + 1, 3]`.

    Args:
      side: pixels of a side.
      count: how many.
    """
    draw = np.random.default_rng(0).standard_normal((count, 2, side, side // 2 + 1, 3))
    return (SPREAD * draw).astype(np.float32)


def agreement(
    net: Network,
    params: Params,
    seen: int,
    peer: Callable,
    *,
    allowed: tuple[float, float, float] = (LOSS, PROGRESS, IMAGE),
) -> Verdict:
    """Returns the verdict on a few steps of two classes from the same start, no view.

    Args:
      net, params: the network.
      seen: pixels of a side of picture and view.
      peer: one of `Peer`'s programs.
      allowed: the tolerances.
    """
    canvas, index = Fourier((seen, seen)), np.array([1, 7], np.int32)
    problem = Problem(compose(net, canvas), canvas, adam(0.05), COMPARED)
    tap = net.classes
    items = jax.vmap(lambda i: Excite(tap, i) + CrossEntropy(tap, i))(jnp.array(index))
    start = start_of(seen, len(index))
    run = solve(problem, params, items, jax.random.key(0), start=jnp.array(start))
    theirs = peer(start, index, COMPARED, None)
    losses = run.trace["loss"]
    fall, their_fall = (x[:, 0] - x[:, -1] for x in (losses, theirs.losses))
    return verdict(
        loss=(relative(losses[:, 0], theirs.losses[:, 0]), allowed[0]),
        progress=(relative(fall, their_fall), allowed[1]),
        image=(float(np.mean(np.abs(run.image - theirs.images))), allowed[2]),
    )


def measured(case: Case, *, pairs: int, compiled: bool) -> list[Row]:
    """Returns the rows of one network, one a peer, of the same interleaved runs.

    Args:
      case: what is swept.
      pairs: interleaved runs.
      compiled: whether torch.compile is tried.
    """
    net, params = subjects.subject(case.net, case.side)
    seen, size = shown(net, params, case.side), (case.side, case.side)

    def ours() -> None:
        jaxvis.maximize(net, params, index=range(case.classes), steps=case.steps, size=size)

    ways: dict[str, Callable[[], Any]] = {"ours": ours}
    counts = {"ours": case.classes}
    found: dict[str, Verdict] = {}
    names: dict[str, str] = {}
    if torch_peer.absent() is None:
        from benchmarks.peers import torch_maximize

        batch = min(BATCH, case.classes)
        peer = peer_of(net, params, seen, batch, compiled)
        start, classes = start_of(case.side, case.classes), np.arange(case.classes)
        view = torch_maximize.robust_view((seen, seen))
        usual = torch_maximize.lucent_view((seen, seen))

        def together() -> None:
            for at in range(0, case.classes, batch):
                part = slice(at, at + batch)
                peer.batch(start[part], classes[part], case.steps, view)

        def loop() -> None:
            peer.loop(start[: case.loop], classes[: case.loop], case.steps, usual)

        ways |= {"batched": together, "loop": loop}
        counts |= {"batched": case.classes, "loop": case.loop}
        names = {
            "batched": f"{peer.best.name}, batches of {batch}",
            "loop": "torch, lucent-style loop, one image at a time",
        }
        found = {
            "batched": agreement(net, params, seen, peer.batch),
            "loop": agreement(net, params, seen, peer.loop),
        }
    times = interleaved(ways, pairs)
    each = {way: times[way] / (counts[way] * case.steps) for way in ways}
    return _rows(case, net, seen, each, names, found)


def _rows(case, net, seen, each, names, found) -> list[Row]:
    """Returns a row a peer, with what the figures mean for a whole sweep."""
    arithmetic = flops.step(net, net.classes, (seen, seen))
    rate, ours = flops.ceiling(), float(np.median(each["ours"]))
    facts = {
        "items_per_s_at_512_steps": round(1 / (512 * ours), 5),
        "projected_s_1000x512": round(ours * WHOLE, 1),
        "flop_per_step": arithmetic,
        "ceiling_flop_per_s": round(rate),
        "utilisation": round(arithmetic / ours / rate, 4),
    }
    said = {
        "sizes": {**case._asdict(), "seen": seen, "batch": BATCH},
        "note": f"1000 classes x 512 steps, projected: {ours * WHOLE / 3600:.1f} h, "
        f"{100 * facts['utilisation']:.0f} % of the matrix-product rate",
    }
    text = f"{case.net}, {case.side} px, a picture and step"
    if not found:
        return [
            row(
                "sweep",
                text,
                ours=each["ours"],
                peer=None,
                verdict=None,
                peer_name=torch_peer.absent(),
                **said,
                **facts,
            )
        ]
    return [
        row(
            "sweep",
            text,
            ours=each["ours"],
            peer=each[way],
            peer_name=names[way],
            verdict=found[way],
            peer_projected_s_1000x512=round(float(np.median(each[way])) * WHOLE, 1),
            **said,
            **facts,
        )
        for way in found
    ]


def rows(quick: bool) -> list[Row]:
    """Returns the rows: classes of SqueezeNet and GoogLeNet at 224 pixels, 32 steps.

    Args:
      quick: SqueezeNet alone, at 128 pixels, 8 classes, 8 steps.
    """
    cases, pairs = (QUICK, 2) if quick else (FULL, 3)
    found = [measured(case, pairs=pairs, compiled=not quick) for case in cases]
    return [row for part in found for row in part]


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: two classes, two steps, 48 pixels."""
    return measured(SMOKE[0], pairs=1, compiled=False)


def gpu(quick: bool) -> list[Row]:
    """Returns the rows of the sweep that a GPU is meant for: `benchmarks.speed.sweep_gpu`.

    Args:
      quick: at the smallest sizes.
    """
    from benchmarks.speed import sweep_gpu

    return sweep_gpu.rows(quick)
