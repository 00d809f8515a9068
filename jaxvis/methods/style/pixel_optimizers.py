"""Optimizers of pixels by their name: what the methods and commands offer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import optax

from jaxvis.loss.canvas import Pixels
from jaxvis.methods.style.clipped import clipped_sgd
from jaxvis.optimize.lbfgs.rule import lbfgs
from jaxvis.optimize.problem import Box
from jaxvis.optimize.rules.first_order import adam

OPTIMIZERS = ("lbfgs", "adam", "clipped")
"""Names that `painting` knows."""
MEMORY = 20
"""Pairs that "lbfgs" keeps, as DeepTextures does: 40 copies of the image."""


class Painting(NamedTuple):
    """A canvas of pixels and what moves them.

    Attributes:
      canvas: z is the image, or grey levels around the mean colour.
      optimizer: an optax transformation.
      projection: `z -> z` after every update, or None.
    """

    canvas: Pixels
    optimizer: optax.GradientTransformation
    projection: Callable[[Any], Any] | None


def painting(
    optimizer: str | optax.GradientTransformation,
    size: tuple[int, int],
    *,
    learning_rate: float = 0.02,
    decay: float = 5e-4,
    least: float = 0.0,
    boxed: bool = True,
) -> Painting:
    """Returns the canvas, optimizer and projection that a name stands for.

    Args:
      optimizer: "lbfgs" or "adam", z is the image; "clipped", gradient descent with
        clipped gradients as in the feature map paper, z counts grey levels; or an
        optax transformation (build it once), z is the image.
      size: (H, W) in pixels.
      learning_rate: of "adam", in units of the image.
      decay, least: weight decay of "clipped", and the least of its first gradient, see
        `clipped_sgd`.
      boxed: whether the image must stay in [0, 1]; "clipped" leaves it free.

    Raises:
      ValueError: for an unknown name.
    """
    image = Pixels(size, center=(0.0, 0.0, 0.0))
    box = Box() if boxed else None
    if not isinstance(optimizer, str):
        return Painting(image, optimizer, box)
    if optimizer == "adam":
        return Painting(image, adam(learning_rate), box)
    if optimizer == "lbfgs":
        low, high = (0.0, 1.0) if boxed else (None, None)
        return Painting(image, lbfgs(memory=MEMORY, lower=low, upper=high), None)
    if optimizer == "clipped":
        grey = Pixels(size, scale=255.0)
        return Painting(grey, clipped_sgd(decay=decay, least=least), None)
    raise ValueError(
        f"optimizer is one of {', '.join(OPTIMIZERS)}, or an optax transformation; "
        f"not {optimizer!r}"
    )
