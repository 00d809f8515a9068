"""The compiled programs of an attack: its start, its steps, its pictures.

Each is compiled once for an attack, a network and a number of images. Every device runs it
on images of its own, and nothing passes from one to another.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import is_fooled
from jaxvis.attacks.norms import geometry_of
from jaxvis.compiler import jit
from jaxvis.devices import PARTS, PARTS_OF_STEPS, WHOLE, share
from jaxvis.network import Network
from jaxvis.optimize.keys import unroll_draws
from jaxvis.types import Array, Key, Params, View

SCAN = 8
"""Steps of one dispatch on an accelerator, which hide what a dispatch costs."""


@dataclass(frozen=True)
class Program:
    """What the programs of an attack are compiled for.

    Args:
      attack: how one image is attacked.
      net: the network, which names its scores.
      view, samples: see `Model`.
      mesh: the devices that share the images, or None for one device.
    """

    attack: Attack
    net: Network
    view: View | None = None
    samples: int = 1
    mesh: Mesh | None = None

    def bind(self, params: Params) -> Model:
        """Makes the network a function of the image alone."""
        name = self.net.scores or ""

        def score(image: Array) -> Array:
            return self.net.apply(params, image, stop=name)[name].ravel()

        return Model(score, self.view, self.samples)


class Slots(NamedTuple):
    """The images that are attacked at present; every leaf has their axis in front.

    Attributes:
      state: the attack's own.
      step: `[n]` int32, how many steps were taken.
      done: `[n]` bool, whether more would change nothing.
      queries: `[n]` int32, how many images the network has seen.
    """

    state: Any
    step: Array
    done: Array
    queries: Array


class Found(NamedTuple):
    """What an attack found; every leaf has the images' axis in front.

    Attributes:
      image: `[n, H, W, C]` in [0, 1].
      fooled: `[n]` bool, whether the network, asked again, says what was wanted.
      finite: `[n]` bool, whether the picture and its scores are.
      distance: `[n]`, the norm of the perturbation.
      label: `[n]` int32, what the network says of it.
    """

    image: Array
    fooled: Array
    finite: Array
    distance: Array
    label: Array


@jit(static_argnums=0)
def begin(program: Program, params: Params, rows: Row, keys: Array) -> Slots:
    """Makes the first slots of images.

    Args:
      program: what is compiled.
      params: the network's parameters.
      rows: leaves `[n, ...]`.
      keys: `[n]` typed keys.
    """

    def begin_one(params: Params, row: Row, key: Key) -> Slots:
        # Steps fold in 0, 1, 2...; the start collides with none.
        key = jax.random.fold_in(unroll_draws(key), 2**31)
        state, queries = program.attack.begin(program.bind(params), row, key)
        return Slots(state, jnp.int32(0), jnp.array(False), jnp.asarray(queries, jnp.int32))

    def begin_all(params: Params, rows: Row, keys: Array) -> Slots:
        return jax.vmap(begin_one, (None, 0, 0))(params, rows, keys)

    return share(program.mesh, begin_all, (WHOLE, PARTS, PARTS), PARTS)(params, rows, keys)


@jit(static_argnames="mesh")
def refill(new: Slots, old: Slots, fresh: Array, *, mesh: Mesh | None) -> Slots:
    """Puts new images in the slots that are free.

    Args:
      new, old: leaves `[n, ...]`.
      fresh: `[n]` bool, where the new ones go.
      mesh: the devices that share the images, or None for one device.
    """

    def choose(new: Slots, old: Slots, fresh: Array) -> Slots:
        return jax.tree.map(lambda a, b: jax.vmap(jnp.where)(fresh, a, b), new, old)

    return share(mesh, choose, (PARTS, PARTS, PARTS), PARTS)(new, old, fresh)


def _advance_one(
    program: Program, params: Params, row: Row, key: Key, slot: Slots
) -> tuple[Slots, Report]:
    key = jax.random.fold_in(unroll_draws(key), slot.step)
    state, report = program.attack.step(program.bind(params), row, slot.state, key, slot.step)
    state = jax.tree.map(lambda new, old: jnp.where(slot.done, old, new), state, slot.state)
    queries = slot.queries + jnp.where(slot.done, 0, report.queries)
    step = slot.step + jnp.where(slot.done, 0, 1)
    done = slot.done | report.done | (step >= program.attack.steps)
    loss = jnp.where(slot.done, jnp.nan, report.loss)
    return Slots(state, step, done, queries), Report(loss, done, queries)


@partial(jit, static_argnums=(0, 1), donate_argnums=5)
def advance(
    program: Program, count: int, params: Params, rows: Row, keys: Array, slots: Slots
) -> tuple[Slots, Report]:
    """Takes steps of every image that is not done; gives the slots and the reports `[k, n]`.

    Args:
      program: what is compiled.
      count: k, how many steps: one on a CPU, where a loop slows convolutions down.
      params: the network's parameters.
      rows: leaves `[n, ...]`.
      keys: `[n]` typed keys.
      slots: they are consumed.
    """

    def step(params: Params, rows: Row, keys: Array, slots: Slots) -> tuple[Slots, Report]:
        one = partial(_advance_one, program)
        return jax.vmap(one, (None, 0, 0, 0))(params, rows, keys, slots)

    def advance_all(params: Params, rows: Row, keys: Array, slots: Slots) -> Any:
        if count == 1:
            slots, report = step(params, rows, keys, slots)
            return slots, jax.tree.map(lambda leaf: leaf[None], report)
        return jax.lax.scan(lambda slots, _: step(params, rows, keys, slots), slots, length=count)

    specs = (WHOLE, PARTS, PARTS, PARTS)
    out = (PARTS, PARTS_OF_STEPS)
    return share(program.mesh, advance_all, specs, out)(params, rows, keys, slots)


@jit(static_argnums=0)
def end(program: Program, params: Params, rows: Row, slots: Slots) -> Found:
    """Makes the pictures of images, and asks the network about them once more.

    Args:
      program: what is compiled.
      params: the network's parameters.
      rows: leaves `[n, ...]`.
      slots: leaves `[n, ...]`.
    """

    def end_one(params: Params, row: Row, slot: Slots) -> Found:
        model = program.bind(params)
        image = jnp.clip(program.attack.end(model, row, slot.state), 0.0, 1.0)
        finite = jnp.all(jnp.isfinite(image))
        image = jnp.where(finite, image, row.image)
        scores = model.scores(image)
        distance = geometry_of(program.attack.norm).measure(image - row.image)
        # Rounding in the last digits of an image takes nothing from an attack.
        inside = distance <= row.epsilon * (1 + 1e-5) + 1e-6
        fooled = finite & inside & is_fooled(scores, row.label, row.target)
        finite &= jnp.all(jnp.isfinite(scores))
        return Found(image, fooled, finite, distance, jnp.argmax(scores).astype(jnp.int32))

    def end_all(params: Params, rows: Row, slots: Slots) -> Found:
        return jax.vmap(end_one, (None, 0, 0))(params, rows, slots)

    return share(program.mesh, end_all, (WHOLE, PARTS, PARTS), PARTS)(params, rows, slots)
