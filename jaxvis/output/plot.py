"""Figures for notebooks and papers: grids of images, and losses over steps.

Figures are made as objects, without pyplot: no window opens, no display is needed, and
nothing stays in memory once the figure is dropped.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxvis.output.arrays import lay_out, to_display
from jaxvis.output.files import write_atomically
from jaxvis.output.heat import PERCENTILE, describe_colours, lay_over
from jaxvis.types import Run, Status

_UNDATED = {
    "png": {},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}
"""File format -> metadata that leave out the time, so that equal figures are equal files."""


class Page(Figure):
    """A matplotlib Figure that a notebook shows even where pyplot was never imported.

    It saves like any other: `page.savefig("grid.pdf")`.

    >>> import numpy as np
    >>> import jaxvis
    >>> isinstance(jaxvis.plot.grid(np.zeros((2, 8, 8, 3))), jaxvis.plot.Page)
    True
    """

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def save_figure(path: str | Path, figure: Figure) -> None:
    """Writes a figure whole or not at all; the same figure gives the same file.

    Args:
      path: the file, ending in .png, .pdf or .svg; one that exists is replaced.
      figure: the figure.

    Raises:
      OSError: if the folder is missing or cannot be written.
      ValueError: for another ending.

    >>> import tempfile
    >>> import jaxvis
    >>> page = jaxvis.plot.Page(figsize=(1, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     jaxvis.plot.save_figure(f"{folder}/page.svg", page)
    """
    path, file = Path(path), io.BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _UNDATED:
        raise ValueError(f"{path} must end in .png, .pdf or .svg to be written")
    with matplotlib.rc_context({"svg.hashsalt": "jaxvis"}):
        figure.savefig(file, format=kind, metadata=_UNDATED[kind])
    write_atomically(path, file.getvalue())


def grid(
    images: np.ndarray | Sequence[np.ndarray] | Run,
    *,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell: float = 1.6,
    title: str | None = None,
) -> Figure:
    """Draws a figure of many images, row by row, with captions below.

    Args:
      images: `[N, H, W, 3]`, `[N, S, H, W, 3]` (a row of S for each of the N, as
        `jaxvis.maximize` returns), one `[H, W, 3]`, or a sequence of images of any
        sizes; float in [0, 1], clipped, or uint8. Pixels that are not finite are shown
        in magenta. A Run is shown with a note under every item that did not end well.
      captions: one for each image; for `[N, S, H, W, 3]` also one for each of the N.
      columns: images in a row; None takes S if above 1, or makes the figure about square.
      cell: width of an image in inches.
      title: stands above all of them.

    Raises:
      ValueError: if there is no image, or the captions are not as many as the images.

    >>> import numpy as np
    >>> import jaxvis
    >>> page = jaxvis.plot.grid(np.zeros((3, 8, 8, 3)), captions=["a", "b", "c"], columns=3)
    >>> len(page.axes)
    3
    """
    pictures, notes, natural = lay_out(images, captions)
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
        axes.imshow(to_display(picture), interpolation="nearest")
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


def heatmaps(
    image: np.ndarray,
    heat: np.ndarray,
    *,
    captions: Sequence[str] | None = None,
    percentile: float = PERCENTILE,
    columns: int | None = None,
    cell: float = 1.9,
    title: str | None = None,
) -> Figure:
    """Draws a figure of a photograph and of heatmaps laid over it, side by side.

    Args:
      image: `[H, W, 3]` or `[H, W, 1]` in [0, 1].
      heat: `[h, w]`, or several `[..., h, w]`, as `jaxvis.saliency` returns them.
      captions: one for each heatmap, such as class names with scores.
      percentile: heat beyond this percentile of a map is clipped; the captions say so.
      columns, cell, title: see `grid`.

    Raises:
      ValueError: for another shape, or captions that are not as many as the heatmaps.

    >>> import numpy as np
    >>> import jaxvis
    >>> len(jaxvis.plot.heatmaps(np.zeros((8, 8, 3)), np.eye(8)).axes)
    2
    """
    maps = np.asarray(heat).reshape(-1, *np.shape(heat)[-2:])
    words = [""] * len(maps) if captions is None else [str(one) for one in captions]
    if len(words) != len(maps):
        raise ValueError(f"there are {len(maps)} heatmaps and {len(words)} captions")
    pictures = [lay_over(image, one, percentile=percentile) for one in maps]
    notes = [describe_colours(one, percentile=percentile) for one in maps]
    shown = ["\n".join(filter(None, pair)).replace("; ", "\n") for pair in zip(words, notes)]
    photo = np.broadcast_to(image, (*np.shape(image)[:2], 3))
    return grid(
        [photo, *pictures],
        captions=["the image", *shown],
        columns=columns or min(len(maps) + 1, 4),
        cell=cell,
        title=title,
    )


def loss_curves(
    trace: Mapping[str, np.ndarray] | Run,
    *,
    terms: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    log: bool = False,
) -> Figure:
    """Draws a figure of the loss and its terms over the steps: an axes a term, a line an item.

    Args:
      trace: a Run, whose items that did not end well are counted in the title; or its
        trace, "loss" and every term, `[N, steps]` or `[N, S, steps]`. What has no step
        axis is left out. Values that are not finite leave a gap.
      terms: which of them, in this order; None shows all, "loss" first.
      labels: a name for each line, shown in a legend.
      log: logarithmic axes (values at or below zero leave a gap).

    Raises:
      ValueError: for a term that the trace does not have, or labels that are not as
        many as the lines.

    >>> import numpy as np
    >>> import jaxvis
    >>> len(jaxvis.plot.loss_curves({"loss": np.ones((2, 9)), "prior": np.ones((2, 9))}).axes)
    2
    """
    status = np.zeros(0)
    if isinstance(trace, Run):
        status, trace = np.asarray(trace.status), trace.trace
    whole = np.ndim(trace["loss"]) if "loss" in trace else 1
    known = [name for name in trace if np.ndim(trace[name]) >= whole]
    terms = list(terms or sorted(known, key=lambda name: name != "loss"))
    missing = [name for name in terms if name not in known]
    if missing or not terms:
        raise ValueError(f"the trace has the terms {', '.join(known)}, not {missing}")
    page = Page(figsize=(3.4 * len(terms), 2.8), dpi=100, layout="constrained")
    for axes, name in zip(page.subplots(1, len(terms), squeeze=False)[0], terms):
        _draw_term(axes, name, np.asarray(trace[name], float), labels, log)
    bad = [
        f"{np.sum(status == kind)} of {status.size} {kind.name.lower()}"
        for kind in (Status.FAILED, Status.UNFINISHED, Status.DEAD)
        if np.any(status == kind)
    ]
    if bad:
        page.suptitle(", ".join(bad))
    return page


def _draw_term(
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
    """Draws a figure of a training's losses over its steps: an axes a term, held out images dashed.

    Args:
      curves: term -> `[n, 2]`, (step, value); "validation TERM" shares TERM's panel.

    Raises:
      ValueError: if there is no curve.

    >>> import numpy as np
    >>> import jaxvis
    >>> jaxvis.plot.training_curves({"loss": np.ones((3, 2))}).axes[0].get_title()
    'loss'
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


def accuracy_curves(
    names: Sequence[str], accuracy: Mapping[str, np.ndarray], *, clean: float, norm: str
) -> Figure:
    """Draws a figure of accuracy against the radius that attacks may use.

    Args:
      names: of the E radii, ascending, such as "2/255"; they stand at equal distances.
      accuracy: attack -> `[E]`, the share of images that it leaves right.
      clean: the accuracy without any attack, where every curve begins.
      norm: what measures the perturbation.

    Raises:
      ValueError: if there is no curve.

    >>> import jaxvis
    >>> page = jaxvis.plot.accuracy_curves(["1/255"], {"pgd": [0.5]}, clean=1.0, norm="linf")
    >>> page.axes[0].get_xlabel()
    'epsilon (linf)'
    """
    if not accuracy:
        raise ValueError("there is no curve to show")
    page = Page(figsize=(5.0, 3.4), dpi=120, layout="constrained")
    axes = page.subplots()
    ends = np.arange(len(names) + 1)
    for place, name in enumerate(sorted(accuracy)):
        # Wider lines below: curves that lie on each other stay visible.
        width = 1.0 + 1.2 * (len(accuracy) - 1 - place)
        values = 100 * np.concatenate([[clean], accuracy[name]])
        axes.plot(ends, values, "o-", linewidth=width, markersize=3, label=name)
    axes.set(xlabel=f"epsilon ({norm})", ylabel="right, %", ylim=(-3, 103))
    axes.set_xticks(ends, ["0", *names], fontsize=7)
    axes.legend(fontsize=7)
    return page
