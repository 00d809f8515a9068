"""The stages of HOG and dense SIFT, each a fixed function of one map `[h, w, c]`.

Every stage also says which row of a table it is to shapes and geometry: what gathers
pixels is a "conv", even where it is computed without a convolution.
"""

from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.nets.table.layers import Layer
from jaxvis.types import Array

GREY = (0.298936021293775, 0.587043074451121, 0.114020904255104)
"""Weights of R, G and B, as the authors' rgb2gray has them."""
LEAST = 1e-4
"""Grey levels a pixel; a gradient below is float32's rounding of a flat area, which the
norm would blow up, and counts as none."""


class Stage(Protocol):
    """A fixed function of one map, static and hashable."""

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        ...

    def __call__(self, x: Array) -> Array:
        """Returns the next map of x `[h, w, c]`."""
        ...


@dataclass(frozen=True)
class Grey:
    """Returns grey levels from 0 to 255."""

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "conv", 1)

    def __call__(self, x: Array) -> Array:
        """Returns `[h, w, 1]` of an image `[h, w, 3]` in [0, 1]."""
        return 255 * jnp.sum(x * jnp.asarray(GREY), axis=-1, keepdims=True)


@dataclass(frozen=True)
class Directions:
    """Returns derivatives along `count` directions t, cos t dx + sin t dy.

    dx and dy are half the difference of a pixel's two neighbours; t = 2 pi k / count,
    from right by down (y grows downwards).

    Args:
      count: of directions.
      pad: zeros around the image, 0 or 1 pixels.
    """

    count: int
    pad: int

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "conv", self.count, 3, pad=self.pad)

    def __call__(self, x: Array) -> Array:
        """Returns `[h, w, count]` of grey levels; without padding 2 less a side."""
        return jnp.stack(self.along(*self.gradient(x)), axis=-1)

    def gradient(self, x: Array) -> tuple[Array, Array]:
        """Returns dx and dy `[h, w]` of grey levels `x` `[h, w, 1]`."""
        grey = jnp.pad(x[..., 0], self.pad)
        right = (grey[1:-1, 2:] - grey[1:-1, :-2]) / 2
        down = (grey[2:, 1:-1] - grey[:-2, 1:-1]) / 2
        return right, down

    def along(self, right: Array, down: Array) -> list[Array]:
        """Returns a derivative `[h, w]` each direction, of dx `right` and dy `down`."""
        turns = _turns(self.count)
        return [right * cos + down * sin for cos, sin in zip(np.cos(turns), np.sin(turns))]


@dataclass(frozen=True)
class Bins:
    """Returns the gradient's magnitude n in the bins of its direction.

    x_k = n cos(angle to direction k), so n = sqrt(sum_k x_k^2 / (K / 2)). Hard: n in
    the bin of the largest x_k. Bilinear: n max(0, 1 - K / (2 pi) arccos(x_k / n)), the
    angle being taken as the difference of two, which float32 knows near 0 too.

    Args:
      hard: whether one bin takes all.
    """

    hard: bool

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "hard" if self.hard else "bilinear")

    def __call__(self, x: Array) -> Array:
        """Returns bins `[h, w, K]` of derivatives `[h, w, K]`."""
        return self.of(*_gradient(x), [x[..., k] for k in range(x.shape[-1])])

    def of(self, right: Array, down: Array, along: list[Array]) -> Array:
        """Returns bins `[h, w, K]` of dx `right`, dy `down`, derivatives `along` K."""
        count = len(along)
        length = root(right**2 + down**2, LEAST)
        here = jnp.arange(count)[:, None, None]
        if self.hard:
            return _last(jnp.where(here == _largest(along), length, 0.0))
        there = length > 0
        # Neither branch may be infinite in the gradient, also the one not taken.
        turn = jnp.arctan2(jnp.where(there, down, 0.0), jnp.where(there, right, 1.0))
        # From the nearest direction either way: alike on both sides of an exact hit.
        step = 2 * np.pi / count
        near = jnp.round(turn / step).astype(jnp.int32)
        around = (np.arange(-(count // 2), count // 2 + 1) * step).astype(np.float32)
        apart = (turn - jnp.take(around, near + count // 2)) / step
        shares = (
            (near, 1 - jnp.abs(apart)),
            (near + 1, jnp.maximum(apart, 0)),
            (near - 1, jnp.maximum(-apart, 0)),
        )
        return _last(
            sum(jnp.where(here == bin % count, length * share, 0) for bin, share in shares)
        )


def _largest(planes: list[Array]) -> Array:
    """Returns the index of the largest of planes `[h, w]`, the first if two are."""
    best, which = planes[0], jnp.zeros(planes[0].shape, jnp.int32)
    for k, plane in enumerate(planes):
        better = plane > best
        which = jnp.where(better, k, which)
        best = jnp.where(better, plane, best)
    return which


def _first(x: Array) -> Array:
    """Returns the last axis as the first: loops over pixels run along rows then.

    XLA lets a move here cancel one in the stage before; with the few bins innermost, a
    CPU's vector units stay half empty.
    """
    return jnp.moveaxis(x, -1, 0)


def _last(x: Array) -> Array:
    return jnp.moveaxis(x, 0, -1)


def _turns(count: int) -> np.ndarray:
    return (2 * np.pi * np.arange(count) / count).astype(np.float32)


def _gradient(x: Array) -> tuple[Array, Array]:
    """Returns dx and dy `[h, w]` of derivatives along K directions `[h, w, K]`.

    Two of the K say all: sums over the last axis would take most of the time.
    """
    count = x.shape[-1]
    side = count // 4
    turn = float(_turns(count)[side])
    right = x[..., 0]
    return right, (x[..., side] - np.cos(turn) * right) / np.sin(turn)


def root(square: Array, least: float) -> Array:
    """Returns roots of `square` `[...]`; 0, flat, where they are not above `least`."""
    there = square > least**2
    return jnp.where(there, jnp.sqrt(jnp.where(there, square, 1.0)), 0.0)


@dataclass(frozen=True)
class Cells:
    """Returns sums over cells, a pixel counting for the cells around it bilinearly.

    A cell has a window of 2b x 2b pixels, b its side, with weights a_i a_j,
    a_i = 1 - |i - (2b + 1) / 2| / b, i = 1 ... 2b.

    Args:
      count: of bins.
      side: b, in pixels; the stride too.
      pad: zeros around the map, in pixels.
    """

    count: int
    side: int
    pad: int

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        window = {"size": 2 * self.side, "stride": self.side, "pad": self.pad}
        return Layer(name, "conv", self.count, **window, groups=self.count)

    def __call__(self, x: Array) -> Array:
        """Returns cells `[h', w', K]` of bins `[h, w, K]`."""
        # Two thin matrix products: a convolution with a group for each bin is slow.
        down, across = (jnp.asarray(self._weights(size)) for size in x.shape[:2])
        high = lax.Precision.HIGHEST
        lines = jnp.einsum("khw,jw->khj", _first(x), across, precision=high)
        return jnp.einsum("ih,khj->ijk", down, lines, precision=high)

    def _weights(self, size: int) -> np.ndarray:
        """Returns how much each of `size` pixels counts for each cell of a line."""
        count = (size + 2 * self.pad - 2 * self.side) // self.side + 1
        centre = np.arange(count) * self.side - self.pad + self.side - 0.5
        apart = np.abs(np.arange(size) - centre[:, None])
        return np.maximum(0, 1 - apart / self.side).astype(np.float32)
