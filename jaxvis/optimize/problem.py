"""A problem: everything static about the optimisation of ONE item."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import optax

from jaxvis.types import Array, Canvas, Image, Loss


class Searching(optax.GradientTransformationExtraArgs):
    """Returns an optimizer that decides itself which of its evaluations count.

    An optax transformation whose `update` takes `value`, and whose state has these
    fields: `solution`, the best iterate so far, shaped like z (at first where it wants
    to be started); `accepted`, `[]` bool,
    whether the last evaluation was made there; `status`, `[]` int8, `DONE` as long as
    it runs; `evaluations`, `[]` int32. An item that has finished moves no more.
    """


@dataclass(frozen=True)
class Problem:
    """Returns a description of one item's optimisation: static, hashable, no data.

    Args:
      loss: `(params, z, item, key) -> (loss, terms)`, from `jaxvis.loss.compose`.
      canvas: the loss's canvas.
      optimizer: an optax transformation; build it once (see
        `jaxvis.optimize.rules.first_order`), a rebuilt one compiles again. Line searches get
        `value`, `grad` and `value_fn`.
      steps: how many updates; of an optimizer that searches (`Searching`) the largest
        number of evaluations. Its randomness is drawn once, not at every step.
      projection: `z -> z` after every update; None leaves z free.
      finish: `(key, image) -> image`, applied to the last image before it is clipped
        to [0, 1]; None leaves it.
      remat: whether the gradient computes activations again instead of keeping them:
        less memory, about a third more time (`jaxvis.optimize.remat`).
    """

    loss: Loss
    canvas: Canvas
    optimizer: optax.GradientTransformation
    steps: int
    projection: Callable[[Any], Any] | None = None
    finish: Callable[..., Image] | None = None
    remat: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for no steps, or a search that is projected."""
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.projection is not None and isinstance(self.optimizer, Searching):
            raise ValueError(
                "a line search and a projection work against each other: give lbfgs "
                "its bounds (lower=, upper=) instead"
            )


@dataclass(frozen=True)
class Ball:
    """Returns z with every pixel's RGB vector inside a ball: radial, keeps the hue.

    Args:
      radius: B+, in the units of z.

    Source: Mahendran & Vedaldi (IJCV 2016), 3.2.1, B+ = 2 B = 160 grey levels.
    """

    radius: float

    def __call__(self, z: Array) -> Array:
        """Returns the projected z `[H, W, 3]`."""
        square = jnp.sum(z * z, axis=-1, keepdims=True)
        # The maximum comes before the root, whose gradient at 0 is infinite.
        return z * (self.radius / jnp.sqrt(jnp.maximum(square, self.radius**2)))


@dataclass(frozen=True)
class Box:
    """Returns z clipped to [low, high], value by value."""

    low: float = 0.0
    high: float = 1.0

    def __call__(self, z: Array) -> Array:
        """Returns the clipped z."""
        return jnp.clip(z, self.low, self.high)


@dataclass(frozen=True)
class Tidy:
    """Returns z blurred a little, pixels of small norm set to zero: the plain recipe.

    Args:
      blur: a view applied to z as if it were an image, or None.
      small: pixels whose RGB norm is below this fraction of the mean norm become 0.

    Source: Yosinski et al. (2015), 3.1; Lecture 21, 21.7. Departures: the threshold is
    a fraction of the mean norm, not a percentile, which would sort every step.
    """

    blur: Callable[..., Image] | None = None
    small: float = 0.0

    def __call__(self, z: Array) -> Array:
        """Returns the tidied z `[H, W, 3]`."""
        if self.blur is not None:
            z = self.blur(None, z)
        norm = jnp.linalg.norm(z, axis=-1, keepdims=True)
        return jnp.where(norm < self.small * jnp.mean(norm), 0.0, z)
