"""Charts as paths of SVG: curves and bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 320, 120
"""Of the drawing area, in units of the SVG's view box."""
POINTS = 160
"""The most points of a curve that are drawn: a longer one is thinned out."""


@dataclass(frozen=True)
class Chart:
    """One chart, ready to be drawn.

    Attributes:
      path: of the curve or bars, as an SVG path.
      across: the texts at the left and right end of the horizontal axis.
      upwards: the texts at the lower and upper end of the vertical axis.
      about: what it shows, in a sentence.
      filled: whether the path is an area.
    """

    path: str
    across: tuple[str, str]
    upwards: tuple[str, str]
    about: str
    filled: bool = False


def format_number(value: float) -> str:
    """Writes a number with four digits.

    Args:
      value: finite.

    >>> from jaxvis.site.charts import format_number
    >>> format_number(0.123456), format_number(12.0)
    ('0.1235', '12')
    """
    return f"{value:.4g}" if value else "0"


def draw_curve(
    values: Sequence[float | None], *, about: str, places: Sequence[float] | None = None
) -> Chart | None:
    """Draws values as a curve; None where fewer than two are finite.

    Args:
      values: each None where it was not finite, which leaves a gap.
      about: what the chart shows, in a few words.
      places: of the values on the horizontal axis; None numbers them from 0.
    """
    at = list(range(len(values))) if places is None else list(places)
    known = [one for one in values if one is not None]
    if len(known) < 2:
        return None
    step = math.ceil(len(values) / POINTS)
    kept = sorted({*range(0, len(values), step), len(values) - 1})
    low, high = min(known), max(known)
    left, right = min(at), max(at)
    path, pen = [], "M"
    for number in kept:
        value = values[number]
        if value is None:
            pen = "M"
            continue
        x = WIDTH * _share(at[number], left, right)
        y = HEIGHT * (1 - _share(value, low, high))
        path.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    text = f"{about}, from {format_number(known[0])} to {format_number(known[-1])}."
    return Chart("".join(path), _write_ends(left, right), _write_ends(low, high), text)


def draw_bars(edges: Sequence[float], counts: Sequence[float], *, about: str) -> Chart:
    """Draws a histogram; every bin has the same width.

    Args:
      edges: of the bins, one more than counts.
      counts: at least one.
      about: what the chart shows, in a few words.
    """
    most, wide = max(max(counts), 1e-300), WIDTH / len(counts)
    path = []
    for number, count in enumerate(counts):
        if count > 0:
            tall = max(1.0, HEIGHT * count / most)
            path.append(
                f"M{number * wide:.1f} {HEIGHT}v{-tall:.1f}h{max(wide - 0.6, 0.4):.1f}v{tall:.1f}z"
            )
    text = f"{about}, from {format_number(edges[0])} to {format_number(edges[-1])}."
    ends, heights = _write_ends(edges[0], edges[-1]), _write_ends(0, max(counts))
    return Chart("".join(path), ends, heights, text, filled=True)


def _write_ends(low: float, high: float) -> tuple[str, str]:
    return format_number(low), format_number(high)


def _share(value: float, low: float, high: float) -> float:
    """Says where a value lies between two others, from 0 to 1."""
    width = high - low
    if width <= 0 or not math.isfinite(width):
        return 0.5
    return (value - low) / width
