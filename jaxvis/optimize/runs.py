"""Runs put together: chunks of one sweep, stages of one optimisation, seeds of an item."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.optimize.keys import check_seeds
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.types import Interrupted, Run, Status

Stage = Callable[[Run | None, Progress], Run]
"""Makes the Run of a stage from the Run of the stage before, None at first. It hands
what shows its progress on to the solver."""


def repeat_item(item: Any, count: int) -> Any:
    """Gives an item the sweep's axis, with `count` copies of it.

    Args:
      item: a pytree of numbers and arrays.
      count: how many.

    Raises:
      ValueError: if count is below 1.
    """
    check_seeds(count)
    return jax.tree.map(lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], count, 0), item)


def repeat_items(items: Any, seeds: int) -> Any:
    """Repeats every item of a sweep for its seeds, leaves `[n * seeds, ...]`.

    Args:
      items: leaves `[n, ...]`.
      seeds: copies of every item, which stay side by side.
    """
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, seeds, axis=0), items)


def stack_objectives(objectives: Sequence[Any]) -> Any:
    """Stacks objectives of one structure to items, leaves `[n, ...]`.

    Args:
      objectives: at least one. A weight of 1 gives each a leaf, and with it an axis.

    Raises:
      ValueError: if they differ in more than their numbers.
    """
    weighted = [1.0 * objective for objective in objectives]
    trees: list[object] = [jax.tree.structure(objective) for objective in weighted]
    shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(one)] for one in weighted]
    if any(tree != trees[0] for tree in trees) or any(one != shapes[0] for one in shapes):
        raise ValueError(
            "the objectives of one sweep must differ in their numbers alone (index, "
            "direction, target): give those on other taps a sweep of their own"
        )
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *weighted)


def split_axis(run: Run, *lead: int) -> Run:
    """Gives a run several leading axes in place of the sweep's one.

    Args:
      run: leaves `[N, ...]`.
      *lead: the sizes of the axes; one may be -1.
    """
    return jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]), run)


@contextmanager
def change_when_interrupted(change: Callable[[Run], Run]) -> Iterator[None]:
    """Changes the Run that an interruption inside the block carries.

    A method that gives its Run another shape does the same to an interrupted one.

    Args:
      change: of the Run.
    """
    try:
        yield
    except Interrupted as stop:
        raise Interrupted(None if stop.run is None else change(stop.run)) from None


def join_chunks(parts: Sequence[tuple[np.ndarray, Run]], count: int) -> Run:
    """Puts the chunks of a sweep in their places; what is missing is NaN and UNFINISHED.

    Args:
      parts: positions `[n]` and their Run, at least one.
      count: N, the length of the sweep.
    """
    where = np.concatenate([positions for positions, _ in parts])
    in_place = np.array_equal(where, np.arange(count))

    def join(fill: Any, *leaves: np.ndarray) -> np.ndarray:
        found = np.concatenate(leaves)
        if in_place:
            return found
        missing = np.nan if fill is None and found.dtype.kind == "f" else fill or 0
        whole = np.full((count, *found.shape[1:]), missing, found.dtype)
        whole[where] = found
        return whole

    runs = [run for _, run in parts]
    rest = [run._replace(status=None) for run in runs]
    joined = jax.tree.map(lambda *leaves: join(None, *leaves), *rest)
    return joined._replace(status=join(Status.UNFINISHED, *(run.status for run in runs)))


def join_items(runs: Sequence[Run]) -> Run:
    """Joins the runs of different items, such as those of several calls, along the sweep.

    Args:
      runs: leaves `[n, ...]` each. Terms and facts that only some have are left out. The
        terms of a run with fewer steps, such as an interrupted one, are NaN at the end.
    """
    terms = set.intersection(*(set(run.trace) for run in runs))
    facts = set.intersection(*(set(run.facts) for run in runs))
    steps = max((run.trace[name].shape[-1] for run in runs for name in terms), default=0)
    alike = [
        run._replace(
            trace={name: _extend(run.trace[name], steps) for name in sorted(terms)},
            facts={name: run.facts[name] for name in sorted(facts)},
        )
        for run in runs
    ]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *alike)


def _extend(values: np.ndarray, steps: int) -> np.ndarray:
    """Extends the values of a term `[..., k]` to `steps` by NaN."""
    missing = steps - values.shape[-1]
    if not missing:
        return values
    widths = [(0, 0)] * (values.ndim - 1) + [(0, missing)]
    return np.pad(values, widths, constant_values=np.nan)


def run_stages(stages: Sequence[Stage], *, progress: Progress = False) -> Run:
    """Runs stages that follow each other, and joins them.

    Traces are joined along their steps, facts are added, z and image are the last
    stage's. An item that failed, or was interrupted, in any stage has that status; one
    is DEAD only if it was in every stage.

    Args:
      stages: from the first to the last.
      progress: see `jaxvis.optimize.solve`; a watch is shown the stages so far, joined.

    Raises:
      Interrupted: on Ctrl-C; it carries the stages so far, joined, whose items are
        UNFINISHED, but for those that ended within the last stage.
    """
    runs: list[Run] = []
    for number, stage in enumerate(stages, 1):
        try:
            look = change_looks(progress, partial(_join_look, tuple(runs)))
            runs.append(stage(runs[-1] if runs else None, look))
        except KeyboardInterrupt as stop:
            found = stop.run if isinstance(stop, Interrupted) else None
            if found is not None:
                runs.append(found)
            elif not runs:
                raise Interrupted from None
            whole = _join_stages(runs)
            # What ended within the last stage has ended.
            last = found is not None and number == len(stages)
            raise Interrupted(whole if last else _mark_unfinished(whole)) from None
    return _join_stages(runs)


def _join_look(before: Sequence[Run], run: Run) -> Run:
    """Joins the stages that ended and the one that goes on: no item has ended."""
    return _mark_unfinished(_join_stages([*before, run]))


def _mark_unfinished(run: Run) -> Run:
    """Marks all items as UNFINISHED, but for those that failed."""
    failed = run.status == Status.FAILED
    return run._replace(status=np.where(failed, run.status, np.int8(Status.UNFINISHED)))


def _join_stages(runs: Sequence[Run]) -> Run:
    last = runs[-1]
    trace = {
        name: np.concatenate([run.trace[name] for run in runs], axis=-1) for name in last.trace
    }
    counts = {
        name: np.sum([run.facts[name] for run in runs], axis=0, dtype=last.facts[name].dtype)
        for name in last.facts
        if name != "chunk"
    }
    statuses = np.stack([run.status for run in runs])
    status = np.array(last.status)
    dead = np.all(statuses == Status.DEAD, axis=0)
    status[(status == Status.DEAD) & ~dead] = Status.DONE
    for worse in (Status.UNFINISHED, Status.FAILED):
        status[np.any(statuses == worse, axis=0)] = worse
    return Run(last.z, last.image, trace, status, {**last.facts, **counts})
