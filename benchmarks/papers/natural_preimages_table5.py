"""Table 5 of the natural pre-images paper: inversions of every layer, with every C.

The rows give the error |Phi - Phi0| / |Phi0| of the last iterate in percent, the mean
over photographs. The paper has AlexNet on 100 photographs of ImageNet. Here are networks
whose weights can be had, each layer beside the AlexNet layer of like depth and kind. At
one layer of each depth there are more rows: Adam and L-BFGS with as many gradients, no
regulariser, the spread over seeds. Speed is a benchmark of its own (`preimages`).
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness.rows import Case, Row
from benchmarks.papers import preimages
from benchmarks.papers.alexnet_layers import ERRORS, LEVELS, LIKE, SOURCE
from jaxvis.network import Network
from jaxvis.recipes.natural import Natural, with_lbfgs, without_priors
from jaxvis.types import Params, Run

NAME = "natural_preimages_table5"


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      nets: network -> its layers; all that are compared where there are none.
      count, side: photographs, and pixels of a side.
      steps, second: of the two stages.
      levels: C.
      further: layers that get the further rows, of each network.
      drawn: whether weights are random.
    """

    nets: dict[str, tuple[str, ...]]
    count: int = 60
    side: int = 224
    steps: int = 300
    second: int = 50
    levels: tuple[float, ...] = LEVELS
    further: tuple[str, ...] = ()
    drawn: bool = False


DEPTHS = (
    "fire2/concat",
    "fire5/concat",
    "fire9/concat",
    "conv2/relu_3x3",
    "inception_3b/output",
    "inception_4e/output",
    "relu2_2",
    "relu3_4",
    "relu5_4",
)
FULL = Setting({"squeezenet1_1": (), "googlenet": (), "vgg19": ()}, further=DEPTHS)
QUICK = Setting({"squeezenet1_1": ("fire2/concat", "fire9/concat")}, 2, 96, 100, 20, (1.0, 300.0))
SMOKE = Setting({"squeezenet1_1": ("relu_conv1",)}, 1, 64, 3, 0, (1.0,), drawn=True)


class Subject(NamedTuple):
    """One layer that is inverted.

    Attributes:
      net, params: the network.
      tap: the layer.
      images: the photographs, `[N, side, side, 3]`.
      whose: whose photographs and weights they are, in words.
      setting: the size of the measurement.
    """

    net: Network
    params: Params
    tap: str
    images: np.ndarray
    whose: str
    setting: Setting

    @property
    def sizes(self) -> dict[str, Any]:
        """What the rows say of it."""
        return {
            "net": self.net.name,
            "tap": self.tap,
            "photographs": len(self.images),
            "pixels": self.setting.side,
            "steps": self.setting.steps,
            "second": self.setting.second,
        }

    def invert(self, images: np.ndarray, **options: Any) -> Run:
        """Inverts the codes of images."""
        return jaxvis.invert(self.net, self.params, images, tap=self.tap, **options)


def measure_table(setting: Setting) -> list[Row]:
    """Measures the rows, and writes the table.

    Args:
      setting: the size of the measurement.
    """
    out: list[Row] = []
    for name, layers in setting.nets.items():
        net, params, weights = preimages.load_network(name, setting.side, drawn=setting.drawn)
        images, whose = preimages.read_photographs(setting.count, setting.side)
        for tap in layers or tuple(LIKE[name]):
            out += _measure_layer(Subject(net, params, tap, images, f"{whose}, {weights}", setting))
            preimages.write_text("table5.md", format_table(out))
    return out


def _measure_layer(subject: Subject) -> list[Row]:
    """Measures one layer with every C, and the further rows where they are asked for."""
    setting = subject.setting
    code = Natural(second=setting.second)
    run = subject.invert(
        subject.images, recipe=code, fidelity=list(setting.levels), steps=setting.steps
    )
    out = [
        _make_row(subject, f"C = {level:g}", level, run, at)
        for at, level in enumerate(setting.levels)
    ]
    if subject.tap in setting.further:
        out += _measure_further(subject, code)
    return out


def _measure_further(subject: Subject, code: Natural) -> list[Row]:
    """Measures other optimizers, no regulariser and the spread over four seeds."""
    setting = subject.setting
    level, total = setting.levels[-1], setting.steps + setting.second
    options: dict[str, dict[str, Any]] = {
        "Adam": {"recipe": replace(code, optimizer=preimages.make_adam(total)), "steps": total},
        "L-BFGS": {"recipe": with_lbfgs(code), "steps": total},
        "no regulariser": {"recipe": without_priors(code), "steps": setting.steps},
    }
    out = []
    for words, given in options.items():
        run = subject.invert(subject.images, fidelity=[level], **{"recipe": code, **given})
        out.append(_make_row(subject, f"C = {level:g}, {words}", level, run, 0))
    run = subject.invert(
        subject.images[0], recipe=code, seeds=4, steps=setting.steps, fidelity=level
    )
    out[-1]["seeds_std"] = round(float(np.std(255 * run.image, axis=0).mean()), 2)
    return out


def _make_row(subject: Subject, words: str, level: float, run: Run, at: int) -> Row:
    """Makes the row of one cell, with the further measures."""
    net, images = subject.net, subject.images
    like = LIKE[net.name].get(subject.tap)
    pictures = run.image[:, at, 0]
    alike = [preimages.direction_overlap(a, b) for a, b in zip(images, pictures)]
    row = preimages.make_errors_row(
        Case(NAME, f"{net.name} {subject.tap}, {words}", subject.sizes),
        run.facts["code_error"][:, at],
        paper=ERRORS[like].get(level) if like else None,
        source=f"{SOURCE} {like}",
        whose=subject.whose,
        like=like,
        C=level,
        shown=round(100 * float(run.facts["error"][:, at].mean()), 2),
        top1=_share_kept(net, subject.params, images, pictures),
        directions=round(float(np.mean(alike)), 4),
    )
    print(row["case"], row["mean"], "+-", row["std"], "paper", row["paper"], flush=True)
    return row


def _share_kept(
    net: Network, params: Params, images: np.ndarray, pictures: np.ndarray
) -> float | None:
    """Computes the share of reconstructions that keep the photograph's class.

    The network itself names the class. None where its fully connected layers want
    images of another size.
    """
    try:
        best = [
            [int(np.argmax(net.code(params, x, net.scores))) for x in stack]
            for stack in (images, pictures)
        ]
    except ValueError:
        return None
    return round(float(np.mean(np.equal(*best))), 4)


def format_table(rows: list[Row]) -> str:
    """Formats the rows as a table in Markdown.

    Args:
      rows: of this benchmark.
    """
    head = (
        "cell",
        "photographs",
        "error %",
        "AlexNet's, paper %",
        "layer of AlexNet",
        "top-1 kept",
        "directions alike",
    )
    lines = [
        (
            *preimages.format_errors(row),
            row["like"] or "-",
            "-" if row["top1"] is None else f"{100 * row['top1']:.0f} %",
            f"{row['directions']:.3f}",
        )
        for row in rows
    ]
    return preimages.format_table(f"Table 5: {rows[0]['whose']}.", head, lines)


def measure(quick: bool) -> list[Row]:
    """Measures three networks, every layer, four C, 60 photographs.

    Args:
      quick: two layers of SqueezeNet, two photographs of 96 pixels, 120 steps.
    """
    return measure_table(QUICK if quick else FULL)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: one layer, one photograph, 4 steps."""
    return measure_table(SMOKE)
