"""The line in which images wait for an attack, and what became of those that are done."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.attack import Row


class Result(NamedTuple):
    """What became of one row, on the host.

    Attributes:
      image: `[H, W, C]`.
      fooled, finite: see `jaxvis.attacks.programs.Found`.
      distance: the norm of the perturbation.
      label: what the network says of it.
      queries: how many images the network has seen.
      loss: before every step, `[steps taken]`.
      ended: whether it ended by itself; False where it was interrupted.
    """

    image: np.ndarray
    fooled: bool
    finite: bool
    distance: float
    label: int
    queries: int
    loss: np.ndarray
    ended: bool


@dataclass
class Line:
    """The rows that wait, and the results of those that are done.

    Args:
      images: what is known of every image, leaves `[N, ...]`, on the host.
      image: `[n]`, which image a row attacks.
      epsilon: `[n]`, how far it may go.
      restart: `[n]` int32, which restart it is.
      keys: `[n]` typed keys.
      order: `[n]`, the rows in the order in which they are begun.
      results: row -> its result; those that are here already are not begun.
      settles: whether a success settles the rows of its image that come after it.
    """

    images: Row
    image: np.ndarray
    epsilon: np.ndarray
    restart: np.ndarray
    keys: Any
    order: np.ndarray
    results: dict[int, Result] = field(default_factory=dict)
    settles: bool = False

    def __post_init__(self) -> None:
        """Lets the rows wait that have no result."""
        self._waiting = deque(int(row) for row in self.order if int(row) not in self.results)
        self._solved: dict[int, int] = {}
        for row, one in self.results.items():
            self._note_success(row, one)

    def __len__(self) -> int:
        return len(self._waiting)

    def pick(self, rows: np.ndarray) -> tuple[Row, Any]:
        """Picks rows and their keys.

        Args:
          rows: `[k]`, their numbers.
        """
        picked = jax.tree.map(lambda leaf: jnp.asarray(leaf[self.image[rows]]), self.images)
        own = {"epsilon": self.epsilon[rows], "restart": self.restart[rows]}
        return picked._replace(**jax.tree.map(jnp.asarray, own)), self.keys[rows]

    def note(self, row: int, result: Result) -> None:
        """Keeps the result of a row.

        Args:
          row: its number.
          result: what became of it.
        """
        self.results[row] = result
        self._note_success(row, result)

    def _note_success(self, row: int, result: Result) -> None:
        """Remembers with which row of an image the smallest epsilon succeeded."""
        known = self._solved.get(int(self.image[row]))
        smaller = known is None or self.epsilon[row] < self.epsilon[known]
        if result.fooled and result.ended and smaller:
            self._solved[int(self.image[row])] = row

    def _find_settling(self, row: int) -> int | None:
        """Finds a row of the same image, and no larger epsilon, that succeeded."""
        known = self._solved.get(int(self.image[row])) if self.settles else None
        if known is None or self.epsilon[known] > self.epsilon[row]:
            return None
        return known

    def take(self, count: int) -> list[int]:
        """Takes the next rows, `count` at most; a row that is settled gets its result."""
        taken: list[int] = []
        while self._waiting and len(taken) < count:
            row = self._waiting.popleft()
            settled = self._find_settling(row)
            if settled is None:
                taken.append(row)
            else:
                self._copy(settled, row)
        return taken

    def settle(self) -> None:
        """Gives every row the first success before it, as if one row came after another.

        Rows that were begun together do not know of each other, and how many are depends on
        the machine; the result does not.
        """
        if not self.settles:
            return
        first: dict[int, int] = {}
        for row in map(int, self.order):
            image = int(self.image[row])
            if image in first:
                self._copy(first[image], row)
            elif row in self.results and self.results[row].fooled and self.results[row].ended:
                first[image] = row

    def _copy(self, settled: int, row: int) -> None:
        """Gives a row the result of another, at no cost."""
        same = self.results[settled]
        self.results[row] = same._replace(queries=0, loss=same.loss[:0])
