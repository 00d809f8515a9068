"""Speed of an inversion: our solver against torch's same update, both in batches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.images import MEAN
from jaxvis.loss.objectives import Match
from jaxvis.nets.table.geometry import stride_of
from jaxvis.optimize import solve
from jaxvis.recipes.natural import Natural, natural_stages

FIDELITY = 100.0
IMAGES = 0.02
"""How much images after the steps may differ, of the largest value: Algorithm 1 divides
by the gradient's magnitude, and small gradients are dominated by rounding."""
UPDATES = 350
"""Updates of one image in the paper."""


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      net: the network, with random weights: speed does not depend on them.
      tap: the layer, of a stride that has no jitter.
      count: images.
      side: pixels of a side.
      steps: updates.
      pairs: interleaved runs.
    """

    net: str
    tap: str
    count: int
    side: int
    steps: int = 10
    pairs: int = 5


def measure_speed(name: str, setting: Setting) -> Row:
    """Measures one row: seconds of the updates of a batch, ours and torch's.

    Args:
      name: the benchmark's.
      setting: the size of the measurement.
    """
    tap, count, side, steps = setting.tap, setting.count, setting.side, setting.steps
    net, params = subjects.make_network(setting.net, side, stop=tap)
    images = subjects.draw_images(count, side)
    codes = jnp.stack([net.code(params, image, tap) for image in images])
    items = jnp.full(count, FIDELITY) * Match(tap, codes, mask=jnp.ones(count))
    (recipe,) = natural_stages(
        Natural(second=0, jitter=1),
        size=(side, side),
        stride=stride_of(net, params, tap),
        steps=steps,
    )
    problem = recipe.problem(net)
    start = np.asarray(jax.vmap(problem.canvas.init)(jax.random.split(jax.random.key(0), count)))

    def ours() -> np.ndarray:
        return solve(problem, params, items, jax.random.key(0), start=start).z

    def make_peer() -> Peer:
        module = torch_peer.make_module(net, params, tap, side)
        run, label = _make_torch_run(module, images, np.asarray(codes), start, steps)
        return Peer(label, run, judge(image=(relative_difference(ours(), run()), IMAGES)))

    case = Case(
        name,
        f"{count} images of {side} px at {setting.net} {tap}, {steps} updates",
        {"net": setting.net, "tap": tap, "pixels": side, "images": count, "steps": steps},
        target=1.0,
    )
    row = compare(case, ours, torch_peer.why_absent() or make_peer(), pairs=setting.pairs)
    for key, way in (("images_per_second", "ours"), ("peer_images_per_second", "peer")):
        if row[way] is not None:
            row[key] = round(count * steps / UPDATES / row[way], 4)
    return row


def _make_torch_run(
    module: Any, images: np.ndarray, codes: np.ndarray, start: np.ndarray, steps: int
) -> tuple[Callable[[], np.ndarray], str]:
    """Makes torch's run, as a call, and its name."""
    import torch

    from benchmarks.peers.torch_preimage import invert

    index = np.arange(len(images)) % codes.shape[-1]
    fastest = torch_peer.find_fastest(module, images, index, compiled=False)
    form = torch_peer.format_of(fastest.form)
    first = torch_peer.to_torch(start).contiguous(memory_format=form)
    if codes.ndim == 4:
        codes = codes.transpose(0, 3, 1, 2).copy()
    targets = torch.from_numpy(codes).to(first.device)

    def run() -> np.ndarray:
        z = invert(fastest.module, targets, first, center=MEAN, fidelity=FIDELITY, steps=steps)
        return z.permute(0, 2, 3, 1).cpu().numpy()

    return run, f"{fastest.name}, the same update in one batch"
