"""The style of a picture with VGG-19: Gatys' objective, ours against torch.

Content relu4_2, styles relu1_1 ... relu5_1 with Gatys' weights, average pooling, from the
content. Both sides have the same weights of the layers and take the same steps: Adam in
[0, 1], and L-BFGS without bounds with as many pairs in memory. Figures are seconds of a
whole call, targets included, and the loss that L-BFGS reached (torch's is the least that
it evaluated). Compared are all losses and the pictures of Adam, which takes the same steps
on both sides, and the first loss of L-BFGS, whose line searches differ. Weights are the
trained ones where they are in the cache, else random: the time does not depend on them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxvis
from benchmarks.harness import subjects
from benchmarks.harness.photographs import load_photograph
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import interleave
from benchmarks.harness.verdicts import Verdict, judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.loss.matching.statistics import GramMatch
from jaxvis.loss.matching.transfer import StyleRecipe, build_transfer
from jaxvis.methods.style.pixel_optimizers import LEARNING_RATE, MEMORY
from jaxvis.nets import build, random_params
from jaxvis.network import Network
from jaxvis.optimize import lbfgs
from jaxvis.recipes.styles import STYLES
from jaxvis.types import Params

TARGET = 1.2
OPTIMIZERS = {"adam": "adam", "lbfgs": lbfgs(memory=MEMORY)}
"""Name -> what a recipe of ours has; this L-BFGS has no bounds, as torch's."""
LOSS, IMAGE = 1e-3, 1e-3
"""Tolerances: relative, of losses; mean difference of two pictures."""


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      pixels: of a side of both pictures.
      steps: updates, or evaluations of L-BFGS.
      pairs: interleaved runs.
      tried: pixels of a side at which torch's fastest configuration is looked for.
      content, styles: the layers.
    """

    pixels: int
    steps: int
    pairs: int
    tried: int
    content: tuple[str, ...] = STYLES["gatys"].content_taps
    styles: tuple[str, ...] = STYLES["gatys"].style_taps


FULL = Setting(512, 10, 3, 512)
QUICK = Setting(512, 3, 1, 128)
SMOKE = Setting(32, 3, 1, 32, ("relu2_2",), ("relu1_1", "relu2_1"))


class Problem(NamedTuple):
    """What both sides paint.

    Attributes:
      net, params: the network.
      content, style: `[H, W, 3]` in [0, 1].
      setting: the size of the measurement.
    """

    net: Network
    params: Params
    content: np.ndarray
    style: np.ndarray
    setting: Setting

    def recipe(self, optimizer: str) -> StyleRecipe:
        """Gives our recipe for one of `OPTIMIZERS`."""
        return replace(
            STYLES["gatys"],
            content_taps=self.setting.content,
            style_taps=self.setting.styles,
            optimizer=OPTIMIZERS[optimizer],
            steps=self.setting.steps,
        )


def load_problem(setting: Setting) -> tuple[Problem, str]:
    """Loads VGG-19 and two photographs; tells whose the weights are.

    Args:
      setting: the size of the measurement.
    """
    side, last = setting.pixels, max((*setting.content, *setting.styles))
    size = (side, side)
    net = build("vgg19", pool="avg", input_size=size)
    params, whose = None, "random"
    try:
        params = jaxvis.load("vgg19", pool="avg", input_size=size, stop=last)[1]
        whose = "trained"
    except FileNotFoundError:
        params = random_params(net, jax.random.key(0), preprocess="imagenet", stop=last)
    pictures = (load_photograph(name, side) for name in ("astronaut", "brick"))
    return Problem(net, params, *pictures, setting), whose


def measure_style(setting: Setting, *, compiled: bool) -> list[Row]:
    """Measures Adam's row, and two rows of L-BFGS.

    Args:
      setting: the size of the measurement.
      compiled: whether torch.compile is tried.
    """
    problem, whose = load_problem(setting)
    peer = None
    if torch_peer.why_absent() is None:
        peer = _find_peer(problem, compiled)
    sizes = {**setting._asdict(), "net": "vgg19", "weights": whose}
    return [row for name in OPTIMIZERS for row in _measure_optimizer(problem, peer, name, sizes)]


def _find_peer(problem: Problem, compiled: bool) -> tuple:
    """Finds torch's fastest configuration; returns it and its module."""
    side, last = problem.setting.tried, max((*problem.setting.content, *problem.setting.styles))
    module = torch_peer.make_module(problem.net, problem.params, last, problem.setting.pixels)
    images = load_photograph("astronaut", side)[None]
    index = subjects.number_classes(1)
    return torch_peer.find_fastest(module, images, index, compiled=compiled), module


