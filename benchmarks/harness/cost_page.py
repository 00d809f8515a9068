"""The page on cost: what the curves of `benchmarks.speed.curves` show, in words and figures.

It is written from rows alone, so that the same rows give the same page.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import LogLocator

from benchmarks.harness.power_law import Power
from benchmarks.harness.rows import Row, find_wrong
from benchmarks.harness.table import describe_machines, format_amount
from jaxvis.output.plot import Page, save_figure

PAGE = "cost.md"


class Section(NamedTuple):
    """A part of the page: the kind of curve, its head, its x in words, and what it shows."""

    kind: str
    head: str
    x: str
    words: str


SECTIONS = (
    Section(
        "items",
        "Pictures",
        "pictures",
        "Pictures of one class from different starts, in one call of `jaxvis.maximize`. An\n"
        "exponent below 1 means that pictures made together cost less than pictures made alone:\n"
        "the call itself is paid once, and what reads the kernels serves several pictures.",
    ),
    Section(
        "sides",
        "Pixels",
        "pixels of a side",
        "One picture of ever larger sides. Convolutions do work for every pixel, so the cost of\n"
        "large pictures grows as side^2; a small one costs what a call and a step cost at least.",
    ),
    Section(
        "networks",
        "Networks",
        "networks",
        "Networks of one shape with different random weights, side by side, a picture each. They\n"
        "share no weights, so a CPU takes them one after another: little but the call itself can\n"
        "be saved, and the exponent is near 1.",
    ),
    Section(
        "cores",
        "Cores",
        "cores",
        "The same pictures, divided among cores. An exponent of -1 of the wall time would mean\n"
        "that k cores take a k-th of the time; processor time should stay as it is.",
    ),
    Section(
        "devices",
        "Devices",
        "devices",
        "The same pictures, divided among simulated devices, which share the cores that there are\n"
        "(`--xla_force_host_platform_device_count`). No gain is possible beyond the cores; an\n"
        "exponent of 0 means that dividing the work costs nothing.",
    ),
)

ABOUT = """# What a picture costs, and how that grows

Seconds of whole calls, their checks and copies included, after one call that compiles: wall time,
and processor time on all cores together. Medians of interleaved runs; *p* is the exponent of the
power law through the points, time = c x^*p*, by least squares of the logarithms, with its standard
error. Pictures that the first and the last point share were compared, and are the same; a size has
pictures of its own. The demo network has its trained weights; SqueezeNet's are random, on which
the time does not depend."""

HOW = """```bash
python -m benchmarks curves --out benchmarks/curves.json    # measures; --quick: three minutes
python -m benchmarks --rows benchmarks/curves.json --cost   # writes this page and its figures
```"""


def write_page(folder: Path, rows: Sequence[Row]) -> None:
    """Writes the page on cost and its figures into a folder.

    Args:
      folder: of the documentation.
      rows: of `benchmarks.speed.curves`; other rows are left out.

    Raises:
      ValueError: if there are none, or outputs differ.
      OSError: if the folder cannot be written.
    """
    text = format_page(rows)
    for section, found in _sort_rows(rows):
        save_figure(folder / _name_figure(section), draw_curves(section, found))
    (folder / PAGE).write_text(text, encoding="utf-8")


def format_page(rows: Sequence[Row]) -> str:
    """Formats the page on cost.

    Args:
      rows: of `benchmarks.speed.curves`; other rows are left out.

    Raises:
      ValueError: if there are none, or outputs differ.
    """
    parts = _sort_rows(rows)
    if not parts:
        raise ValueError("there are no rows of curves: python -m benchmarks curves --out FILE")
    if find_wrong([row for _, found in parts for row in found]):
        raise ValueError("outputs differ, so there is nothing to show: see the rows")
    every = [row for _, found in parts for row in found]
    lines = [ABOUT, "", *describe_machines(every), ""]
    others = [row["others"] for row in every if row["others"] is not None]
    if others:
        lines += [
            f"Other processes took up to {100 * max(others):.0f} % of the cores meanwhile.",
            "",
        ]
    for section, found in parts:
        lines += [f"## {section.head}", "", section.words, ""]
        lines += [f"![Time over {section.x}]({_name_figure(section)})", ""]
        lines += [*_format_table(section, found), ""]
    return "\n".join([*lines, HOW, ""])


def _sort_rows(rows: Sequence[Row]) -> list[tuple[Section, list[Row]]]:
    """Gives each section that has rows, with them."""
    parts = [(one, [row for row in rows if row.get("curve") == one.kind]) for one in SECTIONS]
    return [(section, found) for section, found in parts if found]


def _name_figure(section: Section) -> str:
    return f"cost_{section.kind}.png"


def _format_table(section: Section, rows: Sequence[Row]) -> list[str]:
    """Formats the table of one section: a line for each point, and the exponents."""
    heads = [f"{_describe_case(row)}: wall | processor" for row in rows]
    lines = [" | ".join([f"| {section.x}", *heads]) + " |", "|---" * (1 + 2 * len(rows)) + "|"]
    for at, x in enumerate(rows[0]["points"]):
        cells = [
            format_amount(row[name][at], "s")
            for row in rows
            for name in ("wall", "processor_times")
        ]
        lines.append(f"| {x} | " + " | ".join(cells) + " |")
    laws = [_format_law(law) for row in rows for law in _read_laws(row).values()]
    return [*lines, "| *p* | " + " | ".join(laws) + " |"]


def _describe_case(row: Row) -> str:
    """Describes a row's network and steps: what comes before the colon of its case."""
    return row["case"].split(":")[0]


def _read_laws(row: Row) -> dict[str, Power]:
    return {name: Power(**row["exponents"][name]) for name in ("wall", "processor")}


def _format_law(law: Power) -> str:
    error = "" if law.error is None else f" ± {law.error:.2f}"
    return f"**{law.exponent:.2f}**{error}"


def draw_curves(section: Section, rows: Sequence[Row]) -> Page:
    """Draws the curves of one section: points, and the power laws as lines.

    Args:
      section: one of `SECTIONS`.
      rows: its rows.
    """
    page = Page(figsize=(3.2 * len(rows), 2.6), dpi=90, layout="constrained")
    for axes, row in zip(page.subplots(1, len(rows), squeeze=False)[0], rows):
        x = np.array(row["points"], float)
        kinds = (("wall", "wall", "o"), ("processor", "processor_times", "s"))
        for name, key, mark in kinds:
            law = _read_laws(row)[name]
            (line,) = axes.plot(x, law.factor * x**law.exponent, linewidth=0.8)
            label = f"{name}, p = {law.exponent:.2f}"
            axes.plot(x, row[key], mark, color=line.get_color(), markersize=4, label=label)
        axes.set(xscale="log", yscale="log", xlabel=section.x, ylabel="seconds")
        axes.set_xticks(x, [f"{value:g}" for value in x], fontsize=7)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_title(row["sizes"]["net"], fontsize=9)
        axes.legend(fontsize=7)
    return page
