"""A network whose images run from one colour to another instead of from black to white."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax.numpy as jnp

from jaxvis.network import Forward, LayerDescription, Network
from jaxvis.types import Array, Params, Taps

RANGE = "@range"
"""The name under which the parameters of such a network hold its range."""


@dataclass(frozen=True)
class RangedForward(Forward):
    """The forward pass of a network that sees low + (high - low) x instead of x.

    The range is not static: it travels with the parameters.

    Args:
      forward: the network's own forward pass.
    """

    forward: Forward

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps on the way from `values` to `wanted`."""
        if "input" in values:
            values = {**values, "input": to_range(values["input"], **params[RANGE])}
        return self.forward(_without_range(params), values, wanted)

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters as the network prepares them; the range stays as it is.

        Args:
          params: the network's parameters and the range.
          size: (H, W) of the images to come.
        """
        own = self.forward.prepare(_without_range(params), size)
        return {**own, RANGE: params[RANGE]}

    def rematerialise(self) -> "RangedForward":
        """Returns this forward pass around one whose gradient takes less memory.

        Raises:
          ValueError: where the network's own forward pass cannot be cut.
        """
        return replace(self, forward=self.forward.rematerialise())

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the layers as the network's own forward pass does."""
        return self.forward.describe_layers()


def _without_range(params: Params) -> Params:
    return {name: leaves for name, leaves in params.items() if name != RANGE}


def to_range(image: Array, *, low: Array, high: Array) -> Array:
    """Returns low + (high - low) x: the image taken from [0, 1] to [low, high].

    Args:
      image: `[..., C]`.
      low, high: `[C]`, the colours that 0 and 1 become.
    """
    return low + (high - low) * image


def with_range(net: Network, params: Params, low: Array, high: Array) -> tuple[Network, Params]:
    """Returns (net, params) for which the image 0 is the colour `low` and 1 is `high`.

    A box [low, high] that comes with the data then is the static box [0, 1].

    Args:
      net, params: the network.
      low, high: `[C]`, RGB where there are three.
    """
    bounds = {"low": jnp.asarray(low), "high": jnp.asarray(high)}
    return replace(net, forward=RangedForward(net.forward)), {**params, RANGE: bounds}
