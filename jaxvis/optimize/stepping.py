"""How steps are driven: from Python on a CPU, in a scan on accelerators.

XLA runs convolutions inside a loop 2-4 times slower on a CPU than the same step called
from Python (jax-ml/jax issue 12868); on a GPU a scan of many steps hides dispatch.
This is the only module that knows.

Items of an optimizer that searches finish one by one. Then the batch shrinks: once
half of it has finished, the others go on as a batch of half the size.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.devices import count_devices, split_items
from jaxvis.optimize import step_programs
from jaxvis.optimize.problem import Program, Searching
from jaxvis.optimize.shrinking import Collector
from jaxvis.optimize.step_programs import Batch, Carry
from jaxvis.platform import platform_of
from jaxvis.types import Params, Status, Terms

SHRINK = 16  # steps that must be left to make up for compiling a smaller batch


class Ended(NamedTuple):
    """How a chunk ended, on the host but for z.

    Attributes:
      z: leaves `[n, ...]`.
      trace: every term `[n, steps]`; NaN where no step was taken.
      status: `[n]` int8.
      facts: numbers of each item, `[n]`.
      interrupted: whether Ctrl-C came.
    """

    z: Any
    trace: dict[str, np.ndarray]
    status: np.ndarray
    facts: dict[str, np.ndarray]
    interrupted: bool


def scans(params: Params) -> bool:
    """Says whether steps go in a scan: where the parameters lie on an accelerator.

    Args:
      params: the network's parameters.
    """
    return platform_of(params) != "cpu"


def trace_step(batch: Batch, carry: Carry, steps: int) -> jax.stages.Traced:
    """Traces the program that `drive` will run most.

    Args:
      batch, carry: shapes are enough.
      steps: how many there will be.
    """
    many = scans(batch.params) and steps >= step_programs.SCAN
    step = step_programs.step_many if many else step_programs.step_once
    return step.trace(*batch, carry, np.int32(0))


def never(done: int, count: int) -> bool:
    """Says that there is no look.

    Args:
      done, count: see `jaxvis.optimize.watch.Watch.is_due`.
    """
    del done, count
    return False


def drive(
    batch: Batch,
    carry: Carry,
    steps: int,
    *,
    opening: tuple[Batch, int] | None = None,
    tick: Callable[[int], None],
    stopped: Callable[[], bool] = lambda: False,
    is_due: Callable[[int, int], bool] = never,
    look: Callable[[Ended], Any] = lambda end: None,
) -> Ended:
    """Takes all steps of a chunk.

    Nothing is copied to the host on the way, but for one bool an item where the
    optimizer searches, and for a look. On Ctrl-C the items end where they are.

    Args:
      batch: what the steps read.
      carry: as `begin` makes it; it is consumed.
      steps: how many.
      opening: what the first steps read instead, and how many these are; None where all
        steps are alike. An optimizer that searches has none.
      tick: called with k after k more steps.
      stopped: says whether Ctrl-C came and is held back.
      is_due: says, of how many steps are done and how many the latest were, whether
        there is a look.
      look: called with how the items stand; the next step consumes their z.

    Raises:
      KeyboardInterrupt: on Ctrl-C before anything is there to end with.
    """
    searching = isinstance(batch.program.optimizer, Searching)
    collector = Collector(len(batch.keys), steps, devices=count_devices(batch.layout.mesh))
    done, interrupted, scan = 0, False, scans(batch.params)
    before: Terms | None = None
    first, opened = opening or (batch, 0)
    try:
        while done < steps:
            if stopped():
                raise KeyboardInterrupt
            begins = done < opened
            many = scan and (opened if begins else steps) - done >= step_programs.SCAN
            step = step_programs.step_many if many else step_programs.step_once
            carry, new = step(*(first if begins else batch), carry, np.int32(done))
            # One step waits while the other runs: a device that is done has its next one.
            jax.block_until_ready(before)
            before = new
            collector.add_terms(new)
            count = step_programs.SCAN if many else 1
            done += count
            tick(count)
            if searching:
                alive = np.asarray(carry.alive)
                if not collector.has_running(alive):
                    tick(steps - done)
                    break
                if steps - done >= SHRINK:
                    batch, carry = _shrink(batch, carry, collector, alive)
            if done < steps and is_due(done, count):
                look(_end_here(collector, batch, carry, done, cut=True))
    except KeyboardInterrupt:
        if not done or any(leaf.is_deleted() for leaf in jax.tree.leaves(carry)):
            raise
        interrupted = True
    return _end_here(collector, batch, carry, done, cut=interrupted)


def _end_here(collector: Collector, batch: Batch, carry: Carry, done: int, *, cut: bool) -> Ended:
    """Says how the items stand after `done` steps; where these were cut short, UNFINISHED."""
    searching = isinstance(batch.program.optimizer, Searching)
    z, facts = collector.merge(*_end(batch.program, carry))
    trace, running = collector.gather_trace(), cut and done < collector.steps
    status = np.array(facts.pop("status"), np.int8)
    unfinished = running & (status == Status.DONE)
    dead = ~np.asarray(facts.pop("reached")) | _lacks_progress(trace, searching)
    ends_well = (Status.DONE, Status.CONVERGED, Status.STALLED)
    status[dead & np.isin(status, ends_well)] = Status.DEAD
    status[unfinished] = Status.UNFINISHED
    facts["steps"] = np.full(len(status), done, np.int32)
    return Ended(z, trace, status, facts, cut)


def _shrink(
    batch: Batch, carry: Carry, collector: Collector, alive: np.ndarray
) -> tuple[Batch, Carry]:
    """Makes the batch smaller where enough of its items have finished."""
    index = collector.shrink(alive)
    if index is None:
        return batch, carry
    collector.note_end(*_end(batch.program, carry))
    batch, carry = _take_rows(batch, carry, index)
    collector.keep(index, alive)
    return batch, carry


def _take_rows(batch: Batch, carry: Carry, index: np.ndarray) -> tuple[Batch, Carry]:
    layout = batch.layout
    own = batch.params if layout.params_axis == 0 else None
    rows = (batch.items, batch.keys, carry, own)
    local = index % (len(batch.keys) // count_devices(layout.mesh))
    local = split_items(local, layout.mesh)
    items, keys, carry, own = step_programs.take(rows, local, mesh=layout.mesh)
    params = batch.params if own is None else own
    return batch._replace(items=items, keys=keys, params=params), carry


def _end(program: Program, carry: Carry) -> tuple[Any, dict[str, Any]]:
    """Gives z and the facts of the end, `[n]` each."""
    z, state, alive, reached = carry
    if isinstance(program.optimizer, Searching):
        _, recorded = program.canvas.split(z)
        facts = {"status": state.status, "evaluations": state.evaluations, "reached": reached}
        return jax.vmap(program.canvas.join)(state.solution, recorded), facts
    status = np.where(np.asarray(alive), Status.DONE, Status.FAILED).astype(np.int8)
    return z, {"status": status, "reached": reached}


def _lacks_progress(trace: dict[str, np.ndarray], searching: bool) -> np.ndarray:
    """Says of every item whether its objective stayed exactly the same, `[n]` bool.

    A search that finds no better point stays where it is without being dead: there the
    loss, which the priors lower, must have moved all the same.
    """
    stays = _is_constant(trace.get("objective", trace["loss"]))
    return stays & ~_is_constant(trace["loss"]) if searching else stays


def _is_constant(values: np.ndarray) -> np.ndarray:
    seen = np.isfinite(values)
    low = np.min(values, axis=1, initial=np.inf, where=seen)
    high = np.max(values, axis=1, initial=-np.inf, where=seen)
    return (low == high) & (np.sum(seen, axis=1) > 1)
