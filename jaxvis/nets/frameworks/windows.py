"""The operations of a graph over windows of maps `[n, h, w, c]`: pools and changes of size."""

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.types import Array

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def _count_windows(side: int, size: int, stride: int, pad: Pair, ceil: bool) -> int:
    """Returns how many windows there are; one that begins beyond the map is left out."""
    room = side + sum(pad) - size
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= side + pad[0]:
        count -= 1
    if count < 1:
        raise ValueError(f"a map of {side} pixels is smaller than a window of {size}")
    return count


def _to_numbers(pads: Pads | str, x: Array, size: Pair, stride: Pair) -> Pads:
    """Returns pads that may be given by lax's words for them as numbers."""
    if not isinstance(pads, str):
        return pads
    down, across = lax.padtype_to_pads(x.shape[1:3], size, stride, pads)
    return (down, across)


def _combine(
    x: Array,
    axis: int,
    window: tuple[int, int, int, Pair, bool],
    fill: float,
    combine: Callable[..., Array],
) -> Array:
    """Combines the values of the windows (size, stride, dilation, pad, ceil) along one axis.

    The elements of a window are slices, as XLA's windowed maximum has a slow gradient.
    """
    size, stride, dilation, pad, ceil = window
    reach = (size - 1) * dilation + 1
    count = _count_windows(x.shape[axis], reach, stride, pad, ceil)
    length = (count - 1) * stride + reach
    pads = [(0, 0)] * x.ndim
    pads[axis] = (pad[0], max(length - x.shape[axis] - pad[0], 0))
    x = jnp.pad(x, pads, constant_values=fill) if any(pads[axis]) else x
    starts = (dilation * place for place in range(size))
    parts = (
        lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)
        for start in starts
    )
    return reduce(combine, parts)


def _pool_max(
    x: Array,
    *,
    size: Pair,
    stride: Pair,
    pads: Pads | str = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    ceil: bool = False,
) -> Array:
    """Takes maxima; the gradient of several equal ones goes to the first."""
    pads = _to_numbers(pads, x, size, stride)
    # Across, then down: the first in reading order, as torch has it.
    for axis in (2, 1):
        i = axis - 1
        window = (size[i], stride[i], dilation[i], pads[i], ceil)
        x = _combine(x, axis, window, -math.inf, lambda m, new: jnp.where(new > m, new, m))
    return x


def _pool_mean(
    x: Array,
    *,
    size: Pair,
    stride: Pair,
    pads: Pads | str = ((0, 0), (0, 0)),
    ceil: bool = False,
    with_pads: bool = True,
    divisor: int | None = None,
) -> Array:
    """Takes means; the zeros of the pads count if they are asked to, or a fixed divisor."""
    pads = _to_numbers(pads, x, size, stride)
    for axis in (2, 1):
        i = axis - 1
        window = (size[i], stride[i], 1, pads[i], ceil)
        side = x.shape[axis]
        # Only what lies within the map and its pads is counted, as in torch.
        whole = np.ones(side + sum(pads[i]), np.float32)
        if not with_pads:
            whole[: pads[i][0]] = whole[pads[i][0] + side :] = 0
        total = _combine(x, axis, window, 0.0, jnp.add)
        starts = np.arange(total.shape[axis]) * stride[i]
        counts = np.array([whole[start : start + size[i]].sum() for start in starts])
        if divisor is not None:
            counts = np.full_like(counts, divisor if axis == 1 else 1)
        x = total / counts.reshape((-1,) + (1,) * (x.ndim - 1 - axis)).astype(np.float32)
    return x


