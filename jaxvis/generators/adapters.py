"""A user's own generator, an NNX or Linen module, as a function `(shared, z) -> image`.

A plain function `(shared, z) -> image [H, W, C]` in [0, 1] needs no adapter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from jaxvis.types import Array, Image


@dataclass(frozen=True)
class AdaptedGenerator:
    """A module as a generator of images `[H, W, C]` in [0, 1].

    Grey images are given in three equal channels; `jaxvis.latent` shows a network of grey
    images their luminance, which is the same.

    Args:
      run: a hashable function `(shared, z [1, ...]) -> [1, H, W, C]`.
      low, high: the module's values of black and white.
      size: (H, W) to which images are resized; None leaves their size.
    """

    run: Callable[[Any, Array], Array]
    low: float = 0.0
    high: float = 1.0
    size: tuple[int, int] | None = None

    def __call__(self, shared: Any, z: Array) -> Image:
        """Returns the image `[H, W, C]` of one z; C is 3 where the module draws in grey.

        Raises:
          ValueError: if the module does not return one image.
        """
        out = self.run(shared, z[None])
        if out.ndim != 4 or out.shape[0] != 1 or out.shape[-1] < 1:
            raise ValueError(
                f"the generator returns the shape {out.shape} for one z, not [1, H, W, C]"
            )
        image = (out[0] - self.low) / (self.high - self.low)
        if self.size is not None and self.size != image.shape[:2]:
            shape = (*self.size, image.shape[-1])
            image = jax.image.resize(image, shape, "linear", antialias=False)
        return jnp.broadcast_to(image, (*image.shape[:2], 3)) if image.shape[-1] == 1 else image


@dataclass(frozen=True)
class _Nnx:
    graph: nnx.GraphDef

    def __call__(self, shared: Any, z: Array) -> Array:
        return nnx.merge(self.graph, shared)(z)


@dataclass(frozen=True)
class _Linen:
    module: linen.Module
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, shared: Any, z: Array) -> Array:
        # Flax returns a pair only where collections are mutable, and none is here.
        out: Any = self.module.apply(shared, z, **dict(self.arguments))
        return out


def generator_from_nnx(
    module: nnx.Module,
    *,
    low: float = 0.0,
    high: float = 1.0,
    size: tuple[int, int] | None = None,
) -> tuple[AdaptedGenerator, Any]:
    """Returns a Flax NNX module as (generator, shared).

    Args:
      module: takes z `[1, ...]` and returns `[1, H, W, C]`. A copy of it is put into
        evaluation mode.
      low, high: its values of black and white, such as -1 and 1 for a tanh.
      size: (H, W) to which its images are resized, bilinearly; None leaves their size.
    """
    copy = nnx.clone(module)
    copy.eval()
    nnx.pop(copy, nnx.RngState)
    graph, state = nnx.split(copy)
    return AdaptedGenerator(_Nnx(graph), low, high, size), state


def generator_from_linen(
    module: linen.Module,
    variables: Mapping[str, Any],
    *,
    arguments: Mapping[str, Any] | None = None,
    low: float = 0.0,
    high: float = 1.0,
    size: tuple[int, int] | None = None,
) -> tuple[AdaptedGenerator, Any]:
    """Returns a Flax Linen module as (generator, shared).

    Args:
      module: takes z `[1, ...]` and returns `[1, H, W, C]`.
      variables: its variables.
      arguments: further keyword arguments of its call, hashable: {"train": False}.
      low, high, size: see `generator_from_nnx`.
    """
    run = _Linen(module, tuple(sorted((arguments or {}).items())))
    return AdaptedGenerator(run, low, high, size), dict(variables)
