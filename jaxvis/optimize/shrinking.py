"""Collects the results of a shrinking batch in their original order."""

from typing import Any

import jax
import numpy as np

from jaxvis.types import Array, Terms


class Collector:
    """The results of `count` items, some of which leave the batch early.

    Args:
      count: items at the start.
      steps: the trace's length.
      devices: how many share the items; each keeps its own, all equally many.
    """

    def __init__(self, count: int, steps: int, *, devices: int = 1) -> None:
        self._count, self.steps, self._devices = count, steps, devices
        self._slots = np.arange(count)
        """Which item a row of the batch is; -1 where it is there to fill it."""
        self._parts: list[tuple[np.ndarray, Terms]] = []
        self._z: Any = None
        self._end: dict[str, np.ndarray] = {}

    def add_terms(self, terms: Terms) -> None:
        """Adds the `terms` of k more steps of the present batch, `[k, n]`, or `[n]` of one."""
        self._parts.append((self._slots, terms))

    def has_running(self, alive: np.ndarray) -> bool:
        """Says whether any item of the batch still runs.

        Args:
          alive: `[n]` bool.
        """
        return bool((alive & (self._slots >= 0)).any())

    def shrink(self, alive: np.ndarray) -> np.ndarray | None:
        """Chooses the rows `[k]` of a smaller batch with every running item, or None.

        Sizes of a device's part are halves of halves, so that few programs are compiled;
        what a size has too much is filled with finished items.

        Args:
          alive: `[n]` bool.
        """
        runs = (alive & (self._slots >= 0)).reshape(self._devices, -1)
        part = size = runs.shape[1]
        running = int(runs.sum(axis=1).max())
        while size > 1 and running <= size // 2:
            size = -(-size // 2)
        if size == part:
            return None
        rows = np.argsort(~runs, axis=1, kind="stable")[:, :size]
        first = part * np.arange(self._devices)[:, None]
        return (first + rows).ravel().astype(np.int32)

    def keep(self, index: np.ndarray, alive: np.ndarray) -> None:
        """Makes the rows `index` the present batch; those not `alive` only fill it.

        Args:
          index: `[k]` rows of the batch before.
          alive: `[n]` bool, of that batch.
        """
        self._slots = np.where(alive[index], self._slots[index], -1)

    def note_end(self, z: Any, end: dict[str, Array]) -> None:
        """Notes how the present batch stands; a later note replaces it.

        Args:
          z: leaves `[n, ...]`.
          end: the facts of the end, `[n]` each.
        """
        self._z, self._end = self.merge(z, end)

    def merge(self, z: Any, end: dict[str, Array]) -> tuple[Any, dict[str, np.ndarray]]:
        """Gives z and the facts of the end of every item, leaves `[count, ...]`.

        Args:
          z: of the present batch, leaves `[n, ...]`.
          end: the facts of its end, `[n]` each.
        """
        if self._z is None:
            return z, jax.tree.map(np.array, end)
        mine = self._slots >= 0
        where = self._slots[mine]
        whole = jax.tree.map(np.array, (self._z, self._end))
        for old, new in zip(jax.tree.leaves(whole), jax.tree.leaves((z, end))):
            old[where] = np.asarray(new)[mine]
        return whole

    def gather_trace(self) -> dict[str, np.ndarray]:
        """Puts every term in one array `[count, steps]`; NaN where no step was taken.

        Where evaluations are marked as accepted or not, a term stays at the last one
        that was.
        """
        # On the host: XLA takes half a second to compile a joint of 256 parts.
        parts = [(slots, jax.tree.map(np.atleast_2d, new)) for slots, new in self._parts]
        terms = {name: self._join_term(name, parts) for name in parts[0][1]}
        accepted = terms.pop("accepted", None)
        if accepted is None:
            return terms
        steps = np.where(accepted == 1, np.arange(self.steps), 0)
        last = np.maximum.accumulate(steps, axis=1)
        return {name: np.take_along_axis(term, last, axis=1) for name, term in terms.items()}

    def _join_term(self, name: str, parts: list) -> np.ndarray:
        """Joins one term to `[count, steps]`; NaN where an item had left."""
        values = [new[name] for _, new in parts]
        if sum(map(len, values)) == self.steps and parts[0][0] is self._slots:
            return np.concatenate(values).T
        kind = np.result_type(values[0].dtype, np.float32)
        whole, at = np.full((self._count, self.steps), np.nan, kind), 0
        for (slots, _), value in zip(parts, values):
            mine = slots >= 0
            whole[slots[mine], at : at + len(value)] = value[:, mine].T
            at += len(value)
        return whole
