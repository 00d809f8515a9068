"""The later stages of HOG and dense SIFT: blocks of cells, their norms, the clamp."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.nets.classical.histograms import flat_root
from jaxvis.nets.table.layers import Layer
from jaxvis.types import Array

CLAMP = 0.2
"""The greatest value of a bin after normalisation."""


@dataclass(frozen=True)
class HogBlocks:
    """Blocks of 2x2 cells: of each cell the K bins, then the K/2 sums of opposite bins."""

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "conv", 108, 2)

    def __call__(self, x: Array) -> Array:
        """Returns blocks `[h - 1, w - 1, 108]` of cells `[h, w, 18]`, the left column first."""
        half = x.shape[-1] // 2
        x = jnp.concatenate([x, x[..., :half] + x[..., half:]], axis=-1)
        left, right = x[:, :-1], x[:, 1:]
        four = [left[:-1], left[1:], right[:-1], right[1:]]
        return jnp.concatenate(four, axis=-1)


@dataclass(frozen=True)
class HogNorm:
    """Blocks divided by the norm of their 36 unsigned entries."""

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "norm")

    def __call__(self, x: Array) -> Array:
        """Returns the normalised blocks, `[h, w, 108]` like the given ones."""
        unsigned = x.reshape(*x.shape[:2], 4, -1)[..., 18:]
        norm = flat_root(jnp.sum(unsigned**2, axis=(2, 3)), 1e-6)
        return x / jnp.maximum(norm, 1e-6)[..., None]


@dataclass(frozen=True)
class Clamp:
    """The minimum of x and 0.2."""

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "clamp")

    def __call__(self, x: Array) -> Array:
        """Returns the clamped map, `[h, w, c]` like the given one."""
        return jnp.where(x <= CLAMP, x, CLAMP)


@dataclass(frozen=True)
class HogCells:
    """Cells: of each, half the sum of its versions in the blocks that contain it."""

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "conv", 27, 2, pad=1)

    def __call__(self, x: Array) -> Array:
        """Returns cells `[h + 1, w + 1, 27]` of blocks `[h, w, 108]`."""
        height, width = x.shape[:2]
        blocks = jnp.pad(x, ((1, 1), (1, 1), (0, 0))).reshape(height + 2, width + 2, 4, -1)
        # A cell is the last one of the block above and to its left, and so on.
        versions = [
            blocks[i : i + height + 1, j : j + width + 1, 3 - i - 2 * j]
            for i in (0, 1)
            for j in (0, 1)
        ]
        return 0.5 * sum(versions[1:], versions[0])


@dataclass(frozen=True)
class SiftBlocks:
    """Blocks of 4x4 cells, three cells apart, with Gaussian weights.

    Cell (i, j) of a block, with i, j = 1 ... 4, has the weight
    exp(-((i - 2.5)^2 + (j - 2.5)^2) / (2 * 1.5^2)).
    """

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "conv", 128, 4, 3)

    def __call__(self, x: Array) -> Array:
        """Returns blocks `[h', w', 128]` of cells `[h, w, 8]`, the upper row first."""
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
    """Blocks divided by their norm: x / sqrt(1e-6 + |x|^2)."""

    def row(self, name: str) -> Layer:
        """Returns the row of this stage in a table, under the name `name`."""
        return Layer(name, "norm")

    def __call__(self, x: Array) -> Array:
        """Returns the normalised blocks, `[h, w, c]` like the given ones."""
        return x * lax.rsqrt(1e-6 + jnp.sum(x * x, axis=-1, keepdims=True))
