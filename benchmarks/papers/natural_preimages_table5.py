"""Table 5 of the natural pre-images paper: every layer of a network, every C, inverted.

Errors |Phi - Phi0| / |Phi0| of the last iterate, in percent, mean over photographs. The
paper has AlexNet on 100 photographs of ImageNet; here are networks whose weights can be
had, each layer beside the AlexNet layer of like depth and kind. At one layer of each
depth there are more arms: Adam and L-BFGS with as many gradients, no regulariser, the
spread over seeds. The last row is speed: images a second against torch's same update in
batches.
"""

from typing import Any, NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness.rows import Row
from benchmarks.papers.preimages import (
    LEVELS,
    adam,
    errors_row,
    intersection,
    markdown,
    network,
    photographs,
    quasi_newton,
    write,
)
from benchmarks.speed import preimage_speed
from jaxvis.network import Network
from jaxvis.recipes.natural import Natural, bare
from jaxvis.types import Params, Run

NAME = "natural_preimages_table5"
SOURCE = "Mahendran & Vedaldi 2016, Table 5, AlexNet"
ALEXNET = (
    "conv1",
    "relu1",
    "norm1",
    "pool1",
    "conv2",
    "relu2",
    "norm2",
    "pool2",
    "conv3",
    "relu3",
    "conv4",
    "relu4",
    "conv5",
    "relu5",
    "pool5",
    "fc6",
    "relu6",
    "fc7",
    "relu7",
    "fc8",
)
PAPER = {
    1: (
        69.5,
        69.0,
        61.4,
        59.2,
        57.0,
        52.0,
        50.4,
        45.6,
        37.3,
        39.1,
        32.2,
        34.5,
        24.9,
        29.0,
        26.4,
        19.0,
        24.6,
        18.5,
        21.4,
        13.6,
    ),
    20: (
        35.3,
        34.9,
        32.6,
        28.5,
        22.7,
        23.0,
        23.3,
        20.4,
        16.5,
        17.5,
        15.0,
        16.6,
        12.1,
        17.3,
        16.3,
        12.4,
        19.4,
        15.1,
        17.0,
        11.3,
    ),
    100: (
        21.1,
        20.9,
        19.9,
        18.6,
        13.2,
        14.4,
        14.9,
        13.0,
        11.3,
        12.9,
        11.6,
        13.7,
        9.6,
        16.6,
        16.3,
        11.3,
        19.7,
        13.7,
        15.6,
        9.6,
    ),
    300: (
        14.2,
        14.1,
        13.6,
        14.5,
        9.6,
        11.1,
        11.6,
        10.6,
        9.9,
        12.0,
        11.0,
        13.4,
        9.0,
        17.3,
        17.5,
        11.2,
        20.2,
        12.9,
        14.9,
        9.0,
    ),
}
"""C -> mean error in percent of every layer of AlexNet."""
SPREAD = {
    1: (
        10.3,
        10.6,
        8.1,
        7.7,
        8.5,
        6.8,
        6.4,
        5.7,
        4.9,
        5.2,
        4.3,
        4.6,
        3.5,
        4.2,
        4.0,
        2.5,
        4.0,
        3.5,
        3.9,
        2.9,
    ),
    20: (
        7.6,
        7.9,
        6.1,
        4.9,
        4.3,
        4.7,
        4.9,
        4.0,
        3.1,
        3.3,
        2.5,
        2.8,
        1.8,
        3.1,
        3.4,
        1.8,
        4.2,
        3.0,
        3.0,
        2.4,
    ),
    100: (
        5.9,
        6.2,
        5.0,
        3.6,
        3.0,
        3.9,
        4.2,
        3.4,
        2.7,
        3.3,
        2.7,
        3.5,
        1.9,
        4.1,
        4.5,
        1.9,
        5.3,
        2.6,
        3.3,
        2.1,
    ),
    300: (
        5.0,
        5.3,
        4.5,
        2.9,
        2.5,
        3.5,
        3.8,
        3.4,
        2.9,
        4.0,
        3.4,
        4.4,
        2.1,
        5.2,
        5.6,
        2.1,
        6.1,
        2.6,
        3.5,
        2.0,
    ),
}
"""C -> standard deviation over the photographs."""
LIKE: dict[str, dict[str, str]] = {
    "squeezenet1_1": {
        "conv1": "conv1",
        "relu_conv1": "relu1",
        "pool1": "pool1",
        "fire2/concat": "relu2",
        "fire3/concat": "relu2",
        "pool3": "pool2",
        "fire4/concat": "relu3",
        "fire5/concat": "relu3",
        "pool5": "relu3",
        "fire6/concat": "relu4",
        "fire7/concat": "relu4",
        "fire8/concat": "relu5",
        "fire9/concat": "relu5",
        "conv10": "conv5",
        "pool10": "fc8",
    },
    "googlenet": {
        "conv1/7x7_s2": "conv1",
        "conv1/relu_7x7": "relu1",
        "pool1/3x3_s2": "pool1",
        "pool1/norm1": "norm1",
        "conv2/relu_3x3": "relu2",
        "conv2/norm2": "norm2",
        "pool2/3x3_s2": "pool2",
        "inception_3a/output": "relu3",
        "inception_3b/output": "relu3",
        "pool3/3x3_s2": "relu3",
        "inception_4a/output": "relu4",
        "inception_4b/output": "relu4",
        "inception_4c/output": "relu4",
        "inception_4d/output": "relu4",
        "inception_4e/output": "relu5",
        "pool4/3x3_s2": "pool5",
        "inception_5a/output": "relu5",
        "inception_5b/output": "relu5",
        "pool5/7x7_s1": "relu7",
        "loss3/classifier": "fc8",
    },
    "vgg19": {
        **{
            f"{op}{block}_{i}": f"{op}{block}"
            for block, last in ((1, 2), (2, 2), (3, 4), (4, 4), (5, 4))
            for i in range(1, last + 1)
            for op in ("conv", "relu")
        },
        "pool1": "pool1",
        "pool2": "pool2",
        "pool3": "relu3",
        "pool4": "relu4",
        "pool5": "pool5",
        "fc6": "fc6",
        "relu6": "relu6",
        "fc7": "fc7",
        "relu7": "relu7",
        "fc8": "fc8",
    },
}
"""Network -> its layer -> the layer of AlexNet that is compared with it."""


