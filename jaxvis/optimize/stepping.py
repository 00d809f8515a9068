"""How steps are driven: from Python on CPU, in a scan on accelerators.

XLA runs convolutions inside a loop 2-4 times slower on CPU than the same step called
from Python (jax-ml/jax issue 12868); on a GPU a scan of many steps hides dispatch.
This is the only module that knows.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.optimize.problem import Problem
from jaxvis.types import Array, Item, Key, Params, Terms

SCAN = 32  # steps a dispatch on accelerators: hides dispatch, keeps the bar moving

START = 2**31  # folded in for the first z

Carry = tuple[Any, Any, Array]
"""z, optimizer state, alive `[n]` bool; all with the items' axis in front."""


def _step_one(
    problem: Problem, params: Params, item: Item, key: Key, carry: Carry, step: Array
) -> tuple[Carry, Terms]:
    """Returns one item's next carry and terms; a dead item keeps its last finite z."""
    z, state, alive = carry
    key = jax.random.fold_in(key, step)
    objective = lambda z: problem.loss(params, z, item, key)  # noqa: E731
    (value, terms), grad = jax.value_and_grad(objective, has_aux=True)(z)
    optimizer = optax.with_extra_args_support(problem.optimizer)
    updates, new_state = optimizer.update(
        grad, state, z, value=value, grad=grad, value_fn=lambda z: objective(z)[0]
    )
    new_z = optax.apply_updates(z, updates)
    if problem.projection is not None:
        new_z = problem.projection(new_z)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((value, new_z))]
    alive = alive & jnp.all(jnp.stack(finite))
    keep = partial(jax.tree.map, lambda new, old: jnp.where(alive, new, old))
    return (keep(new_z, z), keep(new_state, state), alive), {"loss": value, **terms}


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


def _begin_one(problem: Problem, key: Key, start: Any) -> Carry:
    # Steps fold in 0, 1, 2..., the last image `steps`; the start collides with none.
    z = problem.canvas.init(jax.random.fold_in(key, START)) if start is None else start
    return z, problem.optimizer.init(z), jnp.array(True)


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


def drive(
    problem: Problem,
    axis: int | None,
    params: Params,
    items: Item,
    keys: Array,
    carry: Carry,
    *,
    tick: Callable[[int], None],
) -> tuple[Carry, dict[str, np.ndarray]]:
    """Returns the carry after all steps and every term `[n, steps]`, on the host.

    Nothing is copied to the host on the way.

    Args:
      problem, axis, params, items, keys, carry: see `step_once`.
      tick: called with k after k more steps.
    """
    scanned = jax.default_backend() != "cpu"
    terms, done = [], 0
    while done < problem.steps:
        count = min(SCAN, problem.steps - done) if scanned else 1
        at = np.int32(done)
        if scanned:
            carry, new = step_many(problem, axis, params, items, keys, carry, at, count)
        else:
            carry, new = step_once(problem, axis, params, items, keys, carry, at)
            new = jax.tree.map(lambda value: value[None], new)
        jax.block_until_ready(carry[2])
        terms.append(new)
        done += count
        tick(count)
    # On the host: XLA takes half a second to compile a joint of 256 parts.
    return carry, jax.tree.map(lambda *parts: np.concatenate(parts).T, *terms)
