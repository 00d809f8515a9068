"""The search for the weight of a loss: runs of descent, each with a constant of its own.

Carlini & Wagner and the elastic net minimise distance + c * loss. The smallest c whose run
fools the network gives the nearest picture. Every image has its own c, and takes the next
one as soon as its run is over, whatever other images do.
"""

from typing import NamedTuple

import jax.numpy as jnp

from jaxvis.types import Array

LARGEST = 1e10
"""The constant at which none that succeeds is looked for any more."""
PROGRESS = 0.9999
"""What part of its least value a loss must fall to in a tenth of a run, or the run ends."""


class Descent(NamedTuple):
    """How far one run of descent has come.

    Attributes:
      iteration: `[]` int32, how many steps it has taken.
      lowest: `[]`, its least loss so far.
      before: `[]`, the least loss when it was last looked at.
      found: `[]` bool, whether it has fooled the network.
    """

    iteration: Array
    lowest: Array
    before: Array
    found: Array


class Search(NamedTuple):
    """Where the binary search over the constant is.

    Attributes:
      constant: `[]`, c of the present run.
      low, high: `[]`, the largest one that failed, and the smallest one that fooled the
        network; 0 and infinity as long as there is none.
      runs: `[]` int32, how many runs are over.
    """

    constant: Array
    low: Array
    high: Array
    runs: Array


def start_descent() -> Descent:
    """Makes the state of a run that has not begun."""
    worst = jnp.float32(jnp.inf)
    return Descent(jnp.int32(0), worst, worst, jnp.array(False))


def note_loss(descent: Descent, loss: Array, fooled: Array, *, steps: int) -> tuple[Descent, Array]:
    """Notes the loss of a step; says whether the run is over.

    It is over after its last step, and where the least loss has not fallen within a tenth
    of all steps.

    Args:
      descent: how far the run has come.
      loss: `[]`, what it lowers.
      fooled: `[]` bool, whether this step fools the network.
      steps: how many a run has at most.
    """
    iteration = descent.iteration + 1
    lowest = jnp.fmin(descent.lowest, loss)
    looks = iteration % max(-(-steps // 10), 1) == 0
    stalled = looks & ~(lowest <= PROGRESS * descent.before)
    before = jnp.where(looks, lowest, descent.before)
    new = Descent(iteration, lowest, before, descent.found | fooled)
    return new, stalled | (iteration >= steps)


def start_search(constant: float) -> Search:
    """Makes the state of a search.

    Args:
      constant: c of the first run.
    """
    return Search(jnp.float32(constant), jnp.float32(0), jnp.float32(jnp.inf), jnp.int32(0))


def choose_constant(search: Search, found: Array, *, runs: int) -> Search:
    """Chooses the constant of the next run.

    It is ten times the last one until a run succeeds, and then halfway between the largest
    one that failed and the smallest one that did not. Of ten runs or more the last one
    repeats the smallest that succeeded.

    Args:
      search: where the search is.
      found: `[]` bool, whether the run that is over has fooled the network.
      runs: how many there are at most.
    """
    low = jnp.where(found, search.low, search.constant)
    high = jnp.where(found, search.constant, search.high)
    constant = jnp.where(jnp.isinf(high), 10 * search.constant, (low + high) / 2)
    if runs >= 10:
        is_last = search.runs + 1 == runs - 1
        constant = jnp.where(is_last & jnp.isfinite(high), high, constant)
    return Search(jnp.minimum(constant, LARGEST), low, high, search.runs + 1)
