"""What generators and encoders are made of: Keras' start, convolution, batch norm."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.convolution.conv import conv_general_dilated, prepared
from jaxvis.convolution.rewrite import doubled
from jaxvis.types import Array, Key


def glorot(key: Key, shape: tuple[int, ...], *, fan_in: float, fan_out: float) -> Array:
    """Returns a kernel as Keras starts it: uniform in +-sqrt(6 / (fan_in + fan_out)).

    Args:
      key: a typed random key.
      shape: of the kernel.
      fan_in, fan_out: inputs and outputs that a unit has.
    """
    limit = (6 / (fan_in + fan_out)) ** 0.5
    return jax.random.uniform(key, shape, minval=-limit, maxval=limit)


def convolved(x: Array, params: Any, *, padding: str, repeated: bool = False) -> Array:
    """Returns a convolution with its bias.

    Args:
      x: `[B, h, w, c]`.
      params: {"kernel", "bias"}.
      padding: "SAME" or "VALID".
      repeated: whether every row and column of x comes twice.
    """

    def conv(x: Array, kernel: Array, pads: Any) -> Array:
        size = tuple(
            side + sum(pad) - taps + 1 for side, pad, taps in zip(x.shape[1:3], pads, kernel.shape)
        )
        return conv_general_dilated(
            x,
            prepared(kernel, size),
            (1, 1),
            pads,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    kernel, sizes = params["kernel"], x.shape[1:3]
    sizes = [2 * size for size in sizes] if repeated else sizes
    pads = lax.padtype_to_pads(sizes, kernel.shape[:2], (1, 1), padding)
    out = doubled(conv, x, kernel, pads) if repeated else conv(x, kernel, pads)
    return out + params["bias"]


def normed(
    x: Array, params: Any, statistics: Any, *, train: bool, epsilon: float
) -> tuple[Array, dict[str, Array]]:
    """Returns (batch norm of `[B, h, w, c]`, the mean and variance `[c]` of x).

    Args:
      x: `[B, h, w, c]`.
      params: {"scale", "bias"}.
      statistics: {"mean", "var"}, what is taken out unless in training.
      train: whether x's own are.
      epsilon: added to the variance.
    """
    mean = jnp.mean(x, axis=(0, 1, 2))
    var = jnp.mean((x - mean) ** 2, axis=(0, 1, 2))
    own = {"mean": lax.stop_gradient(mean), "var": lax.stop_gradient(var)}
    if not train:
        mean, var = statistics["mean"], statistics["var"]
    gain = params["scale"] * lax.rsqrt(var + epsilon)
    return (x - mean) * gain + params["bias"], own
