"""The programs that a step is compiled to: its start, the step itself, its last image.

They are compiled once for each structure of a problem and each shape. The numbers of a
problem, and how many steps there are, are arguments: they never compile again.

Where items lie on several devices, each device runs the program of its own part of them
(`jax.shard_map`), and nothing passes from one to another.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec

from jaxvis.compiler import jit
from jaxvis.devices import PARTS, PARTS_OF_STEPS, WHOLE, share
from jaxvis.optimize.keys import unroll_draws
from jaxvis.optimize.problem import Program, Searching
from jaxvis.optimize.rules.rule import transformation_of
from jaxvis.types import Array, Item, Key, Params, Status, Terms

SCAN = 32  # steps a dispatch on accelerators: hides dispatch, keeps the bar moving

START = 2**31  # folded in for the first z


class Carry(NamedTuple):
    """What passes from step to step; every leaf has the items' axis in front.

    Attributes:
      z: the canvas parameters.
      state: of the optimizer.
      alive: `[n]` bool, what is finite so far and, where the optimizer searches, has
        not finished.
      reached: `[n]` bool, whether a gradient other than zero ever reached z.
    """

    z: Any
    state: Any
    alive: Array
    reached: Array


class Layout(NamedTuple):
    """How the items of a batch lie.

    Attributes:
      params_axis: 0 where `params` carry the items' axis, None where they are shared.
      mesh: the devices that share the items, or None for one device.
    """

    params_axis: int | None = None
    mesh: Mesh | None = None

    @property
    def params_spec(self) -> PartitionSpec:
        """How the network's parameters lie on the devices."""
        return WHOLE if self.params_axis is None else PARTS


class Batch(NamedTuple):
    """What the steps of a chunk read and never change.

    Attributes:
      layout: how its items lie.
      program: one item's.
      params: the network's parameters.
      shared: what the canvases of all items have in common, or None.
      items: objectives, leaves `[n, ...]`.
      keys: `[n]` typed keys, one an item.
    """

    layout: Layout
    program: Program
    params: Params
    shared: Any
    items: Item
    keys: Array


def _step_one(
    program: Program, params: Params, shared: Any, item: Item, key: Key, carry: Carry, step: Array
) -> tuple[Carry, Terms]:
    """Takes one step of one item; a dead item keeps its last finite z."""
    z, state, alive, reached = carry
    searching = isinstance(program.optimizer, Searching)
    key = unroll_draws(key)
    # A search compares values of one function: its randomness is drawn once.
    key = jax.random.fold_in(key, 0 if searching else step)
    loss = program.loss.rematerialise() if program.remat else program.loss
    canvas, extra = program.canvas, () if shared is None else (shared,)
    learned, recorded = canvas.split(z)

    def objective(learned: Any) -> tuple[Array, tuple[Terms, Any]]:
        value, terms, seen = loss(params, canvas.join(learned, recorded), item, key, *extra)
        return value, (terms, seen)

    (value, (terms, recorded)), grad = jax.value_and_grad(objective, has_aux=True)(learned)
    optimizer = optax.with_extra_args_support(transformation_of(program.optimizer))
    updates, new_state = optimizer.update(
        grad, state, learned, value=value, grad=grad, value_fn=lambda z: objective(z)[0]
    )
    new_z = canvas.join(optax.apply_updates(learned, updates), recorded)
    terms = {"loss": value, **terms}
    reached = reached | jnp.any(jnp.stack([jnp.any(leaf != 0) for leaf in jax.tree.leaves(grad)]))
    if searching:
        terms["accepted"] = new_state.accepted
        return Carry(new_z, new_state, new_state.status == Status.DONE, reached), terms
    if program.projection is not None:
        new_z = program.projection(new_z)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((value, new_z))]
    alive = alive & jnp.all(jnp.stack(finite))
    keep = partial(jax.tree.map, lambda new, old: jnp.where(alive, new, old))
    return Carry(keep(new_z, z), keep(new_state, state), alive, reached), terms


def _step(layout, program, params, shared, items, keys, carry, step):
    one = partial(_step_one, program)
    axes = (layout.params_axis, None, 0, 0, 0, None)
    return jax.vmap(one, axes)(params, shared, items, keys, carry, step)


def _specs_of_step(layout: Layout) -> tuple[PartitionSpec, ...]:
    return (WHOLE, layout.params_spec, WHOLE, PARTS, PARTS, PARTS, WHOLE)


