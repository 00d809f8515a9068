"""The ops of rows: Flax modules for those with parameters, functions for the others."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxvis.convolution.kernels import PreparedKernel
from jaxvis.nets.table import style_ops
from jaxvis.nets.table.compute import CONVOLUTIONS, Compute
from jaxvis.nets.table.layers import Layer, pool_size
from jaxvis.types import Array

BN_EPSILON = 1e-5  # torchvision's
Values = TypeVar("Values", bound=tuple[Any, ...])


class Scale(nnx.Module):
    """The input row, x * scale + shift: the preprocessing that a checkpoint wants."""

    def __init__(self) -> None:
        self.scale = nnx.Param(jnp.ones(3))
        self.shift = nnx.Param(jnp.zeros(3))

    def __call__(self, x: Array) -> Array:
        """Returns the image `[..., 3]` in the range that the first layer was trained with."""
        return x * self.scale[...] + self.shift[...]


def _combine_windows(
    x: Array, row: Layer, axis: int, fill: float, combine: Callable[..., Array]
) -> Array:
    """Returns the combined values of the windows along one axis.

    The elements of a window are contiguous slices of x. XLA's windowed maximum has a
    scatter for a gradient, which is 3-7 times slower on a CPU than that of the slices.
    """
    stride, out = row.stride, pool_size(x.shape[axis], row)
    length = -(-((out - 1) * stride + row.size) // stride) * stride
    pads = [(0, 0)] * x.ndim
    pads[axis] = (row.pad, max(length - x.shape[axis] - row.pad, 0))
    x = lax.slice_in_dim(jnp.pad(x, pads, constant_values=fill), 0, length, axis=axis)
    groups = x.reshape(*x.shape[:axis], -1, stride, *x.shape[axis + 1 :])
    phases = [lax.index_in_dim(groups, i, axis + 1, keepdims=False) for i in range(stride)]
    parts = [
        lax.slice_in_dim(phases[i % stride], i // stride, i // stride + out, axis=axis)
        for i in range(row.size)
    ]
    return reduce(combine, parts)


def _pool(x: Array, row: Layer) -> Array:
    """Returns max or average pooling.

    The gradient of several equal maxima goes to the first one. An average at the edge is
    taken over the pixels that exist.
    """
    if row.op == "max":
        # Across, then down: the first of equal maxima is that in reading order, as in torch.
        for axis in (2, 1):
            x = _combine_windows(x, row, axis, -jnp.inf, lambda m, new: jnp.where(new > m, new, m))
        return x
    for axis in (2, 1):
        ones = jnp.ones_like(x, shape=(1,) * axis + (x.shape[axis],) + (1,) * (3 - axis))
        total, count = (_combine_windows(v, row, axis, 0.0, jnp.add) for v in (x, ones))
        x = total / count
    return x


def _normalise_locally(x: Array, row: Layer) -> Array:
    """Returns local response normalisation across channels; windows end with the channels."""
    half, dtype = row.size // 2, x.dtype
    x = x.astype(jnp.float32)  # in bfloat16 the sum times alpha is lost beside kappa
    square = lax.reduce_window(
        x * x,
        0.0,
        lax.add,
        (1, 1, 1, row.size),
        (1, 1, 1, 1),
        [(0, 0), (0, 0), (0, 0), (half, row.size - 1 - half)],
    )
    root = lax.rsqrt(row.kappa + row.alpha / row.size * square)
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
        (row.size, row.size),
        row.stride,
        padding=((row.pad, row.pad), (row.pad, row.pad)),
        feature_group_count=row.groups,
        use_bias=row.bias,
        conv_general_dilated=CONVOLUTIONS[compute.convolution],
        promote_dtype=_convert,
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
    **style_ops.MODULES,
}
"""Op -> its Flax module, for ops that have parameters."""

OPS: dict[str, Callable[..., Array]] = {
    "max": _pool,
    "avg": _pool,
    "lrn": _normalise_locally,
    "relu": lambda x, row: jax.nn.relu(x),
    "leaky": lambda x, row: jnp.where(x > 0, x, row.alpha * x),
    "gap": lambda x, row: jnp.mean(x, axis=(1, 2)),
    "softmax": lambda x, row: jax.nn.softmax(x.astype(jnp.float32)),
    "concat": lambda *xs, row: jnp.concatenate(xs, axis=-1),
    "add": lambda *xs, row: sum(xs[1:], xs[0]),
    **style_ops.OPS,
}
"""Op -> its function of `[1, h, w, c]` or `[1, d]`, for ops without parameters."""
