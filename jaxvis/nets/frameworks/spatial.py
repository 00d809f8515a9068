"""The operations of a graph that hold weights: convolutions, norms and products of matrices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.convolution.conv import conv_general_dilated
from jaxvis.convolution.forms import NHWC
from jaxvis.convolution.kernels import PreparedKernel
from jaxvis.types import Array

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
ONES: Pair = (1, 1)
NONE: Pads = ((0, 0), (0, 0))


def _convolve(
    x: Array,
    kernel: Array | PreparedKernel,
    bias: Array | None = None,
    *,
    stride: Pair = ONES,
    pads: Pads | str = NONE,
    dilation: Pair = ONES,
    groups: int = 1,
) -> Array:
    """Convolves with a kernel `[kh, kw, in / groups, out]`."""
    y = conv_general_dilated(
        x,
        kernel,
        stride,
        pads,
        rhs_dilation=dilation,
        dimension_numbers=NHWC,
        feature_group_count=groups,
    )
    return y if bias is None else y + bias


def _convolve_transposed(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = ONES,
    pads: Pads = NONE,
    extra: Pair = (0, 0),
    dilation: Pair = ONES,
    groups: int = 1,
) -> Array:
    """Computes the gradient of a convolution, with weights `[in, out / groups, kh, kw]`.

    `extra` rows and columns are added below and at the right.
    """
    inputs, outputs, *sides = weight.shape
    kernel = weight.reshape(groups, inputs // groups, outputs, *sides)
    kernel = kernel.transpose(3, 4, 1, 0, 2).reshape(*sides, inputs // groups, -1)[::-1, ::-1]
    reach = [(side - 1) * step for side, step in zip(sides, dilation)]
    (above, below), (left, right) = pads
    y = conv_general_dilated(
        x,
        kernel,
        ONES,
        (
            (reach[0] - above, reach[0] - below + extra[0]),
            (reach[1] - left, reach[1] - right + extra[1]),
        ),
        lhs_dilation=stride,
        rhs_dilation=dilation,
        dimension_numbers=NHWC,
        feature_group_count=groups,
    )
    return y if bias is None else y + bias


def _normalise_batch(
    x: Array,
    scale: Array | None,
    bias: Array | None,
    mean: Array,
    variance: Array,
    *,
    epsilon: float,
) -> Array:
    """Scales and shifts channels by the statistics of a training."""
    gain = lax.rsqrt(variance + epsilon)
    gain = gain if scale is None else gain * scale
    y = (x - mean) * gain
    return y if bias is None else y + bias


def _normalise_groups(
    x: Array,
    scale: Array | None = None,
    bias: Array | None = None,
    *,
    groups: int = 0,
    epsilon: float,
) -> Array:
    """Normalises groups of channels over all places; 0 makes every channel a group."""
    n, *sides, c = x.shape
    count = groups or c
    parts = x.reshape(n, -1, count, c // count)
    parts = _standardise(parts, (1, 3), epsilon)
    return _adjust(parts.reshape(n, *sides, c), scale, bias)


def _standardise(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    centred = x - x.mean(axes, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(centred**2, axes, keepdims=True) + epsilon)


def _adjust(x: Array, scale: Array | None, bias: Array | None) -> Array:
    x = x if scale is None else x * scale
    return x if bias is None else x + bias


def _normalise_locally(
    x: Array, *, size: int, alpha: float, beta: float, kappa: float, before: int
) -> Array:
    """Divides by (kappa + alpha / size * sum of squares over `size` channels)^beta."""
    pads = [(0, 0)] * (x.ndim - 1) + [(before, size - 1 - before)]
    window = (1,) * (x.ndim - 1) + (size,)
    total = lax.reduce_window(x * x, 0.0, lax.add, window, (1,) * x.ndim, pads)
    return x / (kappa + alpha / size * total) ** beta


def _rectify_channels(x: Array, slope: Array) -> Array:
    """Multiplies negative numbers by their channel's slope, `[c]` or `[1]`."""
    return jnp.where(x > 0, x, slope.reshape(-1) * x)


def _deepen(x: Array, *, block: int, order: str = "CRD") -> Array:
    """Moves r^2 channels to places: `[n, h, w, c r r]` becomes `[n, h r, w r, c]`.

    In the order "CRD" the r^2 numbers of a channel are neighbours; in "DCR" they are c apart.
    """
    n, h, w, c = x.shape
    if order == "CRD":
        x = x.reshape(n, h, w, -1, block, block).transpose(0, 1, 4, 2, 5, 3)
    else:
        x = x.reshape(n, h, w, block, block, -1).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * block, w * block, -1)


def _flatten_blocks(x: Array, *, block: int, order: str = "CRD") -> Array:
    """Moves places to channels: `[n, h r, w r, c]` becomes `[n, h, w, c r r]`."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // block, block, w // block, block, c)
    x = x.transpose((0, 1, 3, 5, 2, 4) if order == "CRD" else (0, 1, 3, 2, 4, 5))
    return x.reshape(n, h // block, w // block, -1)


SPATIAL: dict[str, Callable[..., Any]] = {
    "batch_norm": _normalise_batch,
    "blocks_to_channels": _flatten_blocks,
    "channels_to_blocks": _deepen,
    "convolve": _convolve,
    "convolve_transposed": _convolve_transposed,
    "group_norm": _normalise_groups,
    "local_norm": _normalise_locally,
    "prelu": _rectify_channels,
}
"""Name -> function of maps `[n, h, w, c]`, arrays of weights, and static options."""


def _connect(x: Array, matrix: Array, bias: Array | None = None) -> Array:
    """Computes x times a matrix `[in, out]`, plus a bias."""
    y = x @ matrix
    return y if bias is None else y + bias


def _multiply_and_add(bias: Any, x: Array, y: Array, *, alpha: float, beta: float) -> Array:
    return beta * bias + alpha * (x @ y)


def _normalise_layer(
    x: Array,
    scale: Array | None = None,
    bias: Array | None = None,
    *,
    first: int,
    epsilon: float,
) -> Array:
    """Normalises over the axes from the first of them to the last."""
    axes = tuple(range(first % x.ndim, x.ndim))
    return _adjust(_standardise(x, axes, epsilon), scale, bias)


def _normalise_root(x: Array, scale: Array | None = None, *, first: int, epsilon: float) -> Array:
    """Divides by the root mean square over the axes from the first of them to the last."""
    square = jnp.mean(x * x, tuple(range(first % x.ndim, x.ndim)), keepdims=True)
    return _adjust(x * lax.rsqrt(square + epsilon), scale, None)


def _attend(
    query: Array,
    key: Array,
    value: Array,
    mask: Any = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Array:
    """Computes softmax(query key^T scale + mask) value over `[..., tokens, d]`.

    A mask of truth values says what may be seen. None scales by 1 / sqrt(d).
    """
    scores = query @ jnp.swapaxes(key, -1, -2)
    scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == bool else scores + mask
    return jax.nn.softmax(scores, axis=-1) @ value


DENSE: dict[str, Callable[..., Any]] = {
    "attend": _attend,
    "connect": _connect,
    "einsum": lambda *arrays, equation: jnp.einsum(equation, *arrays),
    "layer_norm": _normalise_layer,
    "matmul": jnp.matmul,
    "multiply_and_add": _multiply_and_add,
    "root_norm": _normalise_root,
}
"""Name -> function of arrays whose axes are in the graph's own order."""
