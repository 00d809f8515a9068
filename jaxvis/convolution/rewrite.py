"""Convolutions that are rewritten as others with the same result, which run faster.

- The map has repeated rows and columns: taps that meet the same pixel are summed, and the
  four phases of the output become channels of a convolution of the map before repetition.
- The map has few channels: neighbouring columns become channels, in the output too.
- Every channel has a kernel of its own (a depthwise convolution): the result is a sum of
  shifted maps, each times one tap of the kernels.

All are exact up to rounding, and linear in x and in the kernel.
"""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.convolution.winograd import Pads
from jaxvis.types import Array

COLUMNS = 4
"""The columns that `convolve_by_columns` joins; 2 and 8 are slower for 3 channels."""


def convolve_doubled(conv: Callable[..., Array], x: Array, kernel: Array, pads: Pads) -> Array:
    """Returns the stride 1 convolution of x after every row and column was repeated.

    y[2a + p] = sum_i k[i] x[(2a + p + i - before) // 2]. In either phase p the taps i meet
    only few different rows; three taps meet two.

    Args:
      conv: the stride 1 convolution to use, `(x, kernel, pads)` -> map.
      x: the map before repetition, `[n, h, w, in]`.
      kernel: `[kh, kw, in, out]`.
      pads: zeros around the map of 2h x 2w, ((above, below), (left, right)); negative
        numbers cut rows and columns off.
    """
    sums, inner, cuts = [], [], []
    for axis, (before, after) in enumerate(pads):
        size, taps = x.shape[axis + 1], kernel.shape[axis]
        out = 2 * size + before + after - taps + 1
        table, low, shift = _tabulate_phases(taps, before)
        count = -(-(out + shift) // 2)
        sums.append(table)
        inner.append((-low, count + low + table.shape[1] - 1 - size))
        cuts.append(slice(shift, shift + out))
    small = jnp.einsum("pai,qbj,ijco->abcpqo", *sums, kernel)
    out = kernel.shape[-1]
    y = conv(x, small.reshape(*small.shape[:3], 4 * out), tuple(inner))
    n, down, across, _ = y.shape
    y = y.reshape(n, down, across, 2, 2, out).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, 2 * down, 2 * across, out)[:, cuts[0], cuts[1]]


def _tabulate_phases(taps: int, before: int) -> tuple[np.ndarray, int, int]:
    """Returns (table `[phase, tap of the small kernel, tap]`, its first row, shift).

    With a shift of 1 the output begins one row earlier, and that row is cut off. The
    phases then read the same rows, or fewer, so the better of both shifts is taken.
    """
    found = []
    for shift in (0, 1):
        rows = np.arange(2)[:, None] + np.arange(taps) - before - shift
        rows //= 2
        low = int(rows.min())
        table = (rows - low)[:, None] == np.arange(rows.max() - low + 1)[:, None]
        found.append((table.astype(np.float32), low, shift))
    return min(found, key=lambda one: one[0].shape[1])


def convolve_by_columns(conv: Callable[..., Array], x: Array, kernel: Array, pads: Pads) -> Array:
    """Returns the stride 1 convolution of a map with few channels.

    Neighbouring columns are read as channels, which costs no copy. With q of them the
    kernel has ceil((kw + q - 1) / q) columns, in * q inputs and out * q outputs.

    Args:
      conv: the stride 1 convolution to use, `(x, kernel, pads)` -> map.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in, out]`.
      pads: zeros around the map, ((above, below), (left, right)), none negative.
    """
    q, (n, h, w, channels), (kh, kw, _, out) = COLUMNS, x.shape, kernel.shape
    rows, (left, right) = pads
    width = w + left + right - kw + 1
    taps = -(-(kw + q - 1) // q)
    groups = -(-(left + w) // q)
    # Without padded columns XLA's library would use a single thread.
    more = max(-(-width // q) + taps - 1 - groups, 1)
    x = jnp.pad(x, ((0, 0), (0, 0), (left, groups * q - w - left), (0, 0)))
    # Column q a + p of the window is tap q a + p - r of output column r.
    at = np.arange(taps * q).reshape(taps, q, 1, 1) - np.arange(q)[:, None]
    table = (at == np.arange(kw)).astype(np.float32)
    wide = jnp.einsum("apqj,ijco->iapcqo", table, kernel)
    y = conv(
        x.reshape(n, h, groups, q * channels),
        wide.reshape(kh, taps, q * channels, q * out),
        (rows, (0, more)),
    )
    return y.reshape(*y.shape[:2], -1, out)[:, :, :width]


def convolve_by_shifts(
    x: Array, kernel: Array, strides: tuple[int, int], pads: Pads, *, dtype: Any = None
) -> Array:
    """Returns a depthwise convolution as a sum of products, which a CPU joins into one loop.

    XLA's own takes 30 to 300 times as long on a CPU.

    Args:
      x: `[n, h, w, c]`.
      kernel: `[kh, kw, 1, c]`.
      strides: (down, across).
      pads: zeros around the map, ((above, below), (left, right)); negative numbers cut rows
        and columns off.
      dtype: of the result; None is that of x.
    """
    dtype = dtype or x.dtype
    wide = jnp.promote_types(x.dtype, jnp.float32)  # sums in bfloat16 would lose digits
    x, taps = _pad_and_dilate(x.astype(wide), (1, 1), pads), kernel.astype(wide)
    (kh, kw), (n, height, width, channels) = kernel.shape[:2], x.shape
    ends = (height - kh + 1, width - kw + 1)

    def multiply(i: int, j: int) -> Array:
        stop = (n, i + ends[0], j + ends[1], channels)
        return lax.slice(x, (0, i, j, 0), stop, (1, *strides, 1)) * taps[i, j, 0]

    # Row by row: a single sum of 49 products would wait for each of its additions.
    rows = (reduce(add, (multiply(i, j) for j in range(kw))) for i in range(kh))
    return reduce(add, rows).astype(dtype)


def spread_by_shifts(
    g: Array, kernel: Array, strides: tuple[int, int], pads: Pads, size: tuple[int, int]
) -> Array:
    """Returns the gradient of a depthwise convolution with respect to its map.

    It is itself a depthwise convolution, with the kernels turned around.

    Args:
      g: the gradient with respect to the output, `[n, h', w', c]`.
      kernel, strides, pads: those of the convolution.
      size: (h, w) of the map.
    """
    around = []
    for axis, ((before, _), stride, taps) in enumerate(zip(pads, strides, kernel.shape)):
        front = taps - 1 - before
        spread = (g.shape[axis + 1] - 1) * stride + 1
        around.append((front, size[axis] + taps - 1 - front - spread))
    g = _pad_and_dilate(g, strides, (around[0], around[1]))
    return convolve_by_shifts(g, jnp.flip(kernel, (0, 1)), (1, 1), ((0, 0), (0, 0)))


def _pad_and_dilate(x: Array, steps: tuple[int, int], pads: Pads) -> Array:
    """Returns x with zeros between its pixels, `steps` apart, and around it."""
    edges = [(*pad, step - 1) for pad, step in zip(pads, steps)]
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
