"""Figures 2, 3 and 5 to 15 of the natural pre-images paper, drawn as mosaics.

The networks are those whose weights can be had: SqueezeNet and GoogLeNet instead of
AlexNet and VGG-M, VGG-19 instead of VGG-VD-16. The photographs are of the same kinds: a
fox, a flamingo, a monkey, an abstract pattern. A row tells the mosaic's file and what
can be counted: the errors of inversions in percent, the data terms of the others.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.papers import preimage_figures as draw
from benchmarks.papers.preimage_figures import GOOGLE, SQUEEZE, VGG, Mosaic, Setting
from benchmarks.papers.preimages import FOLDER, describe_photographs
from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet

NAME = "natural_preimages_figures"
FULL = Setting(
    side=224,
    steps=300,
    second=50,
    layers={
        SQUEEZE: (
            "relu_conv1",
            "pool1",
            "fire2/concat",
            "fire3/concat",
            "fire4/concat",
            "fire5/concat",
            "fire6/concat",
            "fire7/concat",
            "fire8/concat",
            "fire9/concat",
            "conv10",
            "pool10",
        ),
        GOOGLE: (
            "conv1/relu_7x7",
            "conv2/relu_3x3",
            "inception_3b/output",
            "inception_4a/output",
            "inception_4c/output",
            "inception_4e/output",
            "inception_5b/output",
            "loss3/classifier",
        ),
        VGG: (
            "conv1_2",
            "conv2_2",
            "conv3_4",
            "conv4_1",
            "conv4_4",
            "conv5_2",
            "conv5_4",
            "fc6",
            "fc7",
            "fc8",
        ),
    },
    middle=(GOOGLE, "inception_3b/output"),
    classes=7,
    filters=25,
)
QUICK = Setting(
    side=64,
    steps=30,
    second=5,
    layers={SQUEEZE: ("fire2/concat", "fire9/concat")},
    middle=(SQUEEZE, "fire5/concat"),
    classes=1,
    filters=2,
    figures=(2, 5, 9, 14),
)
SMOKE = Setting(
    side=48,
    steps=2,
    second=0,
    layers={SQUEEZE: ("pool1",)},
    middle=(SQUEEZE, "pool1"),
    classes=1,
    filters=1,
    figures=(9,),
    drawn=True,
)


FIGURES: dict[int, tuple[str, Callable[[Setting], Mosaic]]] = {
    2: ("strength C and exponent beta", draw.draw_levels),
    3: ("jitter and beta", draw.draw_jitter),
    5: ("SqueezeNet's layers", partial(draw.draw_layers, SQUEEZE)),
    6: ("GoogLeNet's layers", partial(draw.draw_layers, GOOGLE)),
    7: ("VGG-19's layers", partial(draw.draw_layers, VGG)),
    8: ("four seeds", draw.draw_seeds),
    9: ("central 5x5 window", partial(draw.draw_parts, "window")),
    10: ("groups of channels", partial(draw.draw_parts, "groups")),
    11: ("filters of GoogLeNet", partial(draw.draw_filters, GOOGLE)),
    12: ("filters of VGG-19", partial(draw.draw_filters, VGG)),
    13: ("classes", draw.draw_classes),
    14: ("caricatures of a fox", partial(draw.draw_caricatures, "fox")),
    15: ("caricatures of a pattern", partial(draw.draw_caricatures, "pattern")),
}
"""Number in the paper -> what it shows, and what draws it."""
ERRORS = (2, 5, 6, 7, 8, 9, 10)
"""Figures whose rows are errors in percent."""


def measure_figures(setting: Setting) -> list[Row]:
    """Draws the mosaics into files; returns one row for each figure.

    Args:
      setting: the size of the measurement.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    return [_measure_figure(number, setting) for number in setting.figures]


def _measure_figure(number: int, setting: Setting) -> Row:
    words, draw_figure = FIGURES[number]
    mosaic = draw_figure(setting)
    page = contact_sheet(mosaic.pictures, captions=mosaic.captions, columns=mosaic.columns)
    path, whose = FOLDER / f"figure{number:02d}.png", describe_photographs()
    write_image(path, page)
    print(f"figure {number}: {path} ({whose})", flush=True)
    case = Case(
        NAME,
        f"figure {number}: {words}",
        {"pixels": setting.side, "steps": setting.steps},
        unit="%" if number in ERRORS else "(data term)",
    )
    weights = "random" if setting.drawn else "trained"
    return make_row(
        case,
        ours=np.asarray(mosaic.values),
        peer_name="Mahendran & Vedaldi 2016: look",
        file=str(path),
        pictures=len(mosaic.pictures),
        whose=f"{whose}, {weights} weights",
    )


def measure(quick: bool) -> list[Row]:
    """Measures every figure, at 224 pixels.

    Args:
      quick: four figures of SqueezeNet at 64 pixels, 30 updates.
    """
    return measure_figures(QUICK if quick else FULL)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: figure 9 of one layer, 2 updates."""
    return measure_figures(SMOKE)