def _measure_optimizer(
    problem: Problem, peer: tuple | None, optimizer: str, sizes: dict[str, Any]
) -> list[Row]:
    """Measures the rows of one optimizer."""
    setting, last = problem.setting, {}

    def ours() -> None:
        net, params, content, style, _ = problem
        run = jaxvis.style(net, params, content, style, recipe=problem.recipe(optimizer))
        last["ours"] = (run.trace["loss"][0], run.image[0])

    ways: dict[str, Callable[[], None]] = {"ours": ours}
    if peer is not None:
        paint = _make_painter(problem, peer, optimizer)

        def theirs() -> None:
            last["peer"] = tuple(paint())

        ways["peer"] = theirs
    times = interleave(ways, setting.pairs, again=False)
    words = f"vgg19, {setting.pixels} px, {optimizer}, {setting.steps} steps"
    target = TARGET if setting.pixels == FULL.pixels else None
    case = Case("style", words, sizes, target=target)
    name = torch_peer.why_absent()
    verdict = None
    if peer is not None:
        name = f"{peer[0].name}, {optimizer}"
        verdict = _judge(last["ours"], last["peer"], optimizer)
    facts = {"peer": times.get("peer"), "peer_name": name, "verdict": verdict}
    rows = [make_row(case, ours=times["ours"], **facts, **times.describe())]
    if optimizer == "lbfgs":
        least = {way: np.array([np.min(losses)]) for way, (losses, _) in last.items()}
        facts["peer"] = least.get("peer")
        case = case._replace(words=f"{words}: loss", unit="(weighted)", target=None)
        rows.append(make_row(case, ours=least["ours"], **facts))
    return rows


def _make_painter(problem: Problem, peer: tuple, optimizer: str) -> Callable[[], tuple]:
    """Makes torch's whole program: targets, steps, picture."""
    from benchmarks.peers.torch_style import Style

    net, params, content, style, setting = problem
    found = build_transfer(
        net,
        params,
        problem.recipe(optimizer),
        content,
        [style],
        (setting.pixels, setting.pixels),
        mix=(1.0,),
    )
    weights: dict[str, dict[str, float]] = {"content": {}, "style": {}}
    for part, factor in zip(found.parts, found.weights):
        kind = "style" if isinstance(part, GramMatch) else "content"
        weights[kind][part.tap] = float(part.weight) * float(factor)
    ways = {
        "adam": partial(Style.paint_by_adam, steps=setting.steps, rate=LEARNING_RATE),
        "lbfgs": partial(Style.paint_by_lbfgs, steps=setting.steps, memory=MEMORY),
    }

    def paint() -> tuple:
        painter = Style(
            *peer,
            content,
            style,
            content_weights=weights["content"],
            style_weights=weights["style"],
        )
        try:
            return ways[optimizer](painter, content)
        finally:
            painter.close()

    return paint


def _judge(ours: tuple, theirs: tuple, optimizer: str) -> Verdict:
    """Gives the verdict on (losses `[steps]`, picture) of both."""
    if optimizer == "lbfgs":
        return judge(first_loss=(relative_difference(ours[0][:1], theirs[0][:1]), LOSS))
    return judge(
        loss=(relative_difference(ours[0], theirs[0]), LOSS),
        image=(float(np.mean(np.abs(ours[1] - theirs[1]))), IMAGE),
    )


def measure(quick: bool) -> list[Row]:
    """Measures ten steps of a photograph of 512 pixels.

    Args:
      quick: three steps, torch.compile not tried.
    """
    return measure_style(QUICK if quick else FULL, compiled=not quick)


def measure_smoke() -> list[Row]:
    """Measures the smallest size: 32 pixels, three layers, three steps."""
    return measure_style(SMOKE, compiled=False)
