"""One batch of robust training: the attack is driven from Python, the update is a program."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.attacks.norms import Norm
from jaxvis.compiler import jit
from jaxvis.defences.training.goals import (
    climb,
    draw_starts,
    measure_attacked,
    measure_bounds,
    move,
    score_batch,
)
from jaxvis.defences.training.hardening import CERTIFIED, Hardening, Method
from jaxvis.network import Network
from jaxvis.train.images import draw_batch
from jaxvis.train.loop import DrivenStep
from jaxvis.types import Array, Key, Params, Terms

FIXED = ("mean", "var")
"""What norms measured in training; they are used as they are."""


class State(NamedTuple):
    """What a robust training changes.

    Attributes:
      params: row -> the leaves that are learned.
      optimizer: the optimizer's state.
      delta: `[B, H, W, C]`, the perturbation that free training goes on from; else None.
    """

    params: Any
    optimizer: Any
    delta: Array | None


class Given(NamedTuple):
    """What a robust training reads.

    Attributes:
      labels: `[N]` int32, of all images.
      fixed: row -> the leaves that are not learned.
    """

    labels: np.ndarray
    fixed: Any


@dataclass(frozen=True)
class RobustStep(DrivenStep):
    """One batch: attacked, and learned.

    Args:
      net: the network.
      method: see `jaxvis.defences.training.hardening.Method`.
      epsilon: the radius of the ball.
      norm: its norm.
      hardening: all else.
    """

    net: Network
    method: Method
    epsilon: float
    norm: Norm
    hardening: Hardening

    def drive(
        self, state: State, images: Array, key: Key, at: int, *given: Any
    ) -> tuple[State, Terms]:
        """Attacks a batch, and updates the parameters.

        Args:
          images: `[B, H, W, C]` in [0, 1].
          at: how many batches came before.
          *given: a `Given`.
        """
        labels_of_all, fixed = given[0]
        how = self.hardening
        index = draw_batch(len(labels_of_all), at, batch=how.batch, seed=how.seed)
        labels = jnp.asarray(labels_of_all[index])
        for_view, for_start = jax.random.split(key)
        clean = images if how.view is None else _change(how.view, for_view, images)
        if self.method != "clean":  # the balls of attacks are parts of [0, 1]
            clean = jnp.clip(clean, 0, 1)
        if self.method in CERTIFIED:
            part = np.float32(1 if how.ramp == 0 else min(1.0, at / (how.ramp * how.steps)))
            return _learn_bounds(self, state, fixed, clean, labels, part)
        if self.method == "free":
            for _ in range(how.attack_steps):
                state, terms = _learn_free(self, state, fixed, clean, labels)
            return state, terms
        params = join(state.params, fixed)
        moved = clean if self.method == "clean" else self._attack(params, clean, labels, for_start)
        return _learn(self, state, fixed, clean, moved, labels)

    def _attack(self, params: Params, clean: Array, labels: Array, key: Key) -> Array:
        """Returns the attacked images of a batch."""
        how, epsilon = self.hardening, np.float32(self.epsilon)
        length = np.float32(self.epsilon * (how.step_size or 2.5 / how.attack_steps))
        reference, target, start = "labels", labels, epsilon
        if self.method == "trades":
            reference, target = "scores", _score(self.net, params, clean)
            start = np.float32(min(self.epsilon, 1e-3))  # at the image itself nothing diverges
        moved = draw_starts(self.norm, key, clean, start)
        for _ in range(how.attack_steps):
            moved = climb(
                self.net, self.norm, reference, params, clean, moved, target, epsilon, length
            )
        return moved

    def transform(self) -> optax.GradientTransformation:
        """Makes the optimizer: Adam, whose rate falls to 0 along a cosine."""
        how = self.hardening
        updates = how.steps * (how.attack_steps if self.method == "free" else 1)
        return optax.adam(optax.cosine_decay_schedule(how.learning_rate, updates))


def divide(params: Params) -> tuple[Params, Params]:
    """Divides parameters into those that are learned, and those that stay.

    The input's scale and what norms measured stay. The arrays have any shapes.

    Args:
      params: row -> leaves.
    """
    parts: tuple[dict, dict] = ({}, {})
    for row, leaves in params.items():
        for name, value in leaves.items():
            stays = row.rpartition("/")[-1] == "input" or name in FIXED
            parts[stays].setdefault(row, {})[name] = value
    return parts


def join(learned: Params, fixed: Params) -> Params:
    """Puts parameters together again from the two parts of `divide`.

    Args:
      learned, fixed: row -> leaves.
    """
    rows = {**learned, **fixed}
    return {row: {**learned.get(row, {}), **fixed.get(row, {})} for row in rows}


_score = partial(jit, static_argnums=0)(score_batch)


@partial(jit, static_argnums=0)
def _change(view: Any, key: Key, images: Array) -> Array:
    return jax.vmap(view)(jax.random.split(key, len(images)), images)


def _update(step: RobustStep, state: State, slopes: Any) -> State:
    updates, optimizer = step.transform().update(slopes, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    return state._replace(params=params, optimizer=optimizer)


@partial(jit, static_argnums=0, donate_argnums=1)
def _learn(
    step: RobustStep, state: State, fixed: Params, clean: Array, moved: Array, labels: Array
) -> tuple[State, Terms]:
    beta = step.hardening.beta if step.method == "trades" else None

    def compute(learned: Params) -> tuple[Array, Terms]:
        return measure_attacked(step.net, join(learned, fixed), clean, moved, labels, beta)

    slopes, terms = jax.grad(compute, has_aux=True)(state.params)
    return _update(step, state, slopes), terms


@partial(jit, static_argnums=0, donate_argnums=1)
def _learn_free(
    step: RobustStep, state: State, fixed: Params, clean: Array, labels: Array
) -> tuple[State, Terms]:
    """Learns from the attacked images, and attacks them further with the same gradient."""

    def compute(learned: Params, moved: Array) -> tuple[Array, Terms]:
        return measure_attacked(step.net, join(learned, fixed), clean, moved, labels, None)

    assert state.delta is not None
    moved = jnp.clip(clean + state.delta, 0, 1)
    (slopes, uphill), terms = jax.grad(compute, (0, 1), has_aux=True)(state.params, moved)
    epsilon = jnp.float32(step.epsilon)
    length = epsilon * (step.hardening.step_size or 1.0)
    further = move(step.norm, clean, moved, uphill, epsilon, length)
    return _update(step, state._replace(delta=further - clean), slopes), terms


@partial(jit, static_argnums=0, donate_argnums=1)
def _learn_bounds(
    step: RobustStep, state: State, fixed: Params, images: Array, labels: Array, part: Array
) -> tuple[State, Terms]:
    """Learns from certified bounds; `part` of the ramp lies behind."""
    lines = 1 - part if step.method == "crown_ibp" else None

    def compute(learned: Params) -> tuple[Array, Terms]:
        return measure_bounds(
            step.net,
            join(learned, fixed),
            images,
            labels,
            epsilon=part * step.epsilon,
            share=part * step.hardening.bound_share,
            lines=lines,
        )

    slopes, terms = jax.grad(compute, has_aux=True)(state.params)
    return _update(step, state, slopes), terms
