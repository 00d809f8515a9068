"""A recipe: everything about making a picture but the network and the objective."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxvis.images import mean_colour
from jaxvis.loss.compose import Composed, Weighted, compose
from jaxvis.loss.views import Centre
from jaxvis.nets.wrappers.guided import with_guided_relus
from jaxvis.network import Network
from jaxvis.optimize.problem import Opening, Problem
from jaxvis.optimize.rules import Optimizer
from jaxvis.types import Array, Canvas, Image, Key, Loss, View

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
      redirect: first steps in which a ReLU that lets no gradient through lets the one
        through that would raise its input, so that dead units move; 0 is none, 16 as in
        Lucid. See `jaxvis.nets.wrappers.guided.with_guided_relus`.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> canvas, rule = jaxvis.canvases.Tanh((32, 32)), jaxvis.optimizers.adam(0.05)
    >>> own = jaxvis.recipes.Recipe(canvas, jaxvis.views.Roll(2), rule, steps=3)
    >>> jaxvis.maximize(net, params, index=3, recipe=own).image.shape
    (1, 1, 32, 32, 3)
    """

    canvas: Canvas
    view: View | None
    optimizer: Optimizer
    steps: int
    priors: tuple[Weighted, ...] = ()
    projection: Callable[[Any], Any] | None = None
    finish: Callable[[Key, Image], Image] | None = None
    draws: int = 1
    redirect: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for less than no step."""
        if self.redirect < 0:
            raise ValueError(f"redirect is a number of steps, at least 0, not {self.redirect}")

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
        return self.build(net, self.compose)

    def build(self, net: Network, lose: Callable[[Network], Loss]) -> Problem:
        """Builds a problem with another loss, which is made of the loss of this recipe.

        Args:
          net: the network.
          lose: gives the loss for a network; in the first steps that is one whose ReLUs
            redirect their gradient.
        """
        opening = None
        if self.redirect:
            redirected = with_guided_relus(net, "redirected")
            opening = Opening(lose(redirected), min(self.redirect, self.steps))
        return Problem(
            lose(net),
            self.canvas,
            self.optimizer,
            self.steps,
            projection=self.projection,
            finish=self.finish,
            opening=opening,
        )

    def compose(self, net: Network) -> Composed:
        """Builds the loss of one picture.

        Args:
          net: the network.
        """
        return compose(net, self.canvas, view=self.view, priors=self.priors, draws=self.draws)


def _frame(image: Image, size: Size) -> Array:
    """Puts an image into the middle of a larger one, where `Centre` finds it."""
    top, left = ((have - want) // 2 for have, want in zip(size, image.shape))
    height, width = image.shape[:2]
    colour = jnp.asarray(mean_colour(image.shape[-1]), image.dtype)
    whole = jnp.broadcast_to(colour, (*size, len(colour)))
    return whole.at[top : top + height, left : left + width].set(image)
