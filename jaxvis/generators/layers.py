"""The layers of generators and encoders: Keras' initial kernels, convolution, batch norm."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.convolution.conv import convolve_learned
from jaxvis.convolution.rewrite import convolve_doubled
from jaxvis.types import Array, Key


def draw_glorot(key: Key, shape: tuple[int, ...], *, fan_in: float, fan_out: float) -> Array:
    """Returns an initial kernel as Keras draws it: uniform in +-sqrt(6 / (fan_in + fan_out)).

    Args:
      key: a typed random key.
      shape: the kernel's shape.
      fan_in, fan_out: how many inputs and outputs a unit has.
    """
    limit = (6 / (fan_in + fan_out)) ** 0.5
    return jax.random.uniform(key, shape, minval=-limit, maxval=limit)


def convolve(x: Array, params: Any, *, padding: str, repeated: bool = False) -> Array:
    """Returns a stride 1 convolution with its bias, `[B, h', w', c']`.

    Args:
      x: `[B, h, w, c]`.
      params: {"kernel", "bias"}.
      padding: "SAME" or "VALID".
      repeated: whether every row and column of x is repeated first.
    """
    kernel, times = params["kernel"], 2 if repeated else 1
    sizes = [times * size for size in x.shape[1:3]]
    down, across = lax.padtype_to_pads(sizes, kernel.shape[:2], (1, 1), padding)
    pads = (down, across)
    if repeated:
        out = convolve_doubled(convolve_learned, x, kernel, pads)
    else:
        out = convolve_learned(x, kernel, pads)
    return out + params["bias"]


def double_smoothly(x: Array) -> Array:
    """Returns maps of twice the size, with the pixels between interpolated linearly.

    Args:
      x: `[B, h, w, c]`.
    """
    batch, height, width, channels = x.shape
    return jax.image.resize(x, (batch, 2 * height, 2 * width, channels), "linear")


def normalise(
    x: Array, params: Any, statistics: Any, *, train: bool, epsilon: float
) -> tuple[Array, dict[str, Array]]:
    """Returns (batch norm of `[B, h, w, c]`, the mean and variance `[c]` of x).

    Args:
      x: `[B, h, w, c]`.
      params: {"scale", "bias"}.
      statistics: {"mean", "var"}, the moments to take out unless `train` is set.
      train: whether to take out the moments of x itself.
      epsilon: added to the variance.
    """
    mean = jnp.mean(x, axis=(0, 1, 2))
    var = jnp.mean((x - mean) ** 2, axis=(0, 1, 2))
    own = {"mean": lax.stop_gradient(mean), "var": lax.stop_gradient(var)}
    if not train:
        mean, var = statistics["mean"], statistics["var"]
    gain = params["scale"] * lax.rsqrt(var + epsilon)
    return (x - mean) * gain + params["bias"], own
