"""What a user's own network expects of its images: their numbers, their channels, their axes."""

import math
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array

Colour = float | tuple[float, ...]
Layout = Literal["HWC", "CHW"]
Channels = Literal["RGB", "BGR", "grey"] | int
LAYOUTS, CHANNELS = ("HWC", "CHW"), ("RGB", "BGR", "grey")


class ImageOptions(TypedDict, total=False):
    """The keyword arguments of `Preprocessing`, for functions that hand them on."""

    mean: Colour
    std: Colour
    range: tuple[float, float]
    layout: Layout
    channels: Channels


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of its images: it takes (x - mean) / std.

    x is the image with its values over `range` and its channels in the order `channels`.
    So torchvision's networks have mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225);
    Caffe's have range=(0, 255), channels="BGR", mean=(104, 117, 123); and those of
    TensorFlow have range=(-1, 1).

    Args:
      mean, std: on the scale of `range`, in the order of `channels`; one number, or one
        for each channel.
      range: what black and white are.
      layout: "HWC" or "CHW": the axes of the images that the network takes, and of the
        activations that it returns.
      channels: "RGB"; "BGR"; "grey" for a network of one channel, whose images are
        `[H, W, 1]`; or a number, for images of other channels than colours.

    Raises:
      ValueError: for values that fit no network, and for a mean on another scale than
        `range`.
    """

    mean: Colour = 0.0
    std: Colour = 1.0
    range: tuple[float, float] = (0.0, 1.0)
    layout: Layout = "HWC"
    channels: Channels = "RGB"

    def __post_init__(self) -> None:
        _check_word("layout", self.layout, LAYOUTS)
        named: dict[int | str, Channels] = {1: "grey", 3: "RGB"}
        object.__setattr__(self, "channels", named.get(self.channels, self.channels))
        if not isinstance(self.channels, int) or self.channels < 1:
            _check_word("channels", self.channels, CHANNELS)
        if np.shape(self.range) != (2,) or not -math.inf < self.range[0] < self.range[1] < math.inf:
            raise ValueError(
                "range is what black and white are, such as (0, 1), (0, 255) or (-1, 1); not "
                f"{self.range!r}"
            )
        low, high = map(float, self.range)
        # Written out, so that one number and the same for each channel are equal.
        for name, value in (("mean", self.mean), ("std", self.std)):
            if np.shape(value) not in ((), (self.count,)) or not np.all(np.isfinite(value)):
                raise ValueError(
                    f"{name} is one finite number, or one for each of the channels "
                    f"{self.channels} ({self.count}); not {value!r}"
                )
            full = tuple(np.broadcast_to(np.asarray(value, float), self.count).tolist())
            object.__setattr__(self, name, full)
        object.__setattr__(self, "range", (low, high))
        if min(_list(self.std)) <= 0:
            raise ValueError(f"std must be above 0, got {self.std}")
        _check_scale(_list(self.mean), low, high)

    @property
    def count(self) -> int:
        """How many channels the network's images have."""
        if isinstance(self.channels, int):
            return self.channels
        return 1 if self.channels == "grey" else 3

    def shape_of(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Gives the shape of an image as the network takes it, `(H, W, C)` or `(C, H, W)`.

        Args:
          size: (H, W) in pixels.
        """
        return (*size, self.count) if self.layout == "HWC" else (self.count, *size)

    def prepare(self, image: Array) -> Array:
        """Computes the network's own numbers of an image, `[H, W, C]`.

        Args:
          image: `[H, W, count]` in [0, 1], RGB where there are three.
        """
        if self.channels == "BGR":
            image = image[..., ::-1]
        low, high = self.range
        if (low, high) != (0.0, 1.0):
            image = low + (high - low) * image
        return (image - jnp.array(self.mean)) / jnp.array(self.std)

    def arrange(self, prepared: Array) -> Array:
        """Brings what `prepare` computed into the layout of the network.

        Args:
          prepared: `[H, W, C]`.
        """
        return prepared if self.layout == "HWC" else jnp.moveaxis(prepared, -1, 0)

    def turn(self) -> "Preprocessing":
        """Gives the same expectations in the other layout."""
        return replace(self, layout="CHW" if self.layout == "HWC" else "HWC")

    def restore(self, activation: Array) -> Array:
        """Brings an activation into the layout of taps, `[h, w, c]`.

        Args:
          activation: of one image; only one of three axes has a layout.
        """
        if self.layout == "HWC" or activation.ndim != 3:
            return activation
        return jnp.moveaxis(activation, 0, -1)


def _list(value: Colour) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _check_word(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(map(repr, known))}, not {value!r}")


def _check_scale(mean: tuple[float, ...], low: float, high: float) -> None:
    """Raises an error where a mean is none of any image: it is on another scale."""
    if not any(mean):
        return
    if not low <= min(mean) <= max(mean) <= high:
        cure = "range=(0, 255)" if 0 <= min(mean) and 1 < max(mean) <= 255 else "another range"
        raise ValueError(
            f"mean={mean} lies outside range=({low:g}, {high:g}): pass {cure}, or the mean on "
            "the scale of range"
        )
    if low == 0 and high > 2 and max(mean) <= 1:
        raise ValueError(
            f"mean={mean} is on a scale from 0 to 1, and range=({low:g}, {high:g}): multiply "
            f"mean and std by {high:g}, or leave range out"
        )
