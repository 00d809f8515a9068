"""The losses of a training as files: a table and a figure."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxvis.output.files import write_atomically
from jaxvis.output.plot import save_figure, training_curves

CURVES = ("loss.png", "loss.csv")
"""The files that `write_curves` writes."""


def write_curves(folder: str | os.PathLike, curves: Mapping[str, np.ndarray]) -> None:
    """Writes loss.csv (term, step, value) and loss.png, each whole or not at all.

    The terms stand in the order of their names, so that a training that went on writes
    the same files.

    Args:
      folder: where; files of these names are replaced.
      curves: term -> `[n, 2]`, (step, value), as `jaxvis.train.loop.train` returns them.

    Raises:
      OSError: if the folder does not exist or cannot be written.
      ValueError: if there is no curve.
    """
    curves = dict(sorted(curves.items()))
    lines = ["term,step,value"]
    for name, curve in curves.items():
        lines += [f"{name},{int(step)},{value:.9g}" for step, value in curve]
    write_atomically(Path(folder) / "loss.csv", ("\n".join(lines) + "\n").encode())
    save_figure(Path(folder) / "loss.png", training_curves(curves))
