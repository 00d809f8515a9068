"""How a picture ended, as progress.json keeps it, and the Run that comes of it again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from jaxvis.cli.saving import Output
from jaxvis.output.io import read_image
from jaxvis.output.resample import resample
from jaxvis.types import Run, Status


def describe_picture(run: Run, at: int, *, whole: bool) -> dict[str, Any] | None:
    """Describes how a picture ended; None where it has not begun.

    Args:
      run: leaves `[n, ...]`.
      at: which picture of the run.
      whole: whether its whole traces are kept, not only their ends.
    """
    image, status = np.asarray(run.image[at]), int(run.status[at])
    finite = bool(np.isfinite(image).all())
    if not finite and status == Status.UNFINISHED:
        return None
    trace = {name: np.asarray(term[at], float) for name, term in run.trace.items()}
    return {
        "finite": finite,
        "size": list(image.shape),
        "status": status,
        "trace": {
            name: (term if whole else _find_ends(term, status == Status.UNFINISHED)).tolist()
            for name, term in trace.items()
        },
        "facts": {name: np.asarray(value[at]).item() for name, value in run.facts.items()},
    }


def _find_ends(values: np.ndarray, cut: bool) -> np.ndarray:
    """Finds the first and the last value `[2]` of a trace; the last that is there, if `cut`."""
    if not len(values):
        return np.full(2, np.nan)
    taken = np.flatnonzero(np.isfinite(values)) if cut else np.arange(len(values))
    return values[[0, taken[-1] if len(taken) else -1]]


def restore_run(
    output: Output,
    names: Sequence[str],
    entries: Mapping[str, Mapping[str, Any]],
    *,
    images: bool,
) -> Run:
    """Gives the Run of all pictures, as the files have them; NaN where one is missing.

    Args:
      output: where the files are.
      names: of the pictures, without ending.
      entries: name -> what `describe_picture` said.
      images: whether they are read; if not, a black pixel stands for each.

    Raises:
      OSError, ValueError: if a file is gone or damaged.
    """
    found = [entries.get(name) for name in names]
    there = [one for one in found if one is not None]
    height, width = max((tuple(one["size"][:2]) for one in there), default=(32, 32))
    # Files are read as RGB, whatever the channels were.
    size = (height, width, 3) if images else (1, 1, 3)

    def read(name: str, one: Mapping[str, Any] | None) -> np.ndarray:
        if one is None or not one["finite"]:
            return np.full(size, np.nan, np.float32)
        if not images:
            return np.zeros(size, np.float32)
        image = read_image(output.path_of(name))
        # What was interrupted at a coarse size is shown as large as the others.
        return image if image.shape == size else resample(image, (size[0], size[1]))

    steps = {k: max(len(one["trace"][k]) for one in there) for k in _in_all(there, "trace")}
    trace = {
        k: np.array([_pad(one["trace"][k] if one else [], length) for one in found])
        for k, length in steps.items()
    }
    facts = {
        k: np.array(
            [
                _number(one["facts"][k], there[0]["facts"][k])
                if one
                else _missing(there[0]["facts"][k])
                for one in found
            ]
        )
        for k in _in_all(there, "facts")
    }
    status = [one["status"] if one else int(Status.UNFINISHED) for one in found]
    image = np.stack([read(name, one) for name, one in zip(names, found)])
    return Run((), image, trace, np.array(status, np.int8), facts)


def _in_all(there: Sequence[Mapping[str, Any]], what: str) -> Collection[str]:
    """Lists the terms, or facts, that all pictures have, in their order."""
    first = there[0][what] if there else {}
    return [name for name in first if all(name in one[what] for one in there)]


def _pad(values: Sequence[Any], length: int) -> list[float]:
    # "nan" is a string in a file.
    return [*map(float, values), *[float("nan")] * (length - len(values))]


def _number(value: Any, like: Any) -> Any:
    return float(value) if isinstance(like, (float, str)) else value


def _missing(like: Any) -> Any:
    return float("nan") if isinstance(like, (float, str)) else type(like)()
