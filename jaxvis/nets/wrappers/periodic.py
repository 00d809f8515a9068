"""A network whose images have no border: their left edge touches their right edge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax.numpy as jnp

from jaxvis.nets.table.fields import Reach, reach_of
from jaxvis.network import Forward, LayerDescription, Network
from jaxvis.types import Array, Params, Taps


@dataclass(frozen=True)
class PeriodicForward(Forward):
    """The forward pass of a network that sees an image wrapped around a torus.

    Args:
      forward: the network's own forward pass.
      reach: of the taps that can be asked for. The image is repeated around itself by
        the margin.
    """

    forward: Forward
    reach: Reach

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the `wanted` taps, cut to the image.

        Raises:
          ValueError: for a tap that the margin was not made for, or an image whose sides
            are no multiples of a tap's stride.
        """
        strides, image = self.reach.strides_of(wanted), values["input"]
        for tap in wanted:
            odd = [side for side in image.shape[:2] if side % strides[tap]]
            if odd:
                raise ValueError(
                    f"the sides of a periodic image must be multiples of {strides[tap]} "
                    f"pixels, the stride of {tap!r}: not {odd[0]}"
                )
        margin = self.reach.margin
        pads = ((margin, margin), (margin, margin), (0, 0))
        around = {"input": jnp.pad(image, pads, mode="wrap")}
        taps = self.forward(params, around, wanted)
        return {tap: self._cut(taps[tap], strides[tap], image) for tap in wanted}

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters, prepared for the image with its margin.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        both = 2 * self.reach.margin
        return self.forward.prepare(params, (size[0] + both, size[1] + both))

    def rematerialise(self) -> "PeriodicForward":
        """Returns this forward pass around one whose gradient takes less memory.

        Raises:
          ValueError: where the network's own forward pass cannot be cut.
        """
        return replace(self, forward=self.forward.rematerialise())

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the layers as the network's own forward pass does."""
        return self.forward.describe_layers()

    def _cut(self, values: Array, stride: int, image: Array) -> Array:
        first = self.reach.margin // stride
        height, width = (side // stride for side in image.shape[:2])
        return values[first : first + height, first : first + width]


def with_periodic_edges(net: Network, taps: tuple[str, ...]) -> Network:
    """Returns a network for which the opposite edges of an image touch, exactly.

    The image is repeated around itself as far as any unit of `taps` sees, and the taps
    are cut to the image again.

    Args:
      net: a network built from a table.
      taps: the taps `[h, w, c]` that will be asked for.

    Raises:
      ValueError: for an unknown tap, a tap that is no map, or an adapted network.
    """
    return replace(net, forward=PeriodicForward(net.forward, reach_of(net, taps)))
