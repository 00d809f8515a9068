"""DeepDream with GoogLeNet: ours against the same octaves and steps in torch.

Figures are seconds of a whole dream, `jaxvis.dream` as a user calls it. The outputs that
are compared come from a few steps of every octave without jitter, whose random shifts
the two programs would draw differently. The weights are random: the time does not
depend on them.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness import subjects
from benchmarks.harness.photographs import load_photograph
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.network import Network
from jaxvis.recipes.dreams import DreamRecipe
from jaxvis.types import Params

TARGET = 1.2
COMPARED = 2
"""Steps of an octave after which outputs are compared."""
FALL, IMAGE = 1e-2, 1e-3
"""Tolerances: relative, of the losses of all steps; mean difference of two pictures. A
rectifier whose input is almost 0 may flip, and each step multiplies what differs."""


class Setting(NamedTuple):
    """The size of a measurement: network, layer, pixels of a side, octaves, steps, runs."""

    net: str
    tap: str
    pixels: int
    octaves: int
    steps: int
    pairs: int


FULL = Setting("googlenet", "inception_4c/output", 512, 4, 10, 3)
QUICK = Setting("googlenet", "inception_4c/output", 256, 3, 5, 2)
SMOKE = Setting("squeezenet1_1", "fire3/concat", 48, 2, 2, 1)


def measure_dream(setting: Setting, *, compiled: bool) -> Row:
    """Measures one row: one photograph.

    Args:
      setting: the size of the measurement.
      compiled: whether torch.compile is tried.
    """
    side, tap = setting.pixels, setting.tap
    net, params = subjects.make_network(setting.net, side, stop=tap)
    image = load_photograph("astronaut", side)
    recipe = DreamRecipe(octaves=setting.octaves, steps=setting.steps)
    case = Case(
        "dream",
        f"{setting.net} {tap}, {side} px, {setting.octaves} octaves of {setting.steps} steps",
        {**setting._asdict(), "weights": "random"},
        target=TARGET if setting is FULL else None,
    )
    ours = partial(jaxvis.dream, net, params, image, tap=tap, recipe=recipe)

    def make_peer() -> Peer:
        return _make_peer(net, params, image, tap, recipe, compiled)

    return compare(
        case, ours, torch_peer.why_absent() or make_peer(), pairs=setting.pairs, warmups=1
    )


def _make_peer(
    net: Network,
    params: Params,
    image: np.ndarray,
    tap: str,
    recipe: DreamRecipe,
    compiled: bool,
) -> Peer:
    """Makes torch's dream, in its fastest configuration, and compares it with ours."""
    from benchmarks.peers.torch_dream import dream

    side = len(image)
    module = torch_peer.make_module(net, params, tap, side)
    fastest = torch_peer.find_fastest(
        module, image[None], subjects.number_classes(1), compiled=compiled
    )
    factors = [recipe.octave_scale**k for k in reversed(range(recipe.octaves))]
    theirs = partial(
        dream,
        fastest.module,
        torch_peer.to_torch(image[None]),
        [(round(side / factor),) * 2 for factor in factors],
        rate=recipe.step_size / 255,
        form=torch_peer.format_of(fastest.form),
    )
    still = DreamRecipe(octaves=recipe.octaves, steps=COMPARED, jitter=0)
    run = jaxvis.dream(net, params, image, tap=tap, recipe=still)
    found = theirs(steps=COMPARED, jitter=0)
    verdict = judge(
        loss=(relative_difference(run.trace["loss"][0], found.losses), FALL),
        image=(float(np.mean(np.abs(run.image[0] - found.image))), IMAGE),
    )
    again = partial(theirs, steps=recipe.steps, jitter=recipe.jitter)
    return Peer(fastest.name, again, verdict, {"peer_tried_ms": fastest.tried})


def measure(quick: bool) -> list[Row]:
    """Measures a photograph of 512 pixels, four octaves of ten steps.

    Args:
      quick: 256 pixels, three octaves of five steps, torch.compile not tried.
    """
    return [measure_dream(QUICK if quick else FULL, compiled=not quick)]


def measure_smoke() -> list[Row]:
    """Measures the smallest size: SqueezeNet, 48 pixels, two octaves of two steps."""
    return [measure_dream(SMOKE, compiled=False)]
