"""What the channels of a layer make of a photograph: their maps, and where they respond."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxvis.analysis.places import Placement, find_placement
from jaxvis.compiler import jit
from jaxvis.images import check_image
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params, Taps

DARK = 0.25
"""How bright the photograph stays where a channel responds least."""


@dataclass(frozen=True, eq=False)
class ActivationMaps:
    """The activations of one layer for one image.

    Attributes:
      tap: the layer.
      values: `[h, w, c]`, as the network computes them.
      image: `[H, W, C]`, what it was shown.
      placement: where the units look in the image.
    """

    tap: str
    values: np.ndarray
    image: np.ndarray
    placement: Placement

    def scale(self) -> np.ndarray:
        """Scales every channel from its least to its largest value: maps `[c, h, w]` in [0, 1].

        A map whose values are all equal, such as one that is zero everywhere, becomes 0.
        """
        return scale_maps(np.moveaxis(self.values, -1, 0))

    def place(self, index: int | Sequence[int] | None) -> np.ndarray:
        """Spreads scaled maps over the image, `[..., H, W]` in [0, 1].

        Each unit stands where its receptive field is centred, and values between the
        centres are interpolated.

        Args:
          index: the channel or channels; None takes all of them.

        Raises:
          ValueError: for a channel that is not there.
        """
        chosen = np.arange(self.values.shape[-1]) if index is None else np.asarray(index)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < self.values.shape[-1]:
            raise ValueError(f"{self.tap!r} has {self.values.shape[-1]} channels, not {index}")
        return self.placement.spread(self.scale()[chosen])

    def light(self, index: int | Sequence[int] | None) -> np.ndarray:
        """Lights the image where channels respond, and darkens it elsewhere: `[..., H, W, C]`.

        Args:
          index: the channel or channels; None takes all of them.

        Raises:
          ValueError: for a channel that is not there.
        """
        return self.image * (DARK + (1 - DARK) * self.place(index)[..., None])

    def rank(self) -> np.ndarray:
        """Ranks the channels by their largest value, `[c]` int, the largest first."""
        return np.argsort(-self.values.max(axis=(0, 1)), kind="stable")


def scale_maps(maps: np.ndarray) -> np.ndarray:
    """Scales maps from their least to their largest value, to [0, 1]; flat ones become 0.

    The equation is (a - min a) / (max a - min a) for each map, and 0 where both are equal
    or a value is not finite.

    Args:
      maps: `[..., h, w]`.
    """
    low = maps.min(axis=(-2, -1), keepdims=True)
    span = maps.max(axis=(-2, -1), keepdims=True) - low
    there = np.isfinite(span) & (span > 0)
    shifted = np.where(there, maps - np.where(there, low, 0), 0)
    return np.asarray(shifted / np.where(there, span, 1), np.float32)


def activations(net: Network, params: Params, image: ImageLike, tap: str) -> ActivationMaps:
    """Computes the activation maps of one layer for an image.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1].
      tap: the layer, with a map for each channel.

    Returns:
      ActivationMaps: the values `[h, w, c]`; `scale()` gives them as pictures, and
      `place()` and `light()` show where in the image they are.

    Raises:
      ValueError: for an unknown tap, one without spatial extent, or what is no image.

    Source: Lecture 21, 21.3.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> from jaxvis.output.io import read_sample_photo
    >>> photo = read_sample_photo("chelsea", size=(64, 64))
    >>> maps = jaxvis.activations(net, params, photo, "relu2_1")
    >>> maps.scale().shape, maps.light(3).shape
    ((32, 32, 32), (64, 64, 3))
    """
    return compute_maps(net, params, image, (tap,))[0]


def compute_maps(
    net: Network, params: Params, image: ImageLike, taps: Sequence[str]
) -> tuple[ActivationMaps, ...]:
    """Computes the activation maps of several layers in one pass.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1].
      taps: the layers.

    Raises:
      ValueError: as `activations`.
    """
    names = net.check_taps(tuple(taps))
    photo = check_image(image, "the image", channels=net.channels)
    size = (photo.shape[0], photo.shape[1])
    places = [find_placement(net, params, tap, size=size) for tap in names]
    for place in places:
        if len(place.shape) != 3:
            raise ValueError(
                f"{place.tap!r} is a vector of {place.shape[0]} values without spatial extent: "
                "name a layer with maps"
            )
    found = _compute(net, names, params, photo)
    shown = np.asarray(photo)
    return tuple(
        ActivationMaps(tap, np.asarray(found[tap]), shown, place)
        for tap, place in zip(names, places)
    )


@jit(static_argnums=(0, 1))
def _compute(net: Network, taps: tuple[str, ...], params: Params, image: Array) -> Taps:
    found = net.apply(params, image, stop=taps)
    return {tap: found[tap] for tap in taps}