def _pool_adaptively(x: Array, *, size: tuple[int | None, ...], largest: bool = False) -> Array:
    """Pools to a size: cell i of n covers the places from floor(i s / n) to ceil((i + 1) s / n).

    A size of None keeps that of the map.
    """
    combine = jnp.max if largest else jnp.mean
    for axis, cells in zip((1, 2), size, strict=True):
        side = x.shape[axis]
        if cells is None or cells == side:
            continue
        if side % cells == 0:
            shape = (*x.shape[:axis], cells, side // cells, *x.shape[axis + 1 :])
            x = combine(x.reshape(shape), axis=axis + 1)
            continue
        bounds = [(i * side // cells, -(-(i + 1) * side // cells)) for i in range(cells)]
        parts = [lax.slice_in_dim(x, *bound, axis=axis) for bound in bounds]
        x = jnp.concatenate([combine(part, axis=axis, keepdims=True) for part in parts], axis)
    return x


def _resize(
    x: Array,
    size: Any = None,
    factors: Any = None,
    *,
    method: str,
    coordinates: str = "half_pixel",
    rounding: str = "floor",
    cubic: float = -0.75,
) -> Array:
    """Changes the size of maps, by a size `(h, w)` or by factors.

    Methods are "nearest", "linear" and "cubic". `coordinates` is the ONNX name of what maps a
    place of the result to one of x; where factors are given, they and not the sizes do it.
    """
    if size is not None:
        sides = [int(side) for side in np.reshape(np.array(size), -1)][-2:]
    else:
        sides = [math.floor(old * float(factor)) for old, factor in zip(x.shape[1:3], factors[-2:])]
    for i, axis in enumerate((1, 2)):
        old, new = x.shape[axis], sides[i]
        factor = new / old if factors is None else float(factors[-2:][i])
        places = _map_places(old, new, factor, coordinates)
        if method == "nearest":
            x = jnp.take(x, _round(places, rounding).clip(0, old - 1), axis=axis)
        elif (old, factor) != (new, 1.0):
            matrix = _interpolate(places, old, method, cubic)
            x = jnp.moveaxis(jnp.tensordot(x, matrix, ((axis,), (1,))), -1, axis)
    return x


def _map_places(old: int, new: int, factor: float, coordinates: str) -> np.ndarray:
    """Returns the place in the old axis of every place of the new one, `[new]`."""
    at = np.arange(new, dtype=np.float64)
    if coordinates == "align_corners":
        return at * ((old - 1) / (new - 1)) if new > 1 else at * 0
    if coordinates == "asymmetric":
        return at / factor
    if coordinates == "pytorch_half_pixel" and new == 1:
        return at * 0
    return (at + 0.5) / factor - 0.5


def _round(places: np.ndarray, rounding: str) -> np.ndarray:
    # Single precision decides where two pixels are equally near.
    places = places.astype(np.float32)
    if rounding == "round_prefer_floor":
        return np.ceil(places - 0.5).astype(np.int32)
    if rounding == "round_prefer_ceil":
        return np.floor(places + 0.5).astype(np.int32)
    return (np.ceil if rounding == "ceil" else np.floor)(places).astype(np.int32)


def _interpolate(places: np.ndarray, old: int, method: str, cubic: float) -> np.ndarray:
    """Returns the matrix `[new, old]` that interpolates; places beyond an edge take the edge."""
    matrix = np.zeros((len(places), old))
    if method == "linear":
        places = places.clip(0, old - 1)
    first = np.floor(places).astype(int)
    for tap in (0, 1) if method == "linear" else (-1, 0, 1, 2):
        distance = np.abs(places - (first + tap))
        weight = 1 - distance if method == "linear" else _weigh_cubic(distance, cubic)
        np.add.at(matrix, (np.arange(len(places)), (first + tap).clip(0, old - 1)), weight)
    return matrix.astype(np.float32)


def _weigh_cubic(distance: np.ndarray, a: float) -> np.ndarray:
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


WINDOWS: dict[str, Callable[..., Any]] = {
    "pool_adaptively": _pool_adaptively,
    "pool_max": _pool_max,
    "pool_mean": _pool_mean,
    "resize": _resize,
}
"""Name -> function of maps `[n, h, w, c]` and of static options."""
