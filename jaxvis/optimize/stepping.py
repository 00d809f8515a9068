"""How steps are driven: from Python on CPU, in a scan on accelerators.

XLA runs convolutions inside a loop 2-4 times slower on CPU than the same step called
from Python (jax-ml/jax issue 12868); on a GPU a scan of many steps hides dispatch.
This is the only module that knows.

Items of an optimizer that searches finish one by one. Then the batch shrinks: once
half of it has finished, the others go on as a batch of half the size.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.optimize.problem import Problem, Searching
from jaxvis.optimize.remat import lean
from jaxvis.optimize.shrinking import Gathered
from jaxvis.types import Array, Item, Key, Params, Status, Terms

SCAN = 32  # steps a dispatch on accelerators: hides dispatch, keeps the bar moving

START = 2**31  # folded in for the first z

SHRINK = 16  # steps that must be left to make up for compiling a smaller batch

Carry = tuple[Any, Any, Array]
"""z, optimizer state, alive `[n]` bool; all with the items' axis in front.

Alive is what is finite so far and, where the optimizer searches, has not finished.
"""


def _step_one(
    problem: Problem, params: Params, item: Item, key: Key, carry: Carry, step: Array
) -> tuple[Carry, Terms]:
    """Returns one item's next carry and terms; a dead item keeps its last finite z."""
    z, state, alive = carry
    searching = isinstance(problem.optimizer, Searching)
    # A search compares values of one function: its randomness is drawn once.
    key = jax.random.fold_in(key, 0 if searching else step)
    loss = lean(problem.loss) if problem.remat else problem.loss
    objective = lambda z: loss(params, z, item, key)  # noqa: E731
    (value, terms), grad = jax.value_and_grad(objective, has_aux=True)(z)
    optimizer = optax.with_extra_args_support(problem.optimizer)
    updates, new_state = optimizer.update(
        grad, state, z, value=value, grad=grad, value_fn=lambda z: objective(z)[0]
    )
    new_z = optax.apply_updates(z, updates)
    terms = {"loss": value, **terms}
    if searching:
        terms["accepted"] = new_state.accepted
        return (new_z, new_state, new_state.status == Status.DONE), terms
    if problem.projection is not None:
        new_z = problem.projection(new_z)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((value, new_z))]
    alive = alive & jnp.all(jnp.stack(finite))
    keep = partial(jax.tree.map, lambda new, old: jnp.where(alive, new, old))
    return (keep(new_z, z), keep(new_state, state), alive), terms


def _step(problem, axis, params, items, keys, carry, step):
    one = partial(_step_one, problem)
    return jax.vmap(one, (axis, 0, 0, 0, None))(params, items, keys, carry, step)


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(5,))
def step_once(
    problem: Problem,
    axis: int | None,
    params: Params,
    items: Item,
    keys: Array,
    carry: Carry,
    step: Array,
) -> tuple[Carry, Terms]:
    """Returns the carry after one step of every item, and the terms `[n]` before it.

    Args:
      problem: one item's problem, static.
      axis: 0 where `params` carry the items' axis, None where they are shared.
      params: the network's parameters.
      items: objectives, leaves `[n, ...]`.
      keys: `[n]` typed keys, one an item.
      carry: z, optimizer state and alive, leaves `[n, ...]`; it is consumed.
      step: how many updates came before, `[]` int32.
    """
    return _step(problem, axis, params, items, keys, carry, step)


@partial(jax.jit, static_argnums=(0, 1, 7), donate_argnums=(5,))
def step_many(
    problem: Problem,
    axis: int | None,
    params: Params,
    items: Item,
    keys: Array,
    carry: Carry,
    step: Array,
    count: int,
) -> tuple[Carry, Terms]:
    """Returns the carry after `count` steps, and the terms `[count, n]`.

    Args:
      problem: one item's problem, static.
      axis: 0 where `params` carry the items' axis, None where they are shared.
      params: the network's parameters.
      items: objectives, leaves `[n, ...]`.
      keys: `[n]` typed keys, one an item.
      carry: z, optimizer state and alive, leaves `[n, ...]`; it is consumed.
      step: how many updates came before, `[]` int32.
      count: steps to take, static.
    """

    def body(carry: Carry, step: Array) -> tuple[Carry, Terms]:
        return _step(problem, axis, params, items, keys, carry, step)

    return jax.lax.scan(body, carry, step + jnp.arange(count))


