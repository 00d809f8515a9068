"""The first stages of HOG and dense SIFT: gradients, bins of directions, cells.

Each is a fixed function of one map `[h, w, c]`. A stage also gives the row of a table that
has its shape and geometry. A stage that gathers pixels is a "conv" there, even though it is
computed without a convolution.
"""

from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.nets.table.layers import Layer
from jaxvis.types import Array

GREY = (0.298936021293775, 0.587043074451121, 0.114020904255104)
"""The weights of R, G and B, those of the authors' rgb2gray."""
LEAST = 1e-4
"""The least gradient that counts, in grey levels per pixel. A smaller one is float32's
rounding of a flat area, which the norm would blow up."""


class Stage(Protocol):
    """A stage: a fixed function of one map, static and hashable."""

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        ...

    def __call__(self, x: Array) -> Array:
        """Returns the next map of x `[h, w, c]`."""
        ...


@dataclass(frozen=True)
class Grey:
    """Grey levels from 0 to 255."""

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "conv", 1)

    def __call__(self, x: Array) -> Array:
        """Returns the grey levels `[h, w, 1]` of an image `[h, w, 3]` in [0, 1]."""
        return 255 * jnp.sum(x * jnp.asarray(GREY), axis=-1, keepdims=True)


@dataclass(frozen=True)
class Directions:
    """The derivatives along `count` directions t, cos t dx + sin t dy.

    dx and dy are half the difference of a pixel's two neighbours. The directions are
    t = 2 pi k / count, from right towards down, since y grows downwards.

    Args:
      count: how many directions there are.
      pad: zeros around the image, 0 or 1 pixels.
    """

    count: int
    pad: int

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "conv", self.count, 3, pad=self.pad)

    def __call__(self, x: Array) -> Array:
        """Returns `[h, w, count]` of grey levels; without padding, h and w are smaller by 2."""
        return jnp.stack(self.project(*self.gradient(x)), axis=-1)

    def gradient(self, x: Array) -> tuple[Array, Array]:
        """Returns dx and dy `[h, w]` of grey levels `x` `[h, w, 1]`."""
        grey = jnp.pad(x[..., 0], self.pad)
        right = (grey[1:-1, 2:] - grey[1:-1, :-2]) / 2
        down = (grey[2:, 1:-1] - grey[:-2, 1:-1]) / 2
        return right, down

    def project(self, right: Array, down: Array) -> list[Array]:
        """Returns the derivative `[h, w]` along each direction, of dx `right` and dy `down`."""
        turns = _list_angles(self.count)
        return [right * cos + down * sin for cos, sin in zip(np.cos(turns), np.sin(turns))]