class Setting(NamedTuple):
    """How much is computed.

    Attributes:
      nets: network -> its layers; all that are compared where there are none.
      count, side: photographs, and pixels of a side.
      steps, second: of the two stages.
      levels: C.
      arms: layers that get the further arms, of each network.
      drawn: whether weights are random.
    """

    nets: dict[str, tuple[str, ...]]
    count: int = 60
    side: int = 224
    steps: int = 300
    second: int = 50
    levels: tuple[float, ...] = LEVELS
    arms: tuple[str, ...] = ()
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
FULL = Setting({"squeezenet1_1": (), "googlenet": (), "vgg19": ()}, arms=DEPTHS)
QUICK = Setting({"squeezenet1_1": ("fire2/concat", "fire9/concat")}, 2, 96, 100, 20, (1.0, 300.0))
SMOKE = Setting({"squeezenet1_1": ("relu_conv1",)}, 1, 64, 3, 0, (1.0,), drawn=True)


def measured(setting: Setting) -> list[Row]:
    """Returns the rows, and writes the table.

    Args:
      setting: how much.
    """
    out: list[Row] = []
    for name, layers in setting.nets.items():
        net, params, weights = network(name, setting.side, drawn=setting.drawn)
        images, whose = photographs(setting.count, setting.side)
        whose = f"{whose}, {weights}"
        for tap in layers or tuple(LIKE[name]):
            out += _cells(net, params, images, tap, setting, whose)
            write("table5.md", table(out))
    first, layers = next(iter(setting.nets.items()))
    speed = {"count": min(setting.count, 8), "side": setting.side}
    if setting.count <= 2:
        speed |= {"steps": 3, "pairs": 1 if setting.steps < 10 else 3}
    tap = layers[0] if layers else "fire2/concat"
    return [*out, preimage_speed.measured(NAME, first, tap, **speed)]


