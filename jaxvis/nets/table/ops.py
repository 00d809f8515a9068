"""What rows do: the Flax modules of ops with parameters, functions for the others."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxvis.convolution.forms import Prepared
from jaxvis.nets.table import style_ops as drawing
from jaxvis.nets.table.compute import CONVOLUTIONS, Compute
from jaxvis.nets.table.layers import Layer, pool_size
from jaxvis.types import Array

BN_EPSILON = 1e-5  # torchvision's


class Scale(nnx.Module):
    """Returns x * scale + shift: what a checkpoint wanted of its input, folded in."""

    def __init__(self) -> None:
        self.scale = nnx.Param(jnp.ones(3))
        self.shift = nnx.Param(jnp.zeros(3))

    def __call__(self, x: Array) -> Array:
        """Returns the image `[..., 3]` as the first layer wants it."""
        return x * self.scale[...] + self.shift[...]


def _fold(x: Array, row: Layer, axis: int, fill: float, combine: Callable[..., Array]) -> Array:
    """Returns windows along one axis combined: `x` cut by stride, shifted, folded.

    XLA's windowed maximum has a scatter for a gradient, 3-7 times slower on CPU than
    the gradient of these contiguous slices.
    """
    stride, out = row.stride, pool_size(x.shape[axis], row)
    length = -(-((out - 1) * stride + row.size) // stride) * stride
    pads = [(0, 0)] * x.ndim
    pads[axis] = (row.pad, max(length - x.shape[axis] - row.pad, 0))
    x = lax.slice_in_dim(jnp.pad(x, pads, constant_values=fill), 0, length, axis=axis)
    phases = x.reshape(*x.shape[:axis], -1, stride, *x.shape[axis + 1 :])
    phases = [lax.index_in_dim(phases, i, axis + 1, keepdims=False) for i in range(stride)]
    parts = [
        lax.slice_in_dim(phases[i % stride], i // stride, i // stride + out, axis=axis)
        for i in range(row.size)
    ]
    return reduce(combine, parts)


def _pool(x: Array, row: Layer) -> Array:
    """Returns max or average pooling; the gradient of a tie goes to the first maximum.

    Average windows cut at the edge average over the pixels that exist.
    """
    if row.op == "max":
        # Across, then down: ties then resolve in reading order, as torch's do.
        for axis in (2, 1):
            x = _fold(x, row, axis, -jnp.inf, lambda m, new: jnp.where(new > m, new, m))
        return x
    for axis in (2, 1):
        ones = jnp.ones_like(x, shape=(1,) * axis + (x.shape[axis],) + (1,) * (3 - axis))
        x = _fold(x, row, axis, 0.0, jnp.add) / _fold(ones, row, axis, 0.0, jnp.add)
    return x


def _lrn(x: Array, row: Layer) -> Array:
    """Returns local response normalisation across channels, windows cut at the ends."""
    half, dtype = row.size // 2, x.dtype
    x = x.astype(jnp.float32)  # alpha's sum is lost in bfloat16 beside kappa
    square = lax.reduce_window(
        x * x,
        0.0,
        lax.add,
        (1, 1, 1, row.size),
        (1, 1, 1, 1),
        [(0, 0), (0, 0), (0, 0), (half, row.size - 1 - half)],
    )
    root = lax.rsqrt(row.kappa + row.alpha / row.size * square)
    # ^-0.75 without a power: a third faster
    return (x * (root * jnp.sqrt(root))).astype(dtype)


def _promote(values: tuple, *, dtype: Any = None) -> tuple:
    """Returns values as `dtype`; a prepared kernel stays as it is."""
    return tuple(
        value
        if value is None or dtype is None or isinstance(value, Prepared)
        else value.astype(dtype)
        for value in values
    )


def _conv(row: Layer, shape: tuple[int, ...], compute: Compute) -> nnx.Module:
    return nnx.Conv(
        shape[-1],
        row.width,
        (row.size, row.size),
        row.stride,
        padding=((row.pad, row.pad), (row.pad, row.pad)),
        feature_group_count=row.groups,
        use_bias=row.bias,
        conv_general_dilated=CONVOLUTIONS[compute.convolution],
        promote_dtype=_promote,
        rngs=nnx.Rngs(0),
        **compute.options(),
    )


def _fc(row: Layer, shape: tuple[int, ...], compute: Compute) -> nnx.Module:
    inputs = shape[0] * shape[1] * shape[2] if len(shape) == 3 else shape[0]
    return nnx.Linear(inputs, row.width, use_bias=row.bias, rngs=nnx.Rngs(0), **compute.options())


def _batch_norm(row: Layer, shape: tuple[int, ...], compute: Compute) -> nnx.Module:
    return nnx.BatchNorm(
        shape[-1],
        use_running_average=True,
        epsilon=BN_EPSILON,
        rngs=nnx.Rngs(0),
        dtype=compute.options()["dtype"],
    )


MODULES: dict[str, Callable[[Layer, tuple[int, ...], Compute], nnx.Module]] = {
    "input": lambda row, shape, compute: Scale(),
    "conv": _conv,
    "fc": _fc,
    "bn": _batch_norm,
    **drawing.MODULES,
}
"""Ops that have parameters."""

OPS: dict[str, Callable[..., Array]] = {
    "max": _pool,
    "avg": _pool,
    "lrn": _lrn,
    "relu": lambda x, row: jax.nn.relu(x),
    "leaky": lambda x, row: jnp.where(x > 0, x, row.alpha * x),
    "gap": lambda x, row: jnp.mean(x, axis=(1, 2)),
    "softmax": lambda x, row: jax.nn.softmax(x.astype(jnp.float32)),
    "concat": lambda *xs, row: jnp.concatenate(xs, axis=-1),
    "add": lambda *xs, row: sum(xs[1:], xs[0]),
    **drawing.OPS,
}
"""Ops without parameters; they act on `[1, h, w, c]` or `[1, d]`."""
