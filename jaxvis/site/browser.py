"""Units to browse in a cell of a notebook: one piece of HTML, without a server or a widget."""

import base64
import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from jaxvis.output.encode import encode_image
from jaxvis.output.record import name_status
from jaxvis.site.rendering import render_page
from jaxvis.sweep.store import Store, open_store
from jaxvis.types import Run

MOST = 400
"""Pictures that a cell shows where nothing else is asked for: each is part of the notebook."""
HEIGHT = 560
"""Pixels of the cell."""


@dataclass(frozen=True, eq=False)
class Browser:
    """Pictures that a notebook shows with a search, an order and a closer look.

    Attributes:
      title: above them.
      pictures: of each "name", "label", "png" (base64) and "numbers".
      left: how many more there are, which are not shown.
    """

    title: str
    pictures: Sequence[Mapping[str, Any]]
    left: int = 0

    def __repr__(self) -> str:
        """One line: how many pictures."""
        return f"Browser({self.title!r}, {len(self.pictures)} pictures)"

    def _repr_html_(self) -> str:
        """The pictures in a frame of their own, which can reach nothing outside of it."""
        # JSON has no use for "<" outside of its texts: no name can end the script.
        data = json.dumps(list(self.pictures), allow_nan=False).replace("<", "\\u003c")
        context = {"title": self.title, "data": Markup(data), "left": self.left}
        page = render_page("browser.html", context).decode()
        return (
            f'<iframe sandbox="allow-scripts" style="width:100%;height:{HEIGHT}px;border:0" '
            f'title="{html.escape(self.title, quote=True)}" '
            f'srcdoc="{html.escape(page, quote=True)}"></iframe>'
        )


def browse(
    pictures: Run | Store | str | os.PathLike,
    *,
    names: Sequence[str] = (),
    most: int = MOST,
    title: str = "",
) -> Browser:
    """Shows pictures in a notebook, to be searched, ordered by a number, and looked at closely.

    Args:
      pictures: what a method returned, image `[..., H, W, C]`; or a sweep, or its folder.
      names: of a run's pictures, one for each item, or for each item and seed; their numbers
        if left out. A sweep knows its own.
      most: pictures that are shown; the others are counted.
      title: above them; a description of the pictures if left out.

    Returns:
      Browser: which a notebook shows where it is the last line of a cell.

    Raises:
      OSError: if the folder cannot be read.
      ValueError: for a folder without a sweep, names that do not fit, or a count below 1.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> run = jaxvis.maximize(net, params, index=range(2), steps=2, size=(32, 32))
    >>> jaxvis.browse(run, names=["vertical", "horizontal"])
    Browser('2 pictures', 2 pictures)
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, a whole number, got {most}")
    if isinstance(pictures, Run):
        found, count = _list_run(pictures, names, most)
    else:
        store = pictures if isinstance(pictures, Store) else open_store(pictures)
        store.read_plan()  # says clearly if there is none
        found, count = _list_rows(store, most)
    words = title or f"{count} picture{'s' * (count != 1)}"
    return Browser(words, found, count - len(found))


def _list_run(run: Run, names: Sequence[str], most: int) -> tuple[list[dict[str, Any]], int]:
    images = np.asarray(run.image)
    lead = images.shape[:-3]
    images = images.reshape(-1, *images.shape[-3:])
    each = len(images) // max(len(names), 1)
    if names and each * len(names) != len(images):
        raise ValueError(f"{len(names)} names do not fit {len(images)} pictures: one for each item")
    status = np.ravel(name_status(np.asarray(run.status).reshape(-1)))
    loss = np.asarray(run.trace["loss"]).reshape(len(images), -1) if "loss" in run.trace else None
    found = []
    for i in range(min(most, len(images))):
        where = ", ".join(map(str, np.unravel_index(i, lead))) if lead else "0"
        name = names[i // each] if names else where
        last = float(loss[i, -1]) if loss is not None and loss.shape[1] else float("nan")
        numbers = {"loss": last} if np.isfinite(last) else {}
        found.append(_describe(name, str(status[i]), _encode(images[i]), numbers))
    return found, len(images)


def _list_rows(store: Store, most: int) -> tuple[list[dict[str, Any]], int]:
    found: list[dict[str, Any]] = []
    count = 0
    for row in store.read_rows():
        count += 1
        if len(found) < most:
            file = row["file"]
            data = base64.b64encode(store.files.read(file)).decode() if file else ""
            label = row["label"] or row["status"]
            found.append(_describe(row["name"], label, data, row["metrics"]))
    return found, count


def _describe(name: str, label: str, data: str, numbers: Mapping[str, float]) -> dict[str, Any]:
    return {"name": name, "label": label, "png": data, "numbers": dict(numbers)}


def _encode(image: np.ndarray) -> str:
    if not np.isfinite(image).all():
        return ""
    return base64.b64encode(encode_image(image, "png")).decode()
