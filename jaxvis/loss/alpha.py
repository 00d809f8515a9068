"""A canvas with transparency: colours and opacity, shown over random backgrounds."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.types import Array, Canvas, Drawing, Image, Key

_CELLS = 5
"""Random colours along each side of a background; between them it is smooth."""


@dataclass(frozen=True)
class Alpha(Canvas):
    """A canvas of colours and opacity: what the unit does not need becomes transparent.

    In every step the network sees colour * opacity + background * (1 - opacity), with another
    random background, so that only what is painted can excite the unit dependably; and the
    loss has the term cost * mean(opacity). The finished image has one channel more than the
    network takes, the opacity: `[H, W, 4]` for RGB, which
    `jaxvis.write_image(path, image, alpha=True)` writes as it is.

    Args:
      colour: the canvas of the colours, `[H, W, C]` in [0, 1].
      opacity: the canvas of the opacity, `[H, W, 1]` in [0, 1].
      cost: weight of the mean opacity in the loss; 0 lets all of it be opaque.
      contrast: spread of the backgrounds' random colours before a sigmoid.

    Source: Mordvintsev, Pezzotti, Schubert & Olah, Differentiable image parameterizations
      (2018), semi-transparent patterns. Departures: the mean opacity is a term of the sum,
      where the original multiplies the objective by 1 - mean(opacity).
    """

    colour: Canvas
    opacity: Canvas
    cost: float = 20.0
    contrast: float = 1.5

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of the image in pixels."""
        return self.colour.image_size()

    def init(self, key: Key) -> dict[str, Any]:
        """Draws z: "colour" and "opacity", as their canvases draw them."""
        first, second = jax.random.split(key)
        return {"colour": self.colour.init(first), "opacity": self.opacity.init(second)}

    def decode(self, shared: Any, z: dict[str, Any], key: Key) -> Image:
        """Makes the image `[H, W, C + 1]`, whose last channel is the opacity."""
        parts = [
            self.colour.decode(shared, z["colour"], key),
            self.opacity.decode(shared, z["opacity"], key),
        ]
        return jnp.concatenate(parts, axis=-1)

    def draw(self, shared: Any, z: dict[str, Any], key: Key) -> Drawing:
        """Makes what one step sees: the image over a random background, `[H, W, C]`."""
        whole = self.decode(shared, z, key)
        background = self._draw_background(key, whole.shape[-1] - 1)
        cost = self.cost * jnp.mean(whole[..., -1])
        return Drawing(composite(whole, background), {"opacity": cost}, None)

    def _draw_background(self, key: Key, channels: int) -> Image:
        """Draws a smooth background of random colours, `[H, W, channels]`."""
        spots = self.contrast * jax.random.normal(key, (_CELLS, _CELLS, channels))
        shape = (*self.image_size(), channels)
        return jax.nn.sigmoid(jax.image.resize(spots, shape, "cubic"))


def composite(image: Array, background: Array | float) -> Array:
    """Puts a transparent image over a background: colour a + background (1 - a).

    Args:
      image: `[..., H, W, C + 1]`, the last channel is the opacity a in [0, 1].
      background: `[H, W, C]`, or a grey level.

    Returns:
      jax.Array: `[..., H, W, C]`.
    """
    colour, opacity = image[..., :-1], image[..., -1:]
    return colour * opacity + background * (1 - opacity)
