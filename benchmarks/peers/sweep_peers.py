"""The sweep over classes as torch does it: a batch of classes, and one image at a time.

Both programs are those of `benchmarks.peers.torch_maximize`. Views draw from other
generators in torch, so outputs are compared without the view.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.verdicts import Verdict, judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.images import RECORRELATE
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import CrossEntropy, Excite
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.rules import adam
from jaxvis.types import Params

LOSS, PROGRESS, IMAGE = 1e-4, 0.05, 1e-2
"""Tolerances: relative, of the first loss; of the loss's fall in a few steps; mean
absolute difference of the images then."""
STEPS = 3
"""Steps that are compared."""
SPREAD = 1.0
"""Standard deviation of the compared start. On a nearly grey one, rounding decides which
of two almost equal activations wins a maximum, and Adam's first steps amplify that."""


class SweepPeer(NamedTuple):
    """torch's side of a sweep: the fastest configuration, and the two programs.

    Attributes:
      fastest: of `benchmarks.peers.torch_peer`.
      batch: `(start, index, steps, view) -> torch_maximize.Found`; takes another
        `module` and `dtype` too.
      loop: the same, one image at a time.
    """

    fastest: torch_peer.Fastest
    batch: Callable[..., Any]
    loop: Callable[..., Any]


def make_sweep_peer(
    net: Network, params: Params, seen: int, batch: int, *, compiled: bool
) -> SweepPeer:
    """Makes torch's side of a sweep.

    Args:
      net, params: the network.
      seen: pixels of a side that it is shown.
      batch: classes taken together.
      compiled: whether torch.compile is tried.
    """
    import torch

    from benchmarks.peers import torch_maximize

    module = torch_peer.make_module(net, params, net.classes, seen)
    images, index = subjects.draw_images(batch, seen), subjects.number_classes(batch)
    fastest = torch_peer.find_fastest(module, images, index, compiled=compiled)
    device, layer = torch_peer.choose_device(), module.layer(net.classes)
    form = torch_peer.format_of(fastest.form)

    def make_canvas(start: np.ndarray) -> torch_maximize.Canvas:
        size = start.shape[2], start.shape[2]
        return torch_maximize.make_canvas(size, RECORRELATE, device=device)

    def together(start, index, steps, view, *, module=fastest.module, **options) -> Any:
        options |= {"steps": steps, "view": view, "form": form}
        found = torch_maximize.maximize_batch(module, make_canvas(start), start, index, **options)
        if device == "cuda":
            torch.cuda.synchronize()
        return found

    def loop(start: np.ndarray, index: np.ndarray, steps: int, view: Any) -> Any:
        return torch_maximize.maximize_one_by_one(
            module, layer, make_canvas(start), start, index, steps=steps, view=view
        )

    return SweepPeer(fastest, together, loop)


class TorchWay(NamedTuple):
    """One of torch's programs as it is measured.

    Attributes:
      name: the peer's name.
      run: sweeps, and waits.
      classes: how many it takes.
      verdict: on its outputs.
    """

    name: str
    run: Callable[[], None]
    classes: int
    verdict: Verdict

    def scale_times(self, times: np.ndarray, steps: int) -> np.ndarray:
        """Scales the seconds of whole runs to those of one picture and step."""
        return times / (self.classes * steps)


def sweep_batches(
    program: Callable, start: np.ndarray, *, batch: int, steps: int, view: Callable
) -> None:
    """Sweeps the classes 0, 1, 2... of a start, one batch after another.

    Args:
      program: one of `SweepPeer`'s.
      start: the first z of every class.
      batch: classes given to the program together.
      steps: updates.
      view: what the network sees.
    """
    index = np.arange(len(start))
    for first in range(0, len(start), batch):
        part = slice(first, first + batch)
        program(start[part], index[part], steps, view)


def draw_start(side: int, count: int) -> np.ndarray:
    """Draws first z of the Fourier canvas, `[count, 2, side, side // 2 + 1, 3]`.

    Args:
      side: pixels of a side.
      count: how many.
    """
    draw = np.random.default_rng(0).standard_normal((count, 2, side, side // 2 + 1, 3))
    return (SPREAD * draw).astype(np.float32)


def judge_sweep(
    net: Network,
    params: Params,
    seen: int,
    program: Callable,
    *,
    allowed: tuple[float, float, float] = (LOSS, PROGRESS, IMAGE),
) -> Verdict:
    """Gives the verdict on a few steps of two classes from the same start, without view.

    Args:
      net, params: the network.
      seen: pixels of a side of picture and view.
      program: one of `SweepPeer`'s.
      allowed: the tolerances.
    """
    canvas, index = Fourier((seen, seen)), np.array([1, 7], np.int32)
    problem = Problem(compose(net, canvas), canvas, adam(0.05), STEPS)
    tap = net.classes
    items = jax.vmap(lambda i: Excite(tap, i) + CrossEntropy(tap, i))(jnp.array(index))
    start = draw_start(seen, len(index))
    run = solve(problem, params, items, jax.random.key(0), start=jnp.array(start))
    theirs = program(start, index, STEPS, None)
    losses = run.trace["loss"]
    fall, their_fall = (x[:, 0] - x[:, -1] for x in (losses, theirs.losses))
    return judge(
        loss=(relative_difference(losses[:, 0], theirs.losses[:, 0]), allowed[0]),
        progress=(relative_difference(fall, their_fall), allowed[1]),
        image=(float(np.mean(np.abs(run.image - theirs.images))), allowed[2]),
    )
