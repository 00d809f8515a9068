"""Groups of pictures in a folder: made together, written one by one."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any

import jax
import numpy as np

from jaxvis.optimize.job import Job
from jaxvis.optimize.solve import Chunk
from jaxvis.optimize.watch import Progress
from jaxvis.types import Run


@dataclass(frozen=True)
class Members(Job):
    """A job of groups, as a job of their pictures.

    Picture number `group * members + member` is that member of the group.

    Args:
      members: pictures of a group.
    """

    members: int = 1

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return self.keys.shape[0] * self.members

    def chunks(
        self, *, skip: Collection[int] = (), chunk: int | None = None, progress: Progress = False
    ) -> Iterator[Chunk]:
        """Makes the groups chunk by chunk, and gives their pictures.

        Args:
          skip: pictures that are done; a group is left out where all of its own are.
          chunk: groups that a device makes together.
          progress: see `jaxvis.optimize.solve_chunks`.

        Yields:
          Numbers of pictures, and their Run.

        Raises:
          ValueError, Interrupted: as `jaxvis.optimize.solve_chunks`.
        """
        done, each = set(skip), range(self.members)
        groups = self.count // self.members
        whole = {g for g in range(groups) if done.issuperset(g * self.members + k for k in each)}
        for numbers, run in super().chunks(skip=whole, chunk=chunk, progress=progress):
            places = np.asarray(numbers)[:, None] * self.members + np.arange(self.members)
            yield places.ravel(), spread_groups(run, self.members)


def list_members(job: Job, members: int) -> Members:
    """Gives a job of groups as a job of their pictures.

    Args:
      job: of groups.
      members: pictures of a group.
    """
    known = {field.name: getattr(job, field.name) for field in fields(job)}
    return Members(**known, members=members)


def spread_groups(run: Run, members: int) -> Run:
    """Gives the pictures of groups one by one, each with its group's traces and status.

    Args:
      run: image `[n, members, H, W, C]`, the other leaves `[n, ...]`.
      members: pictures of a group.
    """
    images = np.asarray(run.image)

    def repeat(leaf: Any) -> np.ndarray:
        return np.repeat(np.asarray(leaf), members, axis=0)

    rest = jax.tree.map(repeat, run._replace(z=(), image=()))
    return rest._replace(image=images.reshape(-1, *images.shape[2:]))
