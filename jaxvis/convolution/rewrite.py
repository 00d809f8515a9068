"""A convolution written as another one with the same result, which runs faster.

- Of a map whose rows and columns are repeated: taps that meet the same pixel are
  summed, and the four phases of the output are channels of a convolution of the map as
  it was.
- Of a map of few channels: neighbouring columns become channels, of the output too.

All are exact up to rounding, and linear in x and in the kernel.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from jaxvis.convolution.winograd import Pads
from jaxvis.types import Array

COLUMNS = 4
"""Columns that `by_columns` takes together; 2 and 8 are slower for 3 channels."""


def doubled(conv: Callable[..., Array], x: Array, kernel: Array, pads: Pads) -> Array:
    """Returns the stride 1 convolution of x with every row and column repeated.

    y[2a + p] = sum_i k[i] x[(2a + p + i - before) // 2]: for either phase p the taps i
    meet few different rows, 2 of 3 taps.

    Args:
      conv: `(x, kernel, pads)` -> stride 1 convolution.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in, out]`.
      pads: zeros around the map of 2h x 2w, ((above, below), (left, right)); negative
        ones cut it.
    """
    sums, inner, cuts = [], [], []
    for axis, (before, after) in enumerate(pads):
        size, taps = x.shape[axis + 1], kernel.shape[axis]
        out = 2 * size + before + after - taps + 1
        table, low, shift = _phases(taps, before)
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


def _phases(taps: int, before: int) -> tuple[np.ndarray, int, int]:
    """Returns (table `[phase, tap of the small kernel, tap]`, its first row, shift).

    With a shift of 1 the output begins one row earlier, which is to be cut off: the
    phases then read the same rows, or fewer.
    """
    found = []
    for shift in (0, 1):
        rows = np.arange(2)[:, None] + np.arange(taps) - before - shift
        rows //= 2
        low = int(rows.min())
        table = (rows - low)[:, None] == np.arange(rows.max() - low + 1)[:, None]
        found.append((table.astype(np.float32), low, shift))
    return min(found, key=lambda one: one[0].shape[1])


def by_columns(conv: Callable[..., Array], x: Array, kernel: Array, pads: Pads) -> Array:
    """Returns the stride 1 convolution of a map of few channels.

    Neighbouring columns are taken as channels, which costs no copy. With q of them the
    kernel has ceil((kw + q - 1) / q) columns, in * q inputs and out * q outputs.

    Args:
      conv: `(x, kernel, pads)` -> stride 1 convolution.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in, out]`.
      pads: zeros, ((above, below), (left, right)), none negative.
    """
    q, (n, h, w, channels), (kh, kw, _, out) = COLUMNS, x.shape, kernel.shape
    rows, (left, right) = pads
    width = w + left + right - kw + 1
    taps = -(-(kw + q - 1) // q)
    groups = -(-(left + w) // q)
    # XLA's library takes one thread for it unless columns are padded.
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
