"""Table 4 of the natural pre-images paper: HOG, HOGb and dense SIFT, inverted.

The errors |Phi - Phi0| / |Phi0| of the last iterate, in percent, mean over photographs,
beside the paper's means over 100 others. The paper's HOG figure is of 32-channel HOG
with texture channels, and HOGgle (60.1 +- 11.6 %) needs a dictionary that is not to be
had: both are quoted. Further rows of each show what Adam (with a falling rate) and
L-BFGS (without jitter or wall) reach with the same number of gradients.
"""

from typing import Any, NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness.rows import Row
from benchmarks.papers.preimages import (
    adam,
    errors_row,
    intersection,
    markdown,
    photographs,
    quasi_newton,
    write,
)
from jaxvis.recipes.natural import Natural, bare

NAME = "natural_preimages_table4"
PAPER = {"hog": (36.6, 17.3), "hogb": (11.5, 4.8), "dsift": (9.4, 8.6)}
"""Mean and standard deviation in percent, Table 4."""
SOURCE = "Mahendran & Vedaldi 2016, Table 4"
CODE = Natural(second=0)
"""One stage, as the authors' code has it for HOG and dense SIFT."""


class Setting(NamedTuple):
    """How much is computed.

    Attributes:
      count, side: photographs, and pixels of a side.
      steps: updates.
      few: about as many photographs have the arms beyond the paper's; 0 has none.
      levels: C beyond 100, for a few.
    """

    count: int
    side: int
    steps: int
    few: int = 0
    levels: tuple[float, ...] = ()


FULL = Setting(60, 256, 300, 12, (1.0, 20.0, 300.0))
QUICK = Setting(2, 64, 100)
SMOKE = Setting(1, 48, 4)


def measured(setting: Setting) -> list[Row]:
    """Returns the rows, and writes the table.

    Args:
      setting: how much.
    """
    images, whose = photographs(setting.count, setting.side)
    arms: list[tuple[str, np.ndarray, dict[str, Any]]] = [("", images, {})]
    if setting.few:
        few = images[:: max(len(images) // setting.few, 1)]
        arms += [("", few, {"fidelity": level}) for level in setting.levels]
        arms.append((", Adam", few, {"optimizer": adam(setting.steps)}))
        arms.append((", L-BFGS", few, quasi_newton(CODE)))
        arms.append((", no regulariser", few, {"natural": bare(CODE)}))
    out: list[Row] = []
    for words, chosen, options in arms:
        for name in PAPER:
            out.append(_cell(name, words, chosen, setting, whose, options))
            write("table4.md", _table(out, whose))
    return out


def _cell(
    name: str,
    words: str,
    images: np.ndarray,
    setting: Setting,
    whose: str,
    options: dict[str, Any],
) -> Row:
    """Returns the row of one arm of one descriptor."""
    net, params = jaxvis.load(name, input_size=(setting.side, setting.side))
    given = {"natural": CODE, "fidelity": 100.0, **options}
    run = jaxvis.invert(net, params, images, tap=net.taps[-1], steps=setting.steps, **given)
    level = given["fidelity"]
    sizes = {
        "net": name,
        "photographs": len(images),
        "pixels": setting.side,
        "steps": setting.steps,
        "C": level,
    }
    alike = [intersection(x, y) for x, y in zip(run.image[:, 0], images)]
    found = errors_row(
        NAME,
        f"{name}, C = {level:g}{words}",
        run.trace["code_error"],
        paper=PAPER[name] if level == 100 else None,
        source=SOURCE,
        sizes=sizes,
        whose=whose,
        directions=round(float(np.mean(alike)), 4),
    )
    print(found["case"], found["mean"], "+-", found["std"], flush=True)
    return found


def _table(rows: list[Row], whose: str) -> str:
    head = ("arm", "photographs", "error %", "paper %", "gradient directions alike")
    lines = [
        (
            found["case"],
            str(found["sizes"]["photographs"]),
            f"{found['mean']:.1f} +- {found['std']:.1f}",
            "-" if found["paper"] is None else "{} +- {}".format(*found["paper"]),
            f"{found['directions']:.3f}",
        )
        for found in rows
    ]
    return markdown(f"Table 4: {whose}; the paper's are 100 others.", head, lines)


def rows(quick: bool) -> list[Row]:
    """Returns the rows: 60 photographs of 256 pixels, and cells beyond C = 100.

    Args:
      quick: two photographs of 64 pixels, 100 updates, C = 100 alone.
    """
    return measured(QUICK if quick else FULL)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: one photograph of 48 pixels, 4 steps."""
    return measured(SMOKE)
