"""A user's own generator: NNX and Linen modules as `(shared, z) -> image`.

A plain function `(shared, z) -> image [H, W, 3]` in [0, 1] needs no adapter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from jaxvis.types import Array, Image


@dataclass(frozen=True)
class Adapted:
    """Returns the image `[H, W, 3]` that a module draws of z.

    Args:
      run: hashable `(shared, z [1, ...]) -> [1, H, W, C]`.
      low, high: the module's values of black and white.
      size: (H, W) to resize to; None leaves it.
    """

    run: Callable[[Any, Array], Array]
    low: float = 0.0
    high: float = 1.0
    size: tuple[int, int] | None = None

    def __call__(self, shared: Any, z: Array) -> Image:
        """Returns the image of one z.

        Raises:
          ValueError: if the module returns something else than one grey or RGB image.
        """
        out = self.run(shared, z[None])
        if out.ndim != 4 or out.shape[0] != 1 or out.shape[-1] not in (1, 3):
            raise ValueError(f"the generator returns {out.shape}, not one image [1, H, W, 1 or 3]")
        image = (out[0] - self.low) / (self.high - self.low)
        if self.size is not None and self.size != image.shape[:2]:
            shape = (*self.size, image.shape[-1])
            image = jax.image.resize(image, shape, "linear", antialias=False)
        return jnp.broadcast_to(image, (*image.shape[:2], 3))


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
        return self.module.apply(shared, z, **dict(self.arguments))


def generator_from_nnx(
    module: nnx.Module,
    *,
    low: float = 0.0,
    high: float = 1.0,
    size: tuple[int, int] | None = None,
) -> tuple[Adapted, Any]:
    """Returns (generator, shared) of a Flax NNX module.

    Args:
      module: takes z `[1, ...]`, returns `[1, H, W, C]`, C 1 or 3; a copy of it is put
        into evaluation mode.
      low, high: its values of black and white, -1 and 1 of a tanh.
      size: (H, W) that its images are resized to, bilinear; None leaves them.
    """
    copy = nnx.clone(module)
    copy.eval()
    nnx.pop(copy, nnx.RngState)
    graph, state = nnx.split(copy)
    return Adapted(_Nnx(graph), low, high, size), state


def generator_from_linen(
    module: linen.Module,
    variables: Mapping[str, Any],
    *,
    arguments: Mapping[str, Any] | None = None,
    low: float = 0.0,
    high: float = 1.0,
    size: tuple[int, int] | None = None,
) -> tuple[Adapted, Any]:
    """Returns (generator, shared) of a Flax Linen module.

    Args:
      module: takes z `[1, ...]`, returns `[1, H, W, C]`, C 1 or 3.
      variables: its variables.
      arguments: further keyword arguments of its call, hashable: {"train": False}.
      low, high, size: see `generator_from_nnx`.
    """
    run = _Linen(module, tuple(sorted((arguments or {}).items())))
    return Adapted(run, low, high, size), dict(variables)
