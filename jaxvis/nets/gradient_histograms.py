"""The stages of HOG and dense SIFT, each a fixed function of one map `[h, w, c]`.

Every stage also says which row of a table it is to shapes and geometry: what gathers
pixels is a "conv", even where it is computed without a convolution.
"""

from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.nets.layers import Layer
from jaxvis.types import Array

GREY = (0.298936021293775, 0.587043074451121, 0.114020904255104)
"""Weights of R, G and B, as the authors' rgb2gray has them."""
CLAMP = 0.2
"""The most that one bin counts after normalisation."""
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
        """Returns dx and dy `[h, w]` of grey levels `[h, w, 1]`."""
        grey = jnp.pad(x[..., 0], self.pad)
        right = (grey[1:-1, 2:] - grey[1:-1, :-2]) / 2
        down = (grey[2:, 1:-1] - grey[:-2, 1:-1]) / 2
        return right, down

    def along(self, right: Array, down: Array) -> list[Array]:
        """Returns the derivative along every direction, `[h, w]` each."""
        turns = _turns(self.count)
        return [
            right * cos + down * sin for cos, sin in zip(np.cos(turns), np.sin(turns))
        ]


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
        """Returns bins `[h, w, K]` of dx and dy `[h, w]` and K derivatives `[h, w]`.

        Derivatives that stand beside each other in one map have a gradient as large
        as the map, most of it zeros: it took most of the time on a CPU.
        """
        count = len(along)
        length = _root(right**2 + down**2, LEAST)
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
        return _last(sum(
            jnp.where(here == bin % count, length * share, 0) for bin, share in shares
        ))  # fmt: skip


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


def _root(square: Array, least: float) -> Array:
    """Returns the square root, 0 with derivative 0 where it is not above `least`."""
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


@dataclass(frozen=True)
class HogBlocks:
    """Returns blocks of 2x2 cells: for each cell K bins, then K/2 sums of opposites."""

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "conv", 108, 2)

    def __call__(self, x: Array) -> Array:
        """Returns `[h - 1, w - 1, 108]` of cells `[h, w, 18]`, left column first."""
        half = x.shape[-1] // 2
        x = jnp.concatenate([x, x[..., :half] + x[..., half:]], axis=-1)
        left, right = x[:, :-1], x[:, 1:]
        four = [left[:-1], left[1:], right[:-1], right[1:]]
        return jnp.concatenate(four, axis=-1)


@dataclass(frozen=True)
class HogNorm:
    """Returns blocks divided by the norm of their 36 unsigned entries."""

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "norm")

    def __call__(self, x: Array) -> Array:
        """Returns `[h, w, 108]` of blocks `[h, w, 108]`."""
        unsigned = x.reshape(*x.shape[:2], 4, -1)[..., 18:]
        norm = _root(jnp.sum(unsigned**2, axis=(2, 3)), 1e-6)
        return x / jnp.maximum(norm, 1e-6)[..., None]


@dataclass(frozen=True)
class Clamp:
    """Returns min(x, 0.2)."""

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "clamp")

    def __call__(self, x: Array) -> Array:
        """Returns the clamped `[h, w, c]`."""
        return jnp.where(x <= CLAMP, x, CLAMP)


@dataclass(frozen=True)
class HogCells:
    """Returns for each cell half the sum of its versions in the blocks that have it."""

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "conv", 27, 2, pad=1)

    def __call__(self, x: Array) -> Array:
        """Returns cells `[h + 1, w + 1, 27]` of blocks `[h, w, 108]`."""
        height, width = x.shape[:2]
        blocks = jnp.pad(x, ((1, 1), (1, 1), (0, 0))).reshape(
            height + 2, width + 2, 4, -1
        )
        # A block above and left of a cell has it as its last one, and so on.
        versions = [
            blocks[i : i + height + 1, j : j + width + 1, 3 - i - 2 * j]
            for i in (0, 1)
            for j in (0, 1)
        ]
        return 0.5 * sum(versions[1:], versions[0])


@dataclass(frozen=True)
class SiftBlocks:
    """Returns blocks of 4x4 cells, three cells apart, with Gaussian weights.

    Cell (i, j) of a block, i, j = 1 ... 4, counts
    exp(-((i - 2.5)^2 + (j - 2.5)^2) / (2 * 1.5^2)).
    """

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "conv", 128, 4, 3)

    def __call__(self, x: Array) -> Array:
        """Returns `[h', w', 128]` of cells `[h, w, 8]`, the upper row first."""
        line = np.exp(-((np.arange(4) - 1.5) ** 2) / (2 * 1.5**2))
        high, wide = ((size - 4) // 3 * 3 + 1 for size in x.shape[:2])
        parts = [
            float(line[i] * line[j]) * x[i : i + high : 3, j : j + wide : 3]
            for i in range(4)
            for j in range(4)
        ]
        return jnp.concatenate(parts, axis=-1)


@dataclass(frozen=True)
class SiftNorm:
    """Returns x / sqrt(1e-6 + |x|^2)."""

    def row(self, name: str) -> Layer:
        """Returns the table's row of a stage called `name`."""
        return Layer(name, "norm")

    def __call__(self, x: Array) -> Array:
        """Returns the normalised `[h, w, c]`."""
        return x * lax.rsqrt(1e-6 + jnp.sum(x * x, axis=-1, keepdims=True))