@jit(static_argnums=0, donate_argnums=6)
def step_once(
    layout: Layout,
    program: Program,
    params: Params,
    shared: Any,
    items: Item,
    keys: Array,
    carry: Carry,
    step: Array,
) -> tuple[Carry, Terms]:
    """Takes one step of every item; gives the carry and the terms `[n]` before it.

    Args:
      layout, program, params, shared, items, keys: see `Batch`.
      carry: it is consumed.
      step: how many updates came before, `[]` int32.
    """
    take_step = share(layout.mesh, partial(_step, layout), _specs_of_step(layout), PARTS)
    return take_step(program, params, shared, items, keys, carry, step)


@jit(static_argnums=0, donate_argnums=6)
def step_many(
    layout: Layout,
    program: Program,
    params: Params,
    shared: Any,
    items: Item,
    keys: Array,
    carry: Carry,
    step: Array,
) -> tuple[Carry, Terms]:
    """Takes `SCAN` steps in a scan; gives the carry and the terms `[SCAN, n]`.

    Args:
      layout, program, params, shared, items, keys, carry, step: see `step_once`.
    """

    def scan(program, params, shared, items, keys, carry, step):
        def body(carry: Carry, step: Array) -> tuple[Carry, Terms]:
            return _step(layout, program, params, shared, items, keys, carry, step)

        return jax.lax.scan(body, carry, step + jnp.arange(SCAN))

    out = (PARTS, PARTS_OF_STEPS)
    take_steps = share(layout.mesh, scan, _specs_of_step(layout), out)
    return take_steps(program, params, shared, items, keys, carry, step)


def _begin_one(program: Program, key: Key, start: Any) -> Carry:
    key = unroll_draws(key)
    # Steps fold in 0, 1, 2..., the last image `steps`; the start collides with none.
    z = program.canvas.init(jax.random.fold_in(key, START)) if start is None else start
    learned, recorded = program.canvas.split(z)
    state = transformation_of(program.optimizer).init(learned)
    if isinstance(program.optimizer, Searching):
        z = program.canvas.join(state.solution, recorded)
    return Carry(z, state, jnp.array(True), jnp.array(False))


@jit(static_argnames="mesh")
def begin(program: Program, keys: Array, start: Any, *, mesh: Mesh | None = None) -> Carry:
    """Makes the first carry of items.

    Args:
      program: one item's.
      keys: `[n]` typed keys, one an item.
      start: first z, leaves `[n, ...]`, or None to ask the canvas.
      mesh: the devices that share the items, or None for one device.
    """

    def begin_all(program: Program, keys: Array, start: Any) -> Carry:
        return jax.vmap(partial(_begin_one, program))(keys, start)

    return share(mesh, begin_all, (WHOLE, PARTS, PARTS), PARTS)(program, keys, start)


@jit(static_argnames="mesh")
def finish(
    program: Program, shared: Any, keys: Array, z: Any, steps: Array, *, mesh: Mesh | None = None
) -> Array:
    """Makes the images `[n, H, W, 3]` of z, finished and clipped to [0, 1].

    Args:
      program: one item's.
      shared: what the canvases have in common, or None.
      keys: `[n]` typed keys, one an item.
      z: canvas parameters, leaves `[n, ...]`.
      steps: how many there were, `[]` int32; folded into the keys.
      mesh: the devices that share the items, or None for one device.
    """

    def finish_all(program: Program, shared: Any, keys: Array, z: Any, steps: Array) -> Array:
        return jax.vmap(partial(_finish_one, program, shared, steps))(keys, z)

    specs = (WHOLE, WHOLE, PARTS, PARTS, WHOLE)
    return share(mesh, finish_all, specs, PARTS)(program, shared, keys, z, steps)


def _finish_one(program: Program, shared: Any, steps: Array, key: Key, z: Any) -> Array:
    key = jax.random.fold_in(unroll_draws(key), steps)
    image = program.canvas.decode(shared, z, key)
    if program.finish is not None:
        image = program.finish(key, image)
    return jnp.clip(image, 0.0, 1.0)


@jit(static_argnames="mesh")
def take(tree: Any, index: Array, *, mesh: Mesh | None = None) -> Any:
    """Takes rows of every leaf; each device takes them from its own part.

    Args:
      tree: leaves `[n, ...]`.
      index: `[k]` int32, places within the part of the device.
      mesh: the devices that share the items, or None for one device.
    """

    def take_rows(tree: Any, index: Array) -> Any:
        return jax.tree.map(lambda leaf: leaf[index], tree)

    return share(mesh, take_rows, (PARTS, PARTS), PARTS)(tree, index)
