"""Optimizers of pixels by their name, as the methods and commands offer them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxvis.loss.canvas import Pixels
from jaxvis.methods.style.clipped import clipped_sgd
from jaxvis.optimize import lbfgs
from jaxvis.optimize.problem import Box, Searching
from jaxvis.optimize.rules import Optimizer, adam

OPTIMIZERS = ("lbfgs", "adam", "clipped")
"""The names that `build_painting` knows."""
MEMORY = 20
"""Pairs that "lbfgs" keeps, as DeepTextures does: 40 copies of the image."""
LEARNING_RATE = 0.02
"""Of "adam", in units of the image."""


class Painting(NamedTuple):
    """A canvas of pixels, and what moves the pixels.

    Attributes:
      canvas: z is the image, or grey levels around the mean colour.
      optimizer: a rule of `jaxvis.optimize.rules`, or an optax transformation.
      projection: `z -> z` after every update, or None.
    """

    canvas: Pixels
    optimizer: Optimizer
    projection: Callable[[Any], Any] | None


def build_painting(
    optimizer: str | Optimizer,
    size: tuple[int, int],
    *,
    decay: float = 5e-4,
    least: float = 0.0,
    bounded: bool = True,
    channels: int = 3,
) -> Painting:
    """Builds the canvas, optimizer and projection that a name stands for.

    Args:
      optimizer: "lbfgs" or "adam", for which z is the image; "clipped", which is
        gradient descent with clipped gradients as in the feature map paper, for which z
        counts grey levels; or a rule of `jaxvis.optimize.rules` or an optax
        transformation (build that once), for which z is the image. `lbfgs` of one's
        own has bounds of its own.
      size: (H, W) in pixels.
      decay, least: weight decay of "clipped", and the least of its first gradient, see
        `clipped_sgd`.
      bounded: whether the image must stay in [0, 1]; "clipped" always leaves it free.
      channels: of the image, the network's.

    Raises:
      ValueError: for an unknown name.
    """
    image = Pixels(size, center=(0.0,) * channels, channels=channels)
    box = Box() if bounded else None
    if isinstance(optimizer, Searching):
        return Painting(image, optimizer, None)  # it brings bounds of its own
    if not isinstance(optimizer, str):
        return Painting(image, optimizer, box)
    if optimizer == "adam":
        return Painting(image, adam(LEARNING_RATE), box)
    if optimizer == "lbfgs":
        low, high = (0.0, 1.0) if bounded else (None, None)
        return Painting(image, lbfgs(memory=MEMORY, lower=low, upper=high), None)
    if optimizer == "clipped":
        grey = Pixels(size, scale=255.0, channels=channels)
        return Painting(grey, clipped_sgd(decay=decay, least=least), None)
    raise ValueError(
        f"optimizer must be one of {', '.join(OPTIMIZERS)}, or a rule of "
        f"jaxvis.optimize.rules, or an optax transformation; not {optimizer!r}"
    )
