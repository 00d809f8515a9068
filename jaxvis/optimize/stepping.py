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
import jax.numpy as jnp
import numpy as np

from jaxvis.optimize import step_programs
from jaxvis.optimize.problem import Program, Searching
from jaxvis.optimize.shrinking import Collector
from jaxvis.optimize.step_programs import Batch, Carry
from jaxvis.platform import platform_of
from jaxvis.types import Array, Params, Status

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
    return step.trace(batch.axis, batch.program, *batch[2:], carry, np.int32(0))


def drive(
    batch: Batch,
    carry: Carry,
    steps: int,
    *,
    tick: Callable[[int], None],
) -> Ended:
    """Takes all steps of a chunk.

    Nothing is copied to the host on the way, but for one bool an item where the
    optimizer searches. On Ctrl-C the items end where they are.

    Args:
      batch: what the steps read.
      carry: as `begin` makes it; it is consumed.
      steps: how many.
      tick: called with k after k more steps.

    Raises:
      KeyboardInterrupt: on Ctrl-C before anything is there to end with.
    """
    searching = isinstance(batch.program.optimizer, Searching)
    collector = Collector(len(batch.keys), steps)
    done, interrupted, scan = 0, False, scans(batch.params)
    try:
        while done < steps:
            many = scan and steps - done >= step_programs.SCAN
            step = step_programs.step_many if many else step_programs.step_once
            carry, new = step(batch.axis, batch.program, *batch[2:], carry, np.int32(done))
            jax.block_until_ready(carry.alive)
            collector.add_terms(new)
            count = step_programs.SCAN if many else 1
            done += count
            tick(count)
            if not searching:
                continue
            alive = np.asarray(carry.alive)
            if not collector.has_running(alive):
                tick(steps - done)
                break
            index = collector.shrink(alive) if steps - done >= SHRINK else None
            if index is not None:
                collector.note_end(*_end(batch.program, carry))
                batch, carry = _take_rows(batch, carry, index)
                collector.keep(index, alive)
    except KeyboardInterrupt:
        if not done or any(leaf.is_deleted() for leaf in jax.tree.leaves(carry)):
            raise
        interrupted = True
    collector.note_end(*_end(batch.program, carry))
    trace, status, facts = _gather(collector, searching, done, cut=interrupted and done < steps)
    return Ended(collector.z, trace, status, facts, interrupted)


def _take_rows(batch: Batch, carry: Carry, index: np.ndarray) -> tuple[Batch, Carry]:
    own = batch.params if batch.axis == 0 else None
    items, keys, carry, own = step_programs.take((batch.items, batch.keys, carry, own), index)
    params = batch.params if own is None else own
    return batch._replace(items=items, keys=keys, params=params), carry


def _end(program: Program, carry: Carry) -> tuple[Any, dict[str, Array]]:
    """Gives z and the facts of the end, `[n]` each."""
    z, state, alive, reached = carry
    if isinstance(program.optimizer, Searching):
        _, recorded = program.canvas.split(z)
        facts = {"status": state.status, "evaluations": state.evaluations, "reached": reached}
        return jax.vmap(program.canvas.join)(state.solution, recorded), facts
    status = jnp.where(alive, Status.DONE, Status.FAILED).astype(jnp.int8)
    return z, {"status": status, "reached": reached}


def _gather(
    collector: Collector, searching: bool, done: int, *, cut: bool
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """Gathers trace, status and facts; where steps were `cut` short, what ran is UNFINISHED."""
    trace, facts = collector.gather_trace(), collector.end
    status = np.array(facts.pop("status"), np.int8)
    unfinished = cut & (status == Status.DONE)
    dead = ~np.asarray(facts.pop("reached")) | _lacks_progress(trace, searching)
    ends_well = (Status.DONE, Status.CONVERGED, Status.STALLED)
    status[dead & np.isin(status, ends_well)] = Status.DEAD
    status[unfinished] = Status.UNFINISHED
    facts["steps"] = np.full(len(status), done, np.int32)
    return trace, status, facts


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