def _cells(
    net: Network,
    params: Params,
    images: np.ndarray,
    tap: str,
    setting: Setting,
    whose: str,
) -> list[Row]:
    """Returns the rows of one layer: every C, and the further arms where asked for."""
    code = Natural(second=setting.second)
    run = jaxvis.invert(
        net,
        params,
        images,
        tap=tap,
        natural=code,
        fidelity=list(setting.levels),
        steps=setting.steps,
    )
    sizes = {
        "net": net.name,
        "tap": tap,
        "photographs": len(images),
        "pixels": setting.side,
        "steps": setting.steps,
        "second": setting.second,
    }
    out = [
        _row(net, params, images, tap, f"C = {level:g}", level, run, at, sizes, whose)
        for at, level in enumerate(setting.levels)
    ]
    if tap not in setting.arms:
        return out
    level, total = setting.levels[-1], setting.steps + setting.second
    arms: dict[str, dict[str, Any]] = {
        "Adam": {"optimizer": adam(total), "steps": total},
        "L-BFGS": {**quasi_newton(code), "steps": total},
        "no regulariser": {"natural": bare(code), "steps": setting.steps},
    }
    for words, options in arms.items():
        given = {"natural": code, **options}
        run = jaxvis.invert(net, params, images, tap=tap, fidelity=[level], **given)
        words = f"C = {level:g}, {words}"
        out.append(_row(net, params, images, tap, words, level, run, 0, sizes, whose))
    run = jaxvis.invert(
        net,
        params,
        images[0],
        tap=tap,
        natural=code,
        seeds=4,
        steps=setting.steps,
        fidelity=level,
    )
    out[-1]["seeds_std"] = round(float(np.std(255 * run.image, axis=0).mean()), 2)
    return out


def _row(
    net: Network,
    params: Params,
    images: np.ndarray,
    tap: str,
    words: str,
    level: float,
    run: Run,
    at: int,
    sizes: dict,
    whose: str,
) -> Row:
    """Returns the row of one cell, with the further measures."""
    like = LIKE[net.name].get(tap)
    known = like is not None and level in PAPER
    where = ALEXNET.index(like) if known else 0
    pictures = run.image[:, at, 0]
    same = _kept(net, params, images, pictures)
    alike = [intersection(a, b) for a, b in zip(images, pictures)]
    row = errors_row(
        NAME,
        f"{net.name} {tap}, {words}",
        run.trace["code_error"][:, at],
        paper=(PAPER[level][where], SPREAD[level][where]) if known else None,
        source=f"{SOURCE} {like}",
        sizes=sizes,
        whose=whose,
        like=like,
        C=level,
        shown=round(100 * float(run.trace["error"][:, at].mean()), 2),
        top1=same,
        directions=round(float(np.mean(alike)), 4),
    )
    print(row["case"], row["mean"], "+-", row["std"], "paper", row["paper"], flush=True)
    return row


def _kept(net: Network, params: Params, images: np.ndarray, pictures: np.ndarray) -> float | None:
    """Returns how many reconstructions are of the photograph's class to the net, of 1.

    None where the fully connected layers want images of another size.
    """
    try:
        best = [
            [int(np.argmax(net.code(params, x, net.scores))) for x in stack]
            for stack in (images, pictures)
        ]
    except ValueError:
        return None
    return round(float(np.mean(np.equal(*best))), 4)


def table(rows: list[Row]) -> str:
    """Returns the rows as a table in Markdown.

    Args:
      rows: of this benchmark, without speed.
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
            row["case"],
            str(row["sizes"]["photographs"]),
            f"{row['mean']:.1f} +- {row['std']:.1f}",
            "-" if row["paper"] is None else "{} +- {}".format(*row["paper"]),
            row["like"] or "-",
            "-" if row["top1"] is None else f"{100 * row['top1']:.0f} %",
            f"{row['directions']:.3f}",
        )
        for row in rows
    ]
    return markdown(f"Table 5: {rows[0]['whose']}.", head, lines)


def rows(quick: bool) -> list[Row]:
    """Returns the rows: three networks, every layer, four C, 60 photographs.

    Args:
      quick: two layers of SqueezeNet, two photographs of 96 pixels, 120 steps.
    """
    return measured(QUICK if quick else FULL)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: one layer, one photograph, 4 steps."""
    return measured(SMOKE)
