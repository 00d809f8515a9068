"""Networks that see an image otherwise: in a range of its own, or wrapped around.

Each takes a network and returns one, so every method, objective and prior works on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

import jax.numpy as jnp

from jaxvis.nets.table.geometry import geometry
from jaxvis.network import Forward, Network
from jaxvis.types import Array, Params, Taps

RANGE = "@range"
"""Where the parameters of a `ranged` network keep its range."""


@dataclass(frozen=True)
class Ranged(Forward):
    """Returns the taps of low + (high - low) x; the range travels with `params`."""

    forward: Forward

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps on the way from `values` to `wanted`."""
        if "input" in values:
            image = stretched(values["input"], **params[RANGE])
            values = {**values, "input": image}
        return self.forward(_without_range(params), values, wanted)

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters in the form that a step computes fastest with.

        Args:
          params: the network's parameters and the range.
          size: (H, W) of the images to come.
        """
        own = self.forward.prepare(_without_range(params), size)
        return {**own, RANGE: params[RANGE]}


def _without_range(params: Params) -> Params:
    return {name: leaves for name, leaves in params.items() if name != RANGE}


def stretched(image: Array, *, low: Array, high: Array) -> Array:
    """Returns low + (high - low) x.

    Args:
      image: `[..., 3]`.
      low, high: `[3]`, what 0 and 1 become.
    """
    return low + (high - low) * image


def ranged(net: Network, params: Params, low: Array, high: Array) -> tuple[Network, Params]:
    """Returns (net, params) for which the image 0 is `low` and 1 is `high`.

    A box [low, high] that comes with the data is then the box [0, 1], which is static.

    Args:
      net, params: the network.
      low, high: RGB `[3]`.
    """
    bounds = {"low": jnp.asarray(low), "high": jnp.asarray(high)}
    return replace(net, forward=Ranged(net.forward)), {**params, RANGE: bounds}


@dataclass(frozen=True)
class Periodic(Forward):
    """Returns the taps of an image on a torus, without any border.

    Args:
      forward: of the network.
      margin: pixels that are repeated on every side.
      strides: (tap, stride in pixels) of the taps that can be asked for.
    """

    forward: Forward
    margin: int
    strides: tuple[tuple[str, int], ...]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the `wanted` taps, cut to the image.

        Raises:
          ValueError: for a tap that the margin was not made for, or a size that is no
            multiple of a tap's stride.
        """
        strides, image = dict(self.strides), values["input"]
        for tap in wanted:
            if tap not in strides:
                raise ValueError(
                    f"{tap!r} was not among the taps {', '.join(strides)} that this "
                    "periodic network was made for"
                )
            odd = [side for side in image.shape[:2] if side % strides[tap]]
            if odd:
                raise ValueError(
                    f"a tile's sides must be multiples of {strides[tap]} pixels, the "
                    f"stride of {tap!r}: not {odd[0]}"
                )
        pads = ((self.margin,) * 2, (self.margin,) * 2, (0, 0))
        around = {"input": jnp.pad(image, pads, mode="wrap")}
        taps = self.forward(params, around, wanted)
        return {tap: self._cut(taps[tap], strides[tap], image) for tap in wanted}

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters in the form that a step computes fastest with.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        return self.forward.prepare(params, tuple(side + 2 * self.margin for side in size))

    def _cut(self, values: Array, stride: int, image: Array) -> Array:
        first = self.margin // stride
        height, width = (side // stride for side in image.shape[:2])
        return values[first : first + height, first : first + width]


def periodic(net: Network, taps: tuple[str, ...]) -> Network:
    """Returns a network for which the image's left edge touches its right, exactly.

    The image is repeated around itself as far as any unit of `taps` sees, and the taps
    are cut to the image again.

    Args:
      net: a network built from a table.
      taps: the taps `[h, w, c]` that will be asked for.

    Raises:
      ValueError: for an unknown tap, one that is no map, or an adapted network.
    """
    rows = {row.name: row for row in geometry(net)}
    chosen = [rows[tap] for tap in net.named(taps)]
    flat = [row.name for row in chosen if len(row.shape) != 3]
    if flat:
        raise ValueError(f"{flat[0]!r} is no map [h, w, c]: it has no tiles")
    coarse = max(row.stride for row in chosen)
    reach = max(
        max(low, high)
        for low, high in (margins(row.receptive_field, row.offset, row.stride) for row in chosen)
    )
    margin = ceil(reach / coarse) * coarse
    strides = tuple((row.name, row.stride) for row in chosen)
    return replace(net, forward=Periodic(net.forward, margin, strides))


def margins(field: int, offset: float, stride: int) -> tuple[int, int]:
    """Returns how far the first unit sees beyond the edge, and the last one, in pixels.

    Args:
      field: receptive field in pixels.
      offset: centre of the first unit.
      stride: pixels between units; the image's side is a multiple of it.
    """
    half = (field - 1) / 2
    return ceil(half - offset), ceil(half + offset - stride + 1)
