"""Figures for notebooks and papers; the only file that imports matplotlib.

Figures are made as objects, without pyplot: no window opens, no display is needed, and
nothing stays in memory once the figure is dropped.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxvis.output.arrays import listed, shown
from jaxvis.types import Status

_COLOURS = tuple(f"C{i}" for i in range(10))  # matplotlib's own cycle


class Page(Figure):
    """A matplotlib Figure that a notebook shows even where pyplot was never imported.

    It saves like any other: `page.savefig("grid.pdf")`.
    """

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def grid(
    images: np.ndarray | Sequence[np.ndarray],
    *,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell: float = 1.6,
    title: str | None = None,
) -> Figure:
    """Returns a figure that shows many images, row by row, captions below.

    Args:
      images: `[N, H, W, 3]`, `[N, S, H, W, 3]` (a row of S for each of the N, as
        `jaxvis.maximize` returns), one `[H, W, 3]`, or a sequence of images of any
        sizes; float in [0, 1], clipped. Pixels that are not finite show in magenta.
      captions: one for each image; for `[N, S, H, W, 3]` also one for each of the N.
      columns: images in a row; None takes S, or makes the figure about square.
      cell: width of an image in inches.
      title: stands above all of them.

    Returns:
      matplotlib.figure.Figure: made without pyplot.

    Raises:
      ValueError: if there is no image, or the captions are not as many as the images.
    """
    pictures, notes, natural = listed(images, captions)
    columns = min(columns or natural, len(pictures))
    lines = max((note.count("\n") + 1 for note in notes), default=0) if notes else 0
    rows, top = -(-len(pictures) // columns), 0.4 if title else 0.0
    tall = cell * max(p.shape[0] for p in pictures) / max(p.shape[1] for p in pictures)
    step = (tall + 0.17 * lines + 0.08, cell + 0.08)
    size = (columns * step[1] + 0.08, rows * step[0] + 0.08 + top)
    page = Page(figsize=size, dpi=100)
    for i, picture in enumerate(pictures):
        left = 0.08 + i % columns * step[1]
        bottom = size[1] - top - 0.08 - i // columns * step[0] - tall
        axes = page.add_axes((left / size[0], bottom / size[1], cell / size[0], tall / size[1]))
        axes.imshow(shown(picture), interpolation="nearest")
        axes.set_axis_off()
        if notes:
            axes.text(
                0.5,
                -0.03,
                notes[i],
                transform=axes.transAxes,
                fontsize=8,
                ha="center",
                va="top",
                parse_math=False,
            )
    if title:
        page.suptitle(title, y=1 - 0.12 / size[1], va="top", fontsize=11)
    return page


def loss_curves(
    trace: Mapping[str, np.ndarray],
    *,
    terms: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    log: bool = False,
) -> Figure:
    """Returns a figure of the loss and its terms over the steps, one line an item.

    Args:
      trace: a `Run`'s trace: "loss" and every term, `[N, steps]` or `[N, S, steps]`;
        "status", `[N]` or `[N, S]`, is counted in the title; what else has no step
        axis is left out. Values that are not finite leave a gap.
      terms: which of them, in this order; None shows all, "loss" first.
      labels: a name for each line, shown in a legend.
      log: logarithmic axes (values at or below zero leave a gap).

    Returns:
      matplotlib.figure.Figure: made without pyplot; one axes a term.

    Raises:
      ValueError: for a term that the trace does not have, or labels that are not as
        many as the lines.
    """
    whole = np.ndim(trace["loss"]) if "loss" in trace else 1
    known = [name for name in trace if np.ndim(trace[name]) >= whole]
    terms = list(terms or sorted(known, key=lambda name: name != "loss"))
    missing = [name for name in terms if name not in known]
    if missing or not terms:
        raise ValueError(f"the trace has the terms {', '.join(known)}: not {missing}")
    page = Page(figsize=(3.4 * len(terms), 2.8), dpi=100, layout="constrained")
    for axes, name in zip(page.subplots(1, len(terms), squeeze=False)[0], terms):
        _draw(axes, name, np.asarray(trace[name], float), labels, log)
    status = np.asarray(trace.get("status", ()))
    bad = np.isin(status, (Status.FAILED, Status.UNFINISHED))
    if np.any(bad):
        page.suptitle(f"{np.sum(bad)} of {status.size} not finished")
    return page


def _draw(
    axes: Axes, name: str, values: np.ndarray, labels: Sequence[str] | None, log: bool
) -> None:
    """Draws one term's lines, `[..., steps]`."""
    lines = values.reshape(-1, values.shape[-1])
    if labels is not None and len(labels) != len(lines):
        raise ValueError(f"{len(labels)} labels came for {len(lines)} lines")
    lines = np.where(np.isfinite(lines) & ((lines > 0) | (not log)), lines, np.nan)
    for i, line in enumerate(lines):
        axes.plot(line, linewidth=0.8, label=labels[i] if labels else None)
    axes.set(title=name, xlabel="step", yscale="log" if log else "linear")
    if labels and name == "loss":
        axes.legend(fontsize=7)


