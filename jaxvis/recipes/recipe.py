"""A recipe: everything about making a picture but the network and the objective."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxvis.images import mean_colour
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.views import Centre
from jaxvis.network import Network
from jaxvis.optimize.problem import Problem
from jaxvis.optimize.rules import Optimizer
from jaxvis.types import Array, Canvas, Image, Key, View

Size = tuple[int, int]
"""(H, W) in pixels."""


@dataclass(frozen=True)
class Recipe:
    """A way to make pictures: canvas, view, optimizer, steps, priors and projection.

    Print one to see what it does, and change it with `dataclasses.replace`.

    Args:
      canvas: what is painted on.
      view: what the network sees; None shows the image as it is.
      optimizer: a rule of `jaxvis.optimize.rules`, or an optax transformation.
      steps: how many updates.
      priors: named, weighted terms of the whole image.
      projection: `z -> z` after every update.
      finish: `(key, image) -> image` after the last step.
      draws: views averaged in a step.
    """

    canvas: Canvas
    view: View | None
    optimizer: Optimizer
    steps: int
    priors: tuple[Weighted, ...] = ()
    projection: Callable[[Any], Any] | None = None
    finish: Callable[[Key, Image], Image] | None = None
    draws: int = 1

    @property
    def size(self) -> Size:
        """(H, W) of the finished picture in pixels, without a margin for jitter."""
        finish = self.finish
        height, width = finish.size if isinstance(finish, Centre) else self.canvas.image_size()
        return height, width

    def encode(self, image: Image) -> Any:
        """Finds the z that shows a picture, to begin from it.

        Args:
          image: `[H, W, C]` in [0, 1], of the recipe's size.

        Raises:
          ValueError: for another size, or a canvas that cannot begin from an image.
        """
        if tuple(image.shape[:2]) != self.size:
            raise ValueError(
                f"the picture to start from has {image.shape[0]}x{image.shape[1]} pixels, this "
                f"recipe makes {self.size[0]}x{self.size[1]}: resize it"
            )
        return self.canvas.encode(_frame(image, self.canvas.image_size()))

    def problem(self, net: Network) -> Problem:
        """Builds the problem of making a picture of a network in this way.

        Args:
          net: the network.
        """
        loss = compose(net, self.canvas, view=self.view, priors=self.priors, draws=self.draws)
        return Problem(
            loss,
            self.canvas,
            self.optimizer,
            self.steps,
            projection=self.projection,
            finish=self.finish,
        )


def _frame(image: Image, size: Size) -> Array:
    """Puts an image into the middle of a larger one, where `Centre` finds it."""
    top, left = ((have - want) // 2 for have, want in zip(size, image.shape))
    height, width = image.shape[:2]
    colour = jnp.asarray(mean_colour(image.shape[-1]), image.dtype)
    whole = jnp.broadcast_to(colour, (*size, len(colour)))
    return whole.at[top : top + height, left : left + width].set(image)
