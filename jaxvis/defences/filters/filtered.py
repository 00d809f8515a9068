"""Networks that see a filtered image, and what all filters have in common.

A filter that rounds or picks has no useful gradient of its own. An attack that knows of the
filter then takes it for the identity on the way back, and is hardly slowed down by it. So
every filter here can be passed straight through, and most of them are by default: a defence
is only as good as against an attack that sees through it.

Source: Athalye, Carlini & Wagner, Obfuscated gradients give a false sense of security, 2018,
section 4 (backward pass differentiable approximation, BPDA).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.network import Forward, LayerDescription, Network
from jaxvis.types import Array, Image, Params, Taps


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is done to an image before a network sees it. Static and hashable.

    A filter of one's own needs `apply` alone.

    Args:
      straight: whether gradients pass it as if it were the identity; otherwise they are
        those of `apply`.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> class Mirror(jaxvis.defences.Filter):
    ...     def apply(self, image):
    ...         return image[:, ::-1]
    >>> Mirror()(jnp.array([[[0.0], [1.0]]])).tolist()
    [[[1.0], [0.0]]]
    """

    straight: bool = True

    def apply(self, image: Image) -> Image:
        """Computes the filtered image, of the shape `[H, W, C]` of the one that it is given.

        Raises:
          NotImplementedError: where a filter does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply(image) -> image")

    def __call__(self, image: Image) -> Image:
        """Computes the filtered image, with the gradient that `straight` says."""
        return _pass_straight(self, image) if self.straight else self.apply(image)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _pass_straight(filter: Filter, image: Array) -> Array:
    return filter.apply(image)


@_pass_straight.defjvp
def _pass_tangent(filter: Filter, primals: Any, tangents: Any) -> tuple[Array, Array]:
    return filter.apply(*primals), tangents[0]


@dataclass(frozen=True)
class FilteredForward(Forward):
    """The forward pass of a network that sees images through filters.

    Args:
      forward: the network's own forward pass.
      filters: what an image passes, in this order.
    """

    forward: Forward
    filters: tuple[Filter, ...]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps on the way from `values` to `wanted`."""
        if "input" in values:
            image = values["input"]
            for filter in self.filters:
                image = filter(image)
            values = {**values, "input": image}
        return self.forward(params, values, wanted)

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters as the network prepares them.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        return self.forward.prepare(params, size)

    def rematerialise(self) -> "FilteredForward":
        """Returns this forward pass around one whose gradient takes less memory.

        Raises:
          ValueError: where the network's own forward pass cannot be cut.
        """
        return replace(self, forward=self.forward.rematerialise())

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the layers as the network's own forward pass does."""
        return self.forward.describe_layers()


def with_filters(net: Network, *filters: Filter) -> Network:
    """Puts filters before a network; every attack and method then works on both together.

    Args:
      net: any network.
      *filters: what an image passes, in this order; without any, `net` is returned.

    Raises:
      ValueError: for something that is no filter.

    Source: Guo et al., Countering adversarial images using input transformations, 2018; Xu,
      Evans & Qi, Feature squeezing, 2018.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> jpeg = jaxvis.with_filters(net, jaxvis.defences.Jpeg(quality=50))
    >>> jpeg.apply(params, jnp.full((16, 16, 3), 0.5), stop="fc8")["fc8"].shape
    (20,)
    """
    for one in filters:
        if not isinstance(one, Filter):
            raise ValueError(
                f"{one!r} is no filter: derive from jaxvis.defences.Filter, and give it an apply"
            )
    return replace(net, forward=FilteredForward(net.forward, filters)) if filters else net


def clip_image(image: Array) -> Array:
    """Clips an image `[H, W, C]` to [0, 1], and lets gradients pass where it cuts.

    Args:
      image: such as one with noise.
    """
    return image + jax.lax.stop_gradient(jnp.clip(image, 0, 1) - image)
