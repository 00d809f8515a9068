"""Natural pre-images: our solver against torch's same updates, both in batches."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge
from benchmarks.peers import torch_peer
from jaxvis.images import MEAN
from jaxvis.loss.objectives import Match
from jaxvis.nets.table.geometry import stride_of
from jaxvis.optimize import Problem, solve
from jaxvis.recipes.natural import Natural, natural_stages

FIDELITY = 100.0
COMPARED, DIFFERENCE = 3, 2e-3
"""Updates after which images are compared, and the norm of their difference that is allowed,
of the norm of torch's. Where two values of a pooling window are nearly equal, rounding says
which one counts; later updates divide by the gradient's magnitude, and spread what differs."""
TARGET = 1.1
"""How often as fast as torch the updates are to be."""
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
    count: int = 8
    side: int = 128
    steps: int = 10
    pairs: int = 3


LAYERS = (
    ("squeezenet1_1", "fire2/concat"),
    ("vgg19", "relu3_1"),
    ("googlenet", "inception_3b/output"),
)
"""Networks, and layers a quarter to an eighth as large as the image."""


def measure_layer(setting: Setting) -> Row:
    """Measures one row: seconds of the updates of a batch, ours and torch's.

    Args:
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
    few = replace(problem, steps=min(COMPARED, steps))
    start = np.asarray(jax.vmap(problem.canvas.init)(jax.random.split(jax.random.key(0), count)))

    def ours(problem: Problem = problem) -> np.ndarray:
        return solve(problem, params, items, jax.random.key(0), start=start).z

    def make_peer() -> Peer:
        module = torch_peer.make_module(net, params, tap, side)
        run, label = _make_torch_run(module, images, np.asarray(codes), start)
        found, wanted = ours(few), run(few.steps)
        apart = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        return Peer(label, partial(run, steps), judge(image=(apart, DIFFERENCE)))

    case = Case(
        "preimages",
        f"{count} images of {side} px at {setting.net} {tap}, {steps} updates",
        {"net": setting.net, "tap": tap, "pixels": side, "images": count, "steps": steps},
        target=TARGET,
    )
    row = compare(case, ours, torch_peer.why_absent() or make_peer(), pairs=setting.pairs)
    for key, way in (("images_per_second", "ours"), ("peer_images_per_second", "peer")):
        if row[way] is not None:
            row[key] = round(count * steps / UPDATES / row[way], 4)
    return row


def _make_torch_run(
    module: Any, images: np.ndarray, codes: np.ndarray, start: np.ndarray
) -> tuple[Callable[[int], np.ndarray], str]:
    """Makes torch's run, as a call with how many updates, and its name."""
    import torch

    from benchmarks.peers.torch_preimage import invert

    index = np.arange(len(images)) % codes.shape[-1]
    fastest = torch_peer.find_fastest(module, images, index, compiled=False)
    form = torch_peer.format_of(fastest.form)
    first = torch_peer.to_torch(start).contiguous(memory_format=form)
    if codes.ndim == 4:
        codes = codes.transpose(0, 3, 1, 2).copy()
    targets = torch.from_numpy(codes).to(first.device)

    def run(steps: int) -> np.ndarray:
        z = invert(fastest.module, targets, first, center=MEAN, fidelity=FIDELITY, steps=steps)
        return z.permute(0, 2, 3, 1).cpu().numpy()

    return run, f"{fastest.name}, the same update in one batch"


def measure(quick: bool) -> list[Row]:
    """Measures eight images of 128 pixels at a layer of three networks, 10 updates.

    Args:
      quick: fewer runs.
    """
    return [measure_layer(Setting(*layer, pairs=3 if quick else 9)) for layer in LAYERS]


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: two images of 48 pixels, one update."""
    return [measure_layer(Setting(*LAYERS[0], count=2, side=48, steps=1, pairs=1))]
