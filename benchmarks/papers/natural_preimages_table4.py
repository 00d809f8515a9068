"""Table 4 of the natural pre-images paper: inversions of HOG, HOGb and dense SIFT.

The rows give the error |Phi - Phi0| / |Phi0| of the last iterate in percent, the mean
over photographs, beside the paper's mean over 100 others. The paper's HOG figure is of
32-channel HOG with texture channels. HOGgle (60.1 +- 11.6 % in the paper) needs a
dictionary that is not available. Further rows show what Adam (with a falling rate) and
L-BFGS (without jitter and projection) reach with the same number of gradients.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness.rows import Case, Row
from benchmarks.papers import preimages
from jaxvis.recipes.natural import Natural, with_lbfgs, without_priors

NAME = "natural_preimages_table4"
PAPER = {"hog": (36.6, 17.3), "hogb": (11.5, 4.8), "dsift": (9.4, 8.6)}
"""Mean and standard deviation in percent, Table 4."""
SOURCE = "Mahendran & Vedaldi 2016, Table 4"
CODE = Natural(second=0)
"""One stage, as the authors' code has it for HOG and dense SIFT."""


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      count, side: photographs, and pixels of a side.
      steps: updates.
      few: about how many photographs have the rows beyond the paper's; 0 has none.
      levels: C beyond 100, for these few.
    """

    count: int
    side: int
    steps: int
    few: int = 0
    levels: tuple[float, ...] = ()


FULL = Setting(60, 256, 300, 12, (1.0, 20.0, 300.0))
QUICK = Setting(2, 64, 100)
SMOKE = Setting(1, 48, 4)


def measure_table(setting: Setting) -> list[Row]:
    """Measures the rows, and writes the table.

    Args:
      setting: the size of the measurement.
    """
    images, whose = preimages.read_photographs(setting.count, setting.side)
    arms: list[tuple[str, np.ndarray, dict[str, Any]]] = [("", images, {})]
    if setting.few:
        few = images[:: max(len(images) // setting.few, 1)]
        arms += [("", few, {"fidelity": level}) for level in setting.levels]
        adam = replace(CODE, optimizer=preimages.make_adam(setting.steps))
        arms.append((", Adam", few, {"recipe": adam}))
        arms.append((", L-BFGS", few, {"recipe": with_lbfgs(CODE)}))
        arms.append((", no regulariser", few, {"recipe": without_priors(CODE)}))
    out: list[Row] = []
    for words, some, options in arms:
        for name in PAPER:
            out.append(_measure_cell(name, words, some, setting, whose, options))
            preimages.write_text("table4.md", _format_table(out, whose))
    return out


def _measure_cell(
    name: str,
    words: str,
    images: np.ndarray,
    setting: Setting,
    whose: str,
    options: dict[str, Any],
) -> Row:
    """Measures one descriptor with one set of options."""
    net, params = jaxvis.load(name, input_size=(setting.side, setting.side))
    given = {"recipe": CODE, "fidelity": 100.0, **options}
    run = jaxvis.invert(net, params, images, tap=net.taps[-1], steps=setting.steps, **given)
    level = given["fidelity"]
    sizes = {
        "net": name,
        "photographs": len(images),
        "pixels": setting.side,
        "steps": setting.steps,
        "C": level,
    }
    alike = [preimages.direction_overlap(x, y) for x, y in zip(run.image[:, 0], images)]
    row = preimages.make_errors_row(
        Case(NAME, f"{name}, C = {level:g}{words}", sizes),
        run.facts["code_error"],
        paper=PAPER[name] if level == 100 else None,
        source=SOURCE,
        whose=whose,
        directions=round(float(np.mean(alike)), 4),
    )
    print(row["case"], row["mean"], "+-", row["std"], flush=True)
    return row


def _format_table(rows: list[Row], whose: str) -> str:
    head = ("case", "photographs", "error %", "paper %", "gradient directions alike")
    lines = [
        (
            *preimages.format_errors(row),
            f"{row['directions']:.3f}",
        )
        for row in rows
    ]
    return preimages.format_table(f"Table 4: {whose}; the paper's are 100 others.", head, lines)


def measure(quick: bool) -> list[Row]:
    """Measures 60 photographs of 256 pixels, and a few with other C and optimizers.

    Args:
      quick: two photographs of 64 pixels, 100 updates, C = 100 alone.
    """
    return measure_table(QUICK if quick else FULL)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: one photograph of 48 pixels, 4 steps."""
    return measure_table(SMOKE)
