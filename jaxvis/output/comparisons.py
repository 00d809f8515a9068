"""Figures that compare kinds of networks: over evaluations, over seeds, layer by layer."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxvis.output.plot import Page

_COLOURS = tuple(f"C{i}" for i in range(10))  # matplotlib's own cycle


def convergence(
    losses: Mapping[str, np.ndarray], *, panels: Sequence[str], floor: float = 1e-12
) -> Figure:
    """Draws a figure of losses over evaluations: medians, shaded from least to greatest.

    Args:
      losses: kind -> `[panels, seeds, steps]`.
      panels: their titles, such as taps.
      floor: smaller values are drawn there: the axis is logarithmic.

    Returns:
      matplotlib.figure.Figure: made without pyplot; a line of every kind a panel.

    Raises:
      ValueError: for panels that are not as many as the losses'.
    """
    page, axes = _make_panels(losses, panels)
    for colour, (kind, values) in zip(_COLOURS, losses.items()):
        values = np.maximum(np.asarray(values, float), floor)
        for one, lines in zip(axes, values):
            steps = np.arange(1, lines.shape[-1] + 1)
            low, middle, high = np.nanquantile(lines, (0, 0.5, 1), axis=0)
            one.plot(steps, middle, color=colour, linewidth=1.2, label=kind)
            one.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    for one in axes:
        one.set(xlabel="evaluation", yscale="log", xscale="log")
    axes[0].set_ylabel("loss")
    axes[0].legend(fontsize=7)
    return page


def spreads(values: Mapping[str, np.ndarray], *, panels: Sequence[str], ylabel: str) -> Figure:
    """Draws a figure of box plots: median, quartiles, extremes, and the mean.

    Args:
      values: kind -> `[panels, seeds]`.
      panels: their titles, such as taps.
      ylabel: what the values are.

    Returns:
      matplotlib.figure.Figure: made without pyplot; a box of every kind a panel.

    Raises:
      ValueError: for panels that are not as many as the values'.
    """
    page, axes = _make_panels(values, panels)
    for i, one in enumerate(axes):
        boxes = [np.asarray(kind[i], float) for kind in values.values()]
        one.boxplot(boxes, whis=(0, 100), showmeans=True, tick_labels=list(values))
        one.set_ylim(bottom=0)
        one.tick_params(axis="x", labelsize=7, rotation=20)
    axes[0].set_ylabel(ylabel)
    return page


def layer_means(values: Mapping[str, Mapping[str, np.ndarray]], *, taps: Sequence[str]) -> Figure:
    """Draws a figure of means over seeds, layer by layer, one line a kind.

    Args:
      values: title -> kind -> `[taps, seeds]`; a panel a title.
      taps: the layers' names, in order.

    Returns:
      matplotlib.figure.Figure: made without pyplot.

    Raises:
      ValueError: for taps that are not as many as the values'.
    """
    titles, where = list(values), np.arange(len(taps))
    page = Page(
        figsize=(max(3.4, 1.6 + 0.3 * len(taps)) * len(titles), 3.0), dpi=100, layout="constrained"
    )
    for one, title in zip(page.subplots(1, len(titles), squeeze=False)[0], titles):
        for colour, (kind, found) in zip(_COLOURS, values[title].items()):
            found = np.asarray(found, float)
            _check_count(len(found), taps)
            one.plot(
                where, found.mean(-1), "o-", color=colour, markersize=3, linewidth=1, label=kind
            )
        one.set_xticks(where, taps, rotation=60, fontsize=7)
        one.set_ylim(bottom=0)
        one.set_title(title)
        one.legend(fontsize=7)
    return page


def _check_count(count: int, names: Sequence[str]) -> None:
    if count != len(names):
        raise ValueError(f"{len(names)} names came for {count} panels or layers")


def _make_panels(
    values: Mapping[str, np.ndarray], panels: Sequence[str]
) -> tuple[Page, list[Axes]]:
    """Makes a page and its titled axes, at most four in a row."""
    for found in values.values():
        _check_count(len(found), panels)
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    page = Page(figsize=(2.8 * columns, 2.6 * rows), dpi=100, layout="constrained")
    axes = list(page.subplots(rows, columns, squeeze=False).ravel())
    for spare in axes[len(panels) :]:
        spare.remove()
    for one, title in zip(axes, panels):
        one.set_title(title, fontsize=9)
    return page, axes[: len(panels)]
