"""What the attacks for the smallest perturbation have in common.

They share how they say that a picture fools the network, and how they remember the nearest
one that does.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Row
from jaxvis.attacks.losses import margin
from jaxvis.attacks.norms import geometry_of
from jaxvis.types import Array, Image, Key

SLACK = 1e-5
"""By what part of the largest score a class must win.

The nearest picture that fools a network lies on the boundary between two classes. Another
program, which rounds differently, would say now this and now that of it.
"""


class Best(NamedTuple):
    """The nearest picture so far that fools the network.

    Attributes:
      image: `[H, W, C]`; the original as long as there is none.
      distance: `[]`, what it was chosen by; infinite as long as there is none.
    """

    image: Array
    distance: Array


class BallState(NamedTuple):
    """Where an attack is whose ball, or sphere, shrinks and grows.

    Attributes:
      image: `[H, W, C]`, inside the ball.
      radius: `[]`, of the ball.
      best: the nearest picture that fools the network.
    """

    image: Array
    radius: Array
    best: Best


class Look(NamedTuple):
    """What the network says of a picture.

    Attributes:
      value: `[]`, by how much the class that is wanted surely wins; see `sure_margin`.
      fooled: `[]` bool, whether that is above 0.
      slope: `[H, W, C]`, its gradient; 0 where that is not finite.
    """

    value: Array
    fooled: Array
    slope: Array


def sure_margin(scores: Array, label: Array, target: Array) -> Array:
    """Computes the margin of `jaxvis.attacks.losses` less `SLACK` of the largest score.

    Args:
      scores: z `[K]` before softmax.
      label, target: see `jaxvis.attacks.losses.is_fooled`.
    """
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(scores)))
    return margin(scores, label, target) - SLACK * largest


def look_at(model: Model, key: Key, image: Image, row: Row) -> Look:
    """Asks the network for the margin of a picture and its gradient.

    Args:
      model: the network.
      key: for the views of the model.
      image: `[H, W, C]`.
      row: what is attacked.
    """
    value, _, slope = model.climb(sure_margin, key, image, row)
    slope = jnp.where(jnp.all(jnp.isfinite(slope)), slope, 0.0)
    return Look(value, value > 0, slope)


def is_surely_fooled(model: Model, image: Image, row: Row) -> Array:
    """Says whether the plain picture fools the network by more than rounding, `[]` bool.

    Args:
      model: the network.
      image: `[H, W, C]`.
      row: what is attacked.
    """
    return sure_margin(model.scores(image), row.label, row.target) > 0


def start_best(row: Row) -> Best:
    """Makes the memory of an attack that has found nothing.

    Args:
      row: what is attacked.
    """
    return Best(row.image, jnp.float32(jnp.inf))


def keep_nearest(best: Best, image: Image, fooled: Array, distance: Array) -> Best:
    """Keeps a picture if it fools the network and is nearer than the best so far.

    Args:
      best: the best so far.
      image: `[H, W, C]`.
      fooled: `[]` bool.
      distance: `[]`.
    """
    nearer = fooled & (distance < best.distance)
    return Best(jnp.where(nearer, image, best.image), jnp.where(nearer, distance, best.distance))


def measure(attack: Attack, image: Image, row: Row) -> Array:
    """Computes the attack's norm of a perturbation.

    Args:
      attack: its norm is used.
      image: `[H, W, C]`, the perturbed one.
      row: it has the original.
    """
    return geometry_of(attack.norm).measure(image - row.image)


def check_above(least: float, **numbers: float) -> None:
    """Checks numbers that an attack is given.

    Args:
      least: what each of them must exceed.
      numbers: their names and values.

    Raises:
      ValueError: for one that does not.
    """
    for name, value in numbers.items():
        if not value > least:
            raise ValueError(f"{name} must be above {least:g}, got {value!r}")