def scanned() -> bool:
    """Returns whether steps go in a scan: on accelerators."""
    return jax.default_backend() != "cpu"


def traced(
    problem: Problem,
    axis: int | None,
    params: Params,
    items: Item,
    keys: Array,
    carry: Carry,
) -> jax.stages.Traced:
    """Returns the program that `drive` will run most, traced.

    Args:
      problem, axis, params, items, keys, carry: see `step_once`; shapes are enough.
    """
    arguments = (problem, axis, params, items, keys, carry, np.int32(0))
    if scanned():
        return step_many.trace(*arguments, min(SCAN, problem.steps))
    return step_once.trace(*arguments)


def _begin_one(problem: Problem, key: Key, start: Any) -> Carry:
    # Steps fold in 0, 1, 2..., the last image `steps`; the start collides with none.
    z = problem.canvas.init(jax.random.fold_in(key, START)) if start is None else start
    state = problem.optimizer.init(z)
    if isinstance(problem.optimizer, Searching):
        z = state.solution
    return z, state, jnp.array(True)


@partial(jax.jit, static_argnums=0)
def begin(problem: Problem, keys: Array, start: Any) -> Carry:
    """Returns the first carry of items.

    Args:
      problem: one item's problem, static.
      keys: `[n]` typed keys, one an item.
      start: first z, leaves `[n, ...]`, or None to ask the canvas.
    """
    return jax.vmap(partial(_begin_one, problem))(keys, start)


@partial(jax.jit, static_argnums=0)
def finish(problem: Problem, keys: Array, z: Any) -> Array:
    """Returns the images `[n, H, W, 3]` of z, finished and clipped to [0, 1].

    Args:
      problem: one item's problem, static.
      keys: `[n]` typed keys, one an item.
      z: canvas parameters, leaves `[n, ...]`.
    """

    def one(key: Key, z: Any) -> Array:
        key = jax.random.fold_in(key, problem.steps)
        image = problem.canvas.decode(z, key)
        if problem.finish is not None:
            image = problem.finish(key, image)
        return jnp.clip(image, 0.0, 1.0)

    return jax.vmap(one)(keys, z)


@jax.jit
def take(tree: Any, index: Array) -> Any:
    """Returns rows of every leaf.

    Args:
      tree: leaves `[n, ...]`.
      index: `[k]` int32.
    """
    return jax.tree.map(lambda leaf: leaf[index], tree)


def drive(
    problem: Problem,
    axis: int | None,
    params: Params,
    items: Item,
    keys: Array,
    carry: Carry,
    *,
    tick: Callable[[int], None],
) -> tuple[Any, dict[str, np.ndarray]]:
    """Returns z after all steps and the trace: every term `[n, steps]`, status `[n]`.

    Nothing is copied to the host on the way, but for one bool an item where the
    optimizer searches.

    Args:
      problem, axis, params, items, keys, carry: see `step_once`.
      tick: called with k after k more steps.
    """
    searching = isinstance(problem.optimizer, Searching)
    gathered, done = Gathered(len(keys), problem.steps), 0
    while done < problem.steps:
        count = min(SCAN, problem.steps - done) if scanned() else 1
        at = np.int32(done)
        if scanned():
            carry, new = step_many(problem, axis, params, items, keys, carry, at, count)
        else:
            carry, new = step_once(problem, axis, params, items, keys, carry, at)
            new = jax.tree.map(lambda value: value[None], new)
        jax.block_until_ready(carry[2])
        gathered.terms(new)
        done += count
        tick(count)
        if not searching:
            continue
        alive = np.asarray(carry[2])
        if not gathered.running(alive):
            tick(problem.steps - done)
            break
        index = gathered.shrunk(alive) if problem.steps - done >= SHRINK else None
        if index is not None:
            gathered.results(*_ending(problem, carry))
            own = params if axis == 0 else None
            items, keys, carry, own = take((items, keys, carry, own), index)
            params = params if own is None else own
            gathered.keep(index, alive)
    gathered.results(*_ending(problem, carry))
    return gathered.z, gathered.trace()


def _ending(problem: Problem, carry: Carry) -> tuple[Any, dict[str, Array]]:
    """Returns z and what the trace says of its end, `[n]` each."""
    z, state, alive = carry
    if isinstance(problem.optimizer, Searching):
        return state.solution, {
            "status": state.status,
            "evaluations": state.evaluations,
        }
    return z, {"status": jnp.where(alive, Status.DONE, Status.FAILED).astype(jnp.int8)}
