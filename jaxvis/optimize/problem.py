"""A problem: everything static about the optimisation of ONE item."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from jaxvis.optimize.rules.rule import Optimizer
from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Canvas, Image, Key, Loss


class Searching(optax.GradientTransformationExtraArgs):
    """An optimizer that decides itself which of its evaluations count.

    An optax transformation whose `update` takes `value`, and whose state has these
    fields: `solution`, the best iterate so far, shaped like z (at first where it wants
    to be started); `accepted`, `[]` bool, whether the last evaluation was made there;
    `status`, `[]` int8, `Status.DONE` as long as it runs; `evaluations`, `[]` int32.
    An item that has finished moves no more.
    """


@register_parts("loss", "canvas", "optimizer", "projection", "finish")
@dataclass(frozen=True)
class Program:
    """What of a problem a compiled step depends on: all but the number of steps.

    Its numbers (the learning rate, the weights of terms) are handed to the compiled
    step; only the rest is compiled in.
    """

    loss: Loss
    canvas: Canvas
    optimizer: Optimizer
    projection: Callable[[Any], Any] | None
    finish: Callable[[Key, Image], Image] | None
    remat: bool


class Opening(NamedTuple):
    """Another loss for the first steps, on the same canvas.

    Attributes:
      loss: of the first steps; it has the terms of the problem's own.
      steps: how many.
    """

    loss: Loss
    steps: int


@dataclass(frozen=True)
class Problem:
    """A description of one item's optimisation, without any of its data.

    Args:
      loss: `(params, z, item, key[, shared]) -> (loss, terms, state)`, from
        `jaxvis.loss.compose`.
      canvas: the loss's canvas.
      optimizer: a rule of `jaxvis.optimize.rules`, or an optax transformation. Build a
        transformation once: a rebuilt one compiles again. Line searches get `value`,
        `grad` and `value_fn`.
      steps: how many updates; of an optimizer that searches (`Searching`) the largest
        number of evaluations. Its randomness is drawn once, not at every step.
      projection: `z -> z` after every update; None leaves z free.
      finish: `(key, image) -> image`, applied to the last image before it is clipped
        to [0, 1]; None leaves it.
      remat: whether the gradient computes activations again instead of keeping them:
        less memory, about a third more time (`jaxvis.nets.table.segments`).
      opening: another loss for the first steps; None has the same loss in all of them.

    >>> import jaxvis
    >>> from jaxvis.loss.compose import compose
    >>> from jaxvis.optimize import Problem
    >>> net, params = jaxvis.load("demo")
    >>> canvas = jaxvis.canvases.Tanh((32, 32))
    >>> Problem(compose(net, canvas), canvas, jaxvis.optimizers.adam(0.05), steps=8).steps
    8
    """

    loss: Loss
    canvas: Canvas
    optimizer: Optimizer
    steps: int
    projection: Callable[[Any], Any] | None = None
    finish: Callable[[Key, Image], Image] | None = None
    remat: bool = False
    opening: Opening | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for no steps, or a search that is projected or has an opening."""
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.opening is not None and isinstance(self.optimizer, Searching):
            raise ValueError(
                "a line search compares values of one loss, and an opening is another: leave "
                "one of them out"
            )
        if self.projection is not None and isinstance(self.optimizer, Searching):
            raise ValueError(
                "a line search and a projection work against each other: give lbfgs "
                "its bounds (lower=, upper=) instead"
            )

    @property
    def program(self) -> Program:
        """What a compiled step of this problem depends on."""
        return Program(
            self.loss, self.canvas, self.optimizer, self.projection, self.finish, self.remat
        )

    def begin(self) -> "Problem | None":
        """Gives the problem of the first steps, where these have another loss."""
        if self.opening is None:
            return None
        return replace(self, loss=self.opening.loss, steps=self.opening.steps, opening=None)


@dataclass(frozen=True)
class Ball:
    """The projection that moves every pixel's RGB vector into a ball, and keeps its hue.

    Args:
      radius: B+, in the units of z.

    Source: Mahendran & Vedaldi (IJCV 2016), 3.2.1, B+ = 2 B = 160 grey levels.
    """

    radius: float

    def __call__(self, z: Array) -> Array:
        """Projects z `[H, W, 3]`."""
        square = jnp.sum(z * z, axis=-1, keepdims=True)
        # The maximum comes before the root, whose gradient at 0 is infinite.
        return z * (self.radius / jnp.sqrt(jnp.maximum(square, self.radius**2)))


@dataclass(frozen=True)
class Box:
    """The projection that clips z to [low, high], value by value."""

    low: float = 0.0
    high: float = 1.0

    def __call__(self, z: Array) -> Array:
        """Clips z."""
        return jnp.clip(z, self.low, self.high)


@dataclass(frozen=True)
class Tidy:
    """The projection of the plain recipe: a little blur, then small pixels set to zero.

    Args:
      blur: a view applied to z as if it were an image, or None.
      small: pixels whose RGB norm is below this fraction of the mean norm become 0.

    Source: Yosinski et al. (2015), 3.1; Lecture 21, 21.7. Departures: the threshold is
    a fraction of the mean norm, not a percentile, which would sort every step.
    """

    blur: Callable[..., Image] | None = None
    small: float = 0.0

    def __call__(self, z: Array) -> Array:
        """Tidies z `[H, W, 3]`."""
        if self.blur is not None:
            z = self.blur(None, z)
        norm = jnp.linalg.norm(z, axis=-1, keepdims=True)
        return jnp.where(norm < self.small * jnp.mean(norm), 0.0, z)
