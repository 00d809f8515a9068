"""A look at pictures while they are made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxvis.types import Run


@dataclass(frozen=True)
class Watch:
    """What is shown of an optimisation while it runs: a bar, and the pictures so far.

    A method takes it as `progress=`. Between two looks nothing is copied to the host. On
    an accelerator, where many steps go in one dispatch, a look waits for its end.

    Args:
      every: steps between two looks, at least 1.
      look: called with the positions `[n]` of items in their sweep and their Run, which
        is like the Run of an interrupted method: images `[n, ..., H, W, 3]`, and the
        status UNFINISHED of what goes on.

    Raises:
      ValueError: if `every` is below 1.
    """

    every: int
    look: Callable[[np.ndarray, Run], Any]

    def __post_init__(self) -> None:
        """Raises ValueError for a number of steps below 1."""
        if self.every < 1:
            raise ValueError(f"there is a look every 1 step or more, not every {self.every}")

    def is_due(self, done: int, count: int) -> bool:
        """Says whether a look is due after `done` steps, `count` of them the latest."""
        return done // self.every > (done - count) // self.every


Progress = bool | Watch
"""Whether to show a bar, or what to show beside it."""


def change_looks(progress: Progress, change: Callable[[Run], Run]) -> Progress:
    """Changes the Runs that a watch is shown; True and False stay as they are.

    A method that gives its Run another shape does the same to those.

    Args:
      progress: of a method.
      change: of the Run.
    """
    if not isinstance(progress, Watch):
        return progress
    look = progress.look
    return replace(progress, look=lambda where, run: look(where, change(run)))