def training_curves(curves: Mapping[str, np.ndarray]) -> Figure:
    """Returns a figure of a training's losses over its steps, held out ones dashed.

    Args:
      curves: term -> `[n, 2]`, (step, value); "validation TERM" shares TERM's panel.

    Returns:
      matplotlib.figure.Figure: made without pyplot; one axes a term.

    Raises:
      ValueError: if there is no curve.
    """
    terms = [name for name in curves if not name.startswith("validation ")]
    if not terms:
        raise ValueError("there is no loss to show")
    page = Page(figsize=(4.0 * len(terms), 3.0), dpi=100, layout="constrained")
    for axes, name in zip(page.subplots(1, len(terms), squeeze=False)[0], terms):
        for kind, style in ((name, "-"), (f"validation {name}", "o--")):
            if kind in curves:
                steps, values = np.asarray(curves[kind], float).reshape(-1, 2).T
                label = "held out" if kind != name else "trained on"
                axes.plot(steps, values, style, linewidth=0.8, markersize=3, label=label)
        positive = all(np.min(c[:, 1], initial=1) > 0 for c in curves.values())
        axes.set(title=name, xlabel="step", yscale="log" if positive else "linear")
        axes.legend(fontsize=7)
    return page


def convergence(
    losses: Mapping[str, np.ndarray], *, panels: Sequence[str], floor: float = 1e-12
) -> Figure:
    """Returns a figure of losses over evaluations: medians, shaded least to greatest.

    Args:
      losses: kind -> `[panels, seeds, steps]`.
      panels: their titles, such as taps.
      floor: smaller values are drawn there: the axis is logarithmic.

    Returns:
      matplotlib.figure.Figure: made without pyplot; a line of every kind a panel.

    Raises:
      ValueError: for panels that are not as many as the losses'.
    """
    page, axes = _panels(losses, panels)
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
    """Returns a figure of box plots: median, quartiles, extremes, and the mean.

    Args:
      values: kind -> `[panels, seeds]`.
      panels: their titles, such as taps.
      ylabel: what the values are.

    Returns:
      matplotlib.figure.Figure: made without pyplot; a box of every kind a panel.

    Raises:
      ValueError: for panels that are not as many as the values'.
    """
    page, axes = _panels(values, panels)
    for i, one in enumerate(axes):
        boxes = [np.asarray(kind[i], float) for kind in values.values()]
        one.boxplot(boxes, whis=(0, 100), showmeans=True, tick_labels=list(values))
        one.set_ylim(bottom=0)
        one.tick_params(axis="x", labelsize=7, rotation=20)
    axes[0].set_ylabel(ylabel)
    return page


def layer_means(values: Mapping[str, Mapping[str, np.ndarray]], *, taps: Sequence[str]) -> Figure:
    """Returns a figure of means over seeds, layer by layer, one line a kind.

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
            _as_many(len(found), taps)
            one.plot(
                where, found.mean(-1), "o-", color=colour, markersize=3, linewidth=1, label=kind
            )
        one.set_xticks(where, taps, rotation=60, fontsize=7)
        one.set_ylim(bottom=0)
        one.set_title(title)
        one.legend(fontsize=7)
    return page


def _as_many(count: int, names: Sequence[str]) -> None:
    if count != len(names):
        raise ValueError(f"{len(names)} names came for {count} panels or layers")


def _panels(values: Mapping[str, np.ndarray], panels: Sequence[str]) -> tuple[Page, list[Axes]]:
    """Returns a page and its titled axes, at most four in a row."""
    for found in values.values():
        _as_many(len(found), panels)
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    page = Page(figsize=(2.8 * columns, 2.6 * rows), dpi=100, layout="constrained")
    axes = list(page.subplots(rows, columns, squeeze=False).ravel())
    for spare in axes[len(panels) :]:
        spare.remove()
    for one, title in zip(axes, panels):
        one.set_title(title, fontsize=9)
    return page, axes[: len(panels)]
