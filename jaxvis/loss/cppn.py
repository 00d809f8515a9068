"""A canvas without pixels: a small network gives the colour of every point."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array, Canvas, Image, Key

_REACH = 3**0.5
"""Coordinates go from -_REACH to _REACH, which gives them a variance of 1."""


@dataclass(frozen=True)
class Cppn(Canvas):
    """A compositional pattern-producing network: coordinates in, colour out.

    image(y, x) = sigmoid(net(y, x)), where every hidden layer is a matrix product followed by
    the composite activation [atan(h) / 0.67, atan(h)^2 / 0.6]. z are the matrices, so a
    picture has no resolution: the same z on a canvas of another `size` is the same picture,
    larger or smaller.

    Args:
      size: (H, W) in pixels; the longer side spans all coordinates.
      layers: hidden layers; more of them give finer detail.
      width: units of a hidden layer, each of which has two outputs.
      channels: of the image.

    Raises:
      ValueError: for fewer than one layer or unit.

    Source: Mordvintsev, Pezzotti, Schubert & Olah, Differentiable image parameterizations
      (2018); Stanley (2007). Departures: coordinates are those of the pixels' centres, and
      the picture keeps its aspect ratio.
    """

    size: tuple[int, int]
    layers: int = 8
    width: int = 24
    channels: int = 3

    def __post_init__(self) -> None:
        """Checks the layers."""
        if self.layers < 1 or self.width < 1:
            raise ValueError(
                f"a network has at least 1 layer of 1 unit, not {self.layers} of {self.width}"
            )

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of the image in pixels."""
        return self.size

    def init(self, key: Key) -> tuple[dict[str, Array], ...]:
        """Draws z: {"kernel" `[n, m]`, "bias" `[m]`} of every layer; the picture begins grey."""
        widths = [2, *[2 * self.width] * self.layers]
        keys = jax.random.split(key, self.layers)
        hidden = [
            {
                "kernel": jax.random.normal(one, (inputs, self.width)) / inputs**0.5,
                "bias": jnp.zeros(self.width),
            }
            for one, inputs in zip(keys, widths)
        ]
        last = {
            "kernel": jnp.zeros((widths[-1], self.channels)),
            "bias": jnp.zeros(self.channels),
        }
        return (*hidden, last)

    def decode(self, shared: Any, z: tuple[dict[str, Array], ...], key: Key) -> Image:
        """Makes the image `[H, W, channels]` in (0, 1)."""
        del shared, key
        values = jnp.asarray(self._list_points())
        *hidden, last = z
        for layer in hidden:
            turned = jnp.arctan(values @ layer["kernel"] + layer["bias"])
            values = jnp.concatenate([turned / 0.67, turned**2 / 0.6], axis=-1)
        colours = jax.nn.sigmoid(values @ last["kernel"] + last["bias"])
        return colours.reshape(*self.size, self.channels)

    def _list_points(self) -> np.ndarray:
        """Lists (y, x) of the centres of all pixels, `[H W, 2]`."""
        longest = max(self.size)
        y, x = (((np.arange(n) + 0.5) * 2 - n) / longest * _REACH for n in self.size)
        points = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
        return points.reshape(-1, 2).astype(np.float32)
