"""Figures 2, 3 and 5 to 15 of the natural pre-images paper, redrawn as mosaics.

The networks are those whose weights can be had (SqueezeNet and GoogLeNet for AlexNet
and VGG-M, VGG-19 for VGG-VD-16); the photographs are of the same kinds: a fox, a
flamingo, a monkey, an abstract pattern. A row tells the mosaic's file and what can be
counted: the errors of inversions in percent, the data terms of the others.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.harness.rows import Row, row
from benchmarks.papers.preimage_figures import (
    GOOGLE,
    SQUEEZE,
    VGG,
    Drawn,
    Setting,
    caricatures,
    classes,
    filters,
    jitter,
    layers,
    levels,
    parts,
    seeds,
)
from benchmarks.papers.preimages import FOLDER, whose
from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet

NAME = "natural_preimages_figures"
FULL = Setting(
    224,
    300,
    50,
    {
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
    (GOOGLE, "inception_3b/output"),
    7,
    25,
)
QUICK = Setting(
    64,
    30,
    5,
    {SQUEEZE: ("fire2/concat", "fire9/concat")},
    (SQUEEZE, "fire5/concat"),
    1,
    2,
    (2, 5, 9, 14),
)
SMOKE = Setting(48, 2, 0, {SQUEEZE: ("pool1",)}, (SQUEEZE, "pool1"), 1, 1, (9,), drawn=True)


FIGURES: dict[int, tuple[str, Callable[[Setting], Drawn]]] = {
    2: ("strength C and exponent beta", levels),
    3: ("jitter and beta", jitter),
    5: ("SqueezeNet's layers", layers(SQUEEZE)),
    6: ("GoogLeNet's layers", layers(GOOGLE)),
    7: ("VGG-19's layers", layers(VGG)),
    8: ("four seeds", seeds),
    9: ("central 5x5 window", parts("window")),
    10: ("groups of channels", parts("groups")),
    11: ("filters of GoogLeNet", filters(GOOGLE)),
    12: ("filters of VGG-19", filters(VGG)),
    13: ("classes", classes),
    14: ("caricatures of a fox", caricatures("fox")),
    15: ("caricatures of a pattern", caricatures("pattern")),
}
"""Number in the paper -> what it shows, and what draws it."""


def measured(setting: Setting) -> list[Row]:
    """Returns a row a figure, and writes the mosaics.

    Args:
      setting: how much.
    """
    out, weights = [], "random" if setting.drawn else "trained"
    for number in setting.chosen:
        words, draw = FIGURES[number]
        drawn = draw(setting)
        page = contact_sheet(drawn.pictures, captions=drawn.captions, columns=drawn.columns)
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"figure{number:02d}.png"
        write_image(path, page)
        counted = "%" if number in (2, 5, 6, 7, 8, 9, 10) else "(data term)"
        out.append(
            row(
                NAME,
                f"figure {number}: {words}",
                ours=np.asarray(drawn.values),
                peer=None,
                peer_name="Mahendran & Vedaldi 2016: look",
                verdict=None,
                sizes={"pixels": setting.side, "steps": setting.steps},
                unit=counted,
                file=str(path),
                pictures=len(drawn.pictures),
                whose=f"{whose()}, {weights} weights",
            )
        )
        print(f"figure {number}: {path} ({whose()})", flush=True)
    return out


def rows(quick: bool) -> list[Row]:
    """Returns the rows: every figure, at 224 pixels.

    Args:
      quick: four figures of SqueezeNet at 64 pixels, 30 updates.
    """
    return measured(QUICK if quick else FULL)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: figure 9 of one layer, 2 updates."""
    return measured(SMOKE)
