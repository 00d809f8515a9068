"""The ops of rows: Flax modules for those with parameters, functions for the others."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from jaxvis.convolution.kernels import PreparedKernel
from jaxvis.nets.gelu import gelu
from jaxvis.nets.table import style_ops, token_ops
from jaxvis.nets.table.compute import CONVOLUTIONS, Compute
from jaxvis.nets.table.layers import Layer, pool_size
from jaxvis.types import Array

Values = TypeVar("Values", bound=tuple[Any, ...])


class Scale(nnx.Module):
    """The input row, x * scale + shift: the preprocessing that a checkpoint wants."""

    def __init__(self, channels: int) -> None:
        self.scale = nnx.Param(jnp.ones(channels))
        self.shift = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Array) -> Array:
        """Returns the image `[..., c]` in the range that the first layer was trained with."""
        return x * self.scale[...] + self.shift[...]


class Gain(nnx.Module):
    """A learned factor for every channel, which ConvNeXt calls the scale of a layer."""

    def __init__(self, channels: int) -> None:
        self.scale = nnx.Param(jnp.ones(channels))

    def __call__(self, x: Array) -> Array:
        """Returns the map or vector `[1, ..., c]` times the factors."""
        return x * self.scale[...].astype(x.dtype)


def _combine_windows(
    x: Array, row: Layer, axis: int, fill: float, combine: Callable[..., Array]
) -> Array:
    """Returns the combined values of the windows along one axis.

    The elements of a window are contiguous slices of x. XLA's windowed maximum has a
    scatter for a gradient, which is 3-7 times slower on a CPU than that of the slices.
    """
    size, pad, stride = row.window[axis - 1], row.pads[axis - 1], row.stride
    out = pool_size(x.shape[axis], row, axis - 1)
    length = -(-((out - 1) * stride + size) // stride) * stride
    pads = [(0, 0)] * x.ndim
    pads[axis] = (pad, max(length - x.shape[axis] - pad, 0))
    x = lax.slice_in_dim(jnp.pad(x, pads, constant_values=fill), 0, length, axis=axis)
    groups = x.reshape(*x.shape[:axis], -1, stride, *x.shape[axis + 1 :])
    phases = [lax.index_in_dim(groups, i, axis + 1, keepdims=False) for i in range(stride)]
    parts = [
        lax.slice_in_dim(phases[i % stride], i // stride, i // stride + out, axis=axis)
        for i in range(size)
    ]
    return reduce(combine, parts)


def _count_pixels(length: int, row: Layer, axis: int) -> np.ndarray:
    """Returns how many pixels along an axis each window of an average pooling counts."""
    size, pad = row.window[axis], row.pads[axis]
    first = np.arange(pool_size(length, row, axis))[:, None] * row.stride - pad
    more = pad if row.count_pad else 0
    at = first + np.arange(size)
    return np.sum((at >= -more) & (at < length + more), axis=1)


def _pool(x: Array, row: Layer) -> Array:
    """Returns max or average pooling; the gradient of equal maxima goes to the first one."""
    if row.op == "max":
        # Across, then down: the first of equal maxima is that in reading order, as in torch.
        for axis in (2, 1):
            x = _combine_windows(x, row, axis, -jnp.inf, lambda m, new: jnp.where(new > m, new, m))
        return x
    for axis in (2, 1):
        count = _count_pixels(x.shape[axis], row, axis - 1)
        count = count.reshape((1,) * axis + (-1,) + (1,) * (3 - axis))
        x = _combine_windows(x, row, axis, 0.0, jnp.add) / jnp.asarray(count, x.dtype)
    return x


def _pool_windows(x: Array, row: Layer) -> Array:
    """Returns max pooling as one operation, which those who trace a network can tell."""
    pads = []
    for axis, pad in zip((1, 2), row.pads):
        end = (pool_size(x.shape[axis], row, axis - 1) - 1) * row.stride + row.window[axis - 1]
        # What no window reaches is cut off, by a padding below 0.
        pads.append((pad, end - x.shape[axis] - pad, 0))
    padded = lax.pad(x, jnp.asarray(-jnp.inf, x.dtype), ((0, 0, 0), *pads, (0, 0, 0)))
    strides = (1, row.stride, row.stride, 1)
    return lax.reduce_window(padded, -jnp.inf, lax.max, (1, *row.window, 1), strides, "VALID")


def _normalise_locally(x: Array, row: Layer) -> Array:
    """Returns local response normalisation across channels; windows end with the channels."""
    size, dtype = row.window[0], x.dtype
    half = size // 2
    x = x.astype(jnp.float32)  # in bfloat16 the sum times alpha is lost beside kappa
    square = lax.reduce_window(
        x * x,
        0.0,
        lax.add,
        (1, 1, 1, size),
        (1, 1, 1, 1),
        [(0, 0), (0, 0), (0, 0), (half, size - 1 - half)],
    )
    root = lax.rsqrt(row.kappa + row.alpha / size * square)
    # This is the power -0.75, a third faster than by a power.
    return (x * (root * jnp.sqrt(root))).astype(dtype)


def _convert(values: Values, /, *, dtype: Any = None, inexact: bool = True) -> Values:
    """Returns the values converted to `dtype`; a prepared kernel stays as it is.

    Flax may ask for `inexact` types, which all values here have already.
    """
    del inexact
    return type(values)(
        value
        if value is None or dtype is None or isinstance(value, PreparedKernel)
        else value.astype(dtype)
        for value in values
    )


def _conv(row: Layer, shape: tuple[int, ...], compute: Compute) -> nnx.Module:
    return nnx.Conv(
        shape[-1],
        row.width,
        row.window,
        row.stride,
        padding=tuple((pad, pad) for pad in row.pads),
        feature_group_count=row.groups,
        use_bias=row.bias,
        conv_general_dilated=CONVOLUTIONS[compute.convolution],
        promote_dtype=_convert,
        **compute.layer_options(),
    )


def _fc(row: Layer, shape: tuple[int, ...], compute: Compute) -> nnx.Module:
    inputs = shape[0] * shape[1] * shape[2] if len(shape) == 3 else shape[0]
    return nnx.Linear(inputs, row.width, use_bias=row.bias, **compute.layer_options())


def _batch_norm(row: Layer, shape: tuple[int, ...], compute: Compute) -> nnx.Module:
    return nnx.BatchNorm(
        shape[-1],
        use_running_average=True,
        epsilon=row.epsilon,
        **compute.norm_options(),
    )


def _layer_norm(row: Layer, shape: tuple[int, ...], compute: Compute) -> nnx.Module:
    return nnx.LayerNorm(
        shape[-1],
        epsilon=row.epsilon,
        # The mean of squares minus the square of the mean would lose digits.
        use_fast_variance=False,
        **compute.norm_options(),
    )


def _multiply(x: Array, *factors: Array, row: Layer) -> Array:
    """Returns a map times its factors: maps, or vectors `[1, c]` with a factor a channel."""
    del row
    for factor in factors:
        x = x * (factor if factor.ndim == x.ndim else factor[:, None, None])
    return x


MODULES: dict[str, Callable[[Layer, tuple[int, ...], Compute], nnx.Module]] = {
    "input": lambda row, shape, compute: Scale(shape[-1]),
    "conv": _conv,
    "fc": _fc,
    "bn": _batch_norm,
    "ln": _layer_norm,
    "gain": lambda row, shape, compute: Gain(shape[-1]),
    **style_ops.MODULES,
    **token_ops.MODULES,
}
"""Op -> its Flax module, for ops that have parameters."""

OPS: dict[str, Callable[..., Array]] = {
    "max": _pool,
    "avg": _pool,
    "window_max": _pool_windows,
    "lrn": _normalise_locally,
    "relu": lambda x, row: jax.nn.relu(x),
    "relu6": lambda x, row: jnp.minimum(jax.nn.relu(x), 6),
    "silu": lambda x, row: jax.nn.silu(x),
    "gelu": lambda x, row: gelu(x),
    "sigmoid": lambda x, row: jax.nn.sigmoid(x),
    "hswish": lambda x, row: jax.nn.hard_swish(x),
    "hsigmoid": lambda x, row: jax.nn.hard_sigmoid(x),
    "leaky": lambda x, row: jnp.where(x > 0, x, row.alpha * x),
    "gap": lambda x, row: jnp.mean(x, axis=(1, 2)),
    "softmax": lambda x, row: jax.nn.softmax(x.astype(jnp.float32)),
    "concat": lambda *xs, row: jnp.concatenate(xs, axis=-1),
    "mul": _multiply,
    "add": lambda *xs, row: sum(xs[1:], xs[0]),
    **style_ops.OPS,
    **token_ops.OPS,
}
"""Op -> its function of `[1, h, w, c]` or `[1, d]`, for ops without parameters."""
