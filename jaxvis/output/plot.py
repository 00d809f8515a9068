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
        axes = page.add_axes(
            (left / size[0], bottom / size[1], cell / size[0], tall / size[1])
        )
        axes.imshow(shown(picture), interpolation="nearest")
        axes.set_axis_off()
        if notes:
            axes.text(0.5, -0.03, notes[i], transform=axes.transAxes, fontsize=8,
                      ha="center", va="top", parse_math=False)  # fmt: skip
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
    if np.any(status != 0):
        page.suptitle(f"{np.sum(status != 0)} of {status.size} not finished")
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
