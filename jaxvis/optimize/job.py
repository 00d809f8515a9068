"""A job: everything that a sweep over items and seeds needs, before any of it is done."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from jaxvis.optimize.problem import Problem
from jaxvis.optimize.runs import change_when_interrupted, split_axis
from jaxvis.optimize.solve import Chunk, solve, solve_chunks
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.types import Item, Key, Params, Run


@dataclass(frozen=True)
class Job:
    """A sweep that is planned: one problem, and what varies from picture to picture.

    Picture number `item * seeds + seed` belongs to that item and seed.

    Args:
      problem: one picture's problem.
      params: the network's parameters.
      items: objectives, leaves `[items * seeds, ...]`.
      keys: typed keys `[items * seeds]`, see `jaxvis.optimize.keys`.
      seeds: pictures of every item.
      shared: what the canvases of all pictures have in common, or None.
      start: the first z of every picture, leaves `[items * seeds, ...]`; None asks the
        canvas.
      keep_z: whether a Run has its z.
    """

    problem: Problem
    params: Params
    items: Item
    keys: Key
    seeds: int
    shared: Any = None
    start: Any = None
    keep_z: bool = True

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return self.keys.shape[0]

    def run(
        self, *, skip: Collection[int] = (), chunk: int | None = None, progress: Progress = False
    ) -> Run:
        """Makes all pictures; gives a Run with two leading axes, item and seed.

        Args:
          skip, chunk, progress: see `jaxvis.optimize.solve`.

        Raises:
          ValueError, Interrupted: as `jaxvis.optimize.solve`.
        """
        with change_when_interrupted(self._split):
            run = solve(
                self.problem,
                self.params,
                self.items,
                self.keys,
                shared=self.shared,
                start=self.start,
                skip=skip,
                chunk=chunk,
                keep_z=self.keep_z,
                progress=change_looks(progress, self._split),
            )
        return self._split(run)

    def chunks(
        self, *, skip: Collection[int] = (), chunk: int | None = None, progress: Progress = False
    ) -> Iterator[Chunk]:
        """Makes the pictures chunk by chunk, and keeps none of them.

        Args:
          skip, chunk, progress: see `jaxvis.optimize.solve_chunks`.

        Yields:
          Numbers of pictures, and their Run.

        Raises:
          ValueError, Interrupted: as `jaxvis.optimize.solve_chunks`.
        """
        return solve_chunks(
            self.problem,
            self.params,
            self.items,
            self.keys,
            shared=self.shared,
            start=self.start,
            skip=skip,
            chunk=chunk,
            keep_z=self.keep_z,
            progress=progress,
        )

    def _split(self, run: Run) -> Run:
        return split_axis(run, -1, self.seeds)
