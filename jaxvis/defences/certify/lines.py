"""Linear bounds of the rows that are not affine: a line below and a line above.

Inside its box every activation y of such a row lies between low_slope * x + low_shift and
high_slope * x + high_shift, where x is the value that the row reads at the same place. A row
for which no good lines are known lies between the two constants of its box.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.defences.certify.boxes import Box
from jaxvis.nets.table.layers import Layer, pool_size
from jaxvis.types import Array

RECTIFIERS = ("relu", "leaky")
POOLS = ("max", "window_max")


class Lines(NamedTuple):
    """A line below and a line above each value of a row.

    Attributes:
      low_slope, low_shift, high_slope, high_shift: `[N, ...]`, of the row's shape.
    """

    low_slope: Array
    low_shift: Array
    high_slope: Array
    high_shift: Array


def fit_lines(row: Layer, box: Box) -> Lines:
    """Fits the lines of a ReLU or leaky ReLU to the box of its input.

    Where the sign is known they are exact. Elsewhere the upper line is the chord, and the
    lower one goes through 0 with the slope of the wider side.

    Args:
      row: a row whose op is one of `RECTIFIERS`.
      box: of what it reads.

    Source: Zhang et al., Efficient neural network robustness certification with general
      activation functions (CROWN), 2018, with its adaptive lower bound.
    """
    leak = row.alpha if row.op == "leaky" else 0.0
    lower, upper = box
    is_open = (lower < 0) & (upper > 0)
    known = jnp.where(lower >= 0, 1.0, leak)
    width = jnp.where(is_open, upper - lower, 1.0)
    chord = jnp.where(is_open, (upper - leak * lower) / width, known)
    shift = jnp.where(is_open, upper * (1 - chord), 0.0)
    low = jnp.where(is_open, jnp.where(upper > -lower, 1.0, leak), known)
    return Lines(low, jnp.zeros_like(low), chord, shift)


class Pooling(NamedTuple):
    """What is known of each window of a max pooling.

    Attributes:
      best: `[k, N, h, w, c]`, 1 for the pixel of the window whose least value is largest.
      certain: `[N, h, w, c]`, whether that pixel is the maximum in any case.
    """

    best: Array
    certain: Array


def find_winners(row: Layer, box: Box) -> Pooling:
    """Finds the pixel of each window that is at least the maximum's lower bound.

    Args:
      row: a row whose op is one of `POOLS`.
      box: of what it reads.
    """
    lower, upper = (cut_windows(row, end, -jnp.inf) for end in box)
    chosen = jnp.argmax(lower, axis=0)
    best = jax.nn.one_hot(chosen, len(lower), axis=0, dtype=jnp.float32)
    others = jnp.max(jnp.where(best > 0, -jnp.inf, upper), axis=0)
    return Pooling(best, jnp.max(lower, axis=0) >= others)


def cut_windows(row: Layer, x: Array, fill: float) -> Array:
    """Cuts a map into the windows of a pooling, `[k, N, h, w, c]`; k pixels a window.

    Args:
      row: the pooling.
      x: `[N, H, W, C]`.
      fill: the value of the padding.
    """
    pads, out = [(0, 0)], []
    for axis in (0, 1):
        out.append(pool_size(x.shape[axis + 1], row, axis))
        end = (out[axis] - 1) * row.stride + row.window[axis]
        pads.append((row.pads[axis], max(end - x.shape[axis + 1] - row.pads[axis], 0)))
    x = jnp.pad(x, [*pads, (0, 0)], constant_values=fill)
    spans = [(size - 1) * row.stride + 1 for size in out]
    return jnp.stack(
        [
            x[:, i : i + spans[0] : row.stride, j : j + spans[1] : row.stride]
            for i in range(row.window[0])
            for j in range(row.window[1])
        ]
    )