@dataclass(frozen=True)
class Bins:
    """The magnitude n of the gradient, put into the bins of its direction.

    The derivative along direction k is x_k = n cos(angle to direction k), so
    n = sqrt(sum_k x_k^2 / (K / 2)). Hard bins put n into the bin of the largest x_k.
    Bilinear bins have n max(0, 1 - K / (2 pi) arccos(x_k / n)). There the angle is computed
    as the difference of two angles, which float32 also resolves near 0.

    Args:
      hard: whether one bin takes all.
    """

    hard: bool

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "hard" if self.hard else "bilinear")

    def __call__(self, x: Array) -> Array:
        """Returns bins `[h, w, K]` of derivatives `[h, w, K]`."""
        return self.fill(*_recover_gradient(x), [x[..., k] for k in range(x.shape[-1])])

    def fill(self, right: Array, down: Array, along: list[Array]) -> Array:
        """Returns bins `[h, w, K]` of dx `right`, dy `down` and the K derivatives `along`."""
        count = len(along)
        length = flat_root(right**2 + down**2, LEAST)
        here = jnp.arange(count)[:, None, None]
        if self.hard:
            return _move_first_to_last(jnp.where(here == _argmax(along), length, 0.0))
        there = length > 0
        # No branch may have an infinite gradient, not even the one that is not taken.
        turn = jnp.arctan2(jnp.where(there, down, 0.0), jnp.where(there, right, 1.0))
        # Counted from the nearest direction, both sides of an exact hit are alike.
        step = 2 * np.pi / count
        near = jnp.round(turn / step).astype(jnp.int32)
        around = (np.arange(-(count // 2), count // 2 + 1) * step).astype(np.float32)
        apart = (turn - jnp.take(around, near + count // 2)) / step
        shares = (
            (near, 1 - jnp.abs(apart)),
            (near + 1, jnp.maximum(apart, 0)),
            (near - 1, jnp.maximum(-apart, 0)),
        )
        nearest, after, before = (
            jnp.where(here == bin % count, length * share, 0) for bin, share in shares
        )
        return _move_first_to_last(nearest + after + before)


def _argmax(planes: list[Array]) -> Array:
    """Returns the index of the largest of planes `[h, w]`, and the first of equal ones."""
    best, which = planes[0], jnp.zeros(planes[0].shape, jnp.int32)
    for k, plane in enumerate(planes):
        better = plane > best
        which = jnp.where(better, k, which)
        best = jnp.where(better, plane, best)
    return which


def _move_last_to_first(x: Array) -> Array:
    """Returns x with the last axis in front, so that loops over pixels run along rows.

    With the few bins innermost, a CPU's vector units would stay half empty. XLA lets this
    move cancel the opposite one in the stage before.
    """
    return jnp.moveaxis(x, -1, 0)


def _move_first_to_last(x: Array) -> Array:
    return jnp.moveaxis(x, 0, -1)


def _list_angles(count: int) -> np.ndarray:
    """Returns the angles of `count` directions, in radians."""
    return (2 * np.pi * np.arange(count) / count).astype(np.float32)


def _recover_gradient(x: Array) -> tuple[Array, Array]:
    """Returns dx and dy `[h, w]` of derivatives along K directions `[h, w, K]`.

    Two of the directions suffice; sums over all of them would take most of the time.
    """
    count = x.shape[-1]
    side = count // 4
    turn = float(_list_angles(count)[side])
    right = x[..., 0]
    return right, (x[..., side] - np.cos(turn) * right) / np.sin(turn)


def flat_root(square: Array, least: float) -> Array:
    """Returns the roots of `square`, `[...]`, which are 0 where they are not above `least`.

    The gradient is 0 there too.
    """
    there = square > least**2
    return jnp.where(there, jnp.sqrt(jnp.where(there, square, 1.0)), 0.0)


@dataclass(frozen=True)
class Cells:
    """The sums over cells, to which a pixel contributes with bilinear weights.

    A cell of side b has a window of 2b x 2b pixels with the weights a_i a_j, where
    a_i = 1 - |i - (2b + 1) / 2| / b for i = 1 ... 2b.

    Args:
      count: how many bins there are.
      side: b, in pixels; it is the stride too.
      pad: zeros around the map, in pixels.
    """

    count: int
    side: int
    pad: int

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(
            name, "conv", self.count, 2 * self.side, self.side, self.pad, groups=self.count
        )

    def __call__(self, x: Array) -> Array:
        """Returns cells `[h', w', K]` of bins `[h, w, K]`."""
        # Two thin matrix products are faster than a convolution with a group for each bin.
        down, across = (jnp.asarray(self._weights(size)) for size in x.shape[:2])
        high = lax.Precision.HIGHEST
        lines = jnp.einsum("khw,jw->khj", _move_last_to_first(x), across, precision=high)
        return jnp.einsum("ih,khj->ijk", down, lines, precision=high)

    def _weights(self, size: int) -> np.ndarray:
        """Returns the weights `[cells, size]` of the pixels of a line in its cells."""
        count = (size + 2 * self.pad - 2 * self.side) // self.side + 1
        centre = np.arange(count) * self.side - self.pad + self.side - 0.5
        apart = np.abs(np.arange(size) - centre[:, None])
        return np.maximum(0, 1 - apart / self.side).astype(np.float32)
