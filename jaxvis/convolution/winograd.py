"""Winograd's minimal filtering F(m x m, r x r): a convolution by (m + r - 1)^2 products.

Every tile d of the image is convolved as Y = A^T [(G k G^T) . (B^T d B)] A, where the
product in the middle is a matrix product over channels. That takes
(m + r - 1)^2 / (m r)^2 of the multiplications of the direct method: 0.44 for m = 2 and
0.25 for m = 4 with kernels of 3x3, and 0.25 for m = 3 with kernels of 4x4. The last two
use the same points 0, 1, -1, 2, -2 and infinity, so they share B.

Source: Lavin & Gray, Fast algorithms for convolutional neural networks (2016).
"""

from collections.abc import Sequence
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.types import Array

Pads = tuple[tuple[int, int], tuple[int, int]]

TAPS = {2: 3, 3: 4, 4: 3}
"""m -> r, the side of the kernel."""

_SIX = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
INPUT = {
    2: ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    3: _SIX,
    4: _SIX,
}
"""m -> B^T."""

KERNEL = {
    2: ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    3: (
        (1 / 4, 0, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6, 1 / 6),
        (1 / 24, 1 / 12, 1 / 6, 1 / 3),
        (1 / 24, -1 / 12, 1 / 6, -1 / 3),
        (0, 0, 0, 1),
    ),
    4: (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
}
"""m -> G."""

OUTPUT = {
    2: ((1, 1, 1, 0), (0, 1, -1, -1)),
    3: ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 1)),
    4: (
        (1, 1, 1, 1, 1, 0),
        (0, 1, -1, 2, -2, 0),
        (0, 1, 1, 4, 4, 0),
        (0, 1, -1, 8, -8, 1),
    ),
}
"""m -> A^T."""


def transform_kernel(kernel: Array, m: int, *, flip: bool = False) -> Array:
    """Returns U = G k G^T, `[..., m + r - 1, m + r - 1, in, out]`.

    Args:
      kernel: `[..., r, r, in, out]`.
      m: the side of an output tile: 2 or 4, or 3 for kernels of 4x4.
      flip: whether to transform the kernel of the backward pass instead (see
        `flip_kernel`); U is then `[..., m + r - 1, m + r - 1, out, in]`.
    """
    taps = [
        [lax.index_in_dim(row, j, axis=-3, keepdims=False) for j in range(TAPS[m])]
        for row in (lax.index_in_dim(kernel, i, axis=-4, keepdims=False) for i in range(TAPS[m]))
    ]
    if flip:
        taps = [row[::-1] for row in taps[::-1]]
    # Sums of slices are eight times as fast as the two small matrix products.
    columns = [_combine(KERNEL[m], column) for column in zip(*taps)]
    rows = [jnp.stack(_combine(KERNEL[m], row), axis=-3) for row in zip(*columns)]
    u = jnp.stack(rows, axis=-4)
    return u.swapaxes(-1, -2) if flip else u


def flip_kernel(kernel: Array) -> Array:
    """Returns the kernel of the backward pass, `[..., r, r, out, in]`.

    Args:
      kernel: `[..., r, r, in, out]`.
    """
    return jnp.flip(kernel, (-4, -3)).swapaxes(-1, -2)


def convolve_by_winograd(
    x: Array, u: Array, pads: Pads, *, taps: int = 3, flipped: bool = False
) -> Array:
    """Returns the stride 1 convolution of x with the kernel behind u, `[n, h', w', out]`.

    Args:
      x: `[n, h, w, in]`.
      u: `[m + r - 1, m + r - 1, in, out]`, from `transform_kernel`.
      pads: zeros around the map, ((above, below), (left, right)).
      taps: r, the kernel's side.
      flipped: whether to convolve with the flipped kernel instead, which only m = 2 can
        do; `u` is then `[4, 4, out, in]`.
    """
    points, more, (n, h, w, channels) = u.shape[0], taps - 1, x.shape
    m = points - more
    (top, bottom), (left, right) = pads
    height, width = h + top + bottom - more, w + left + right - more
    down, across = -(-height // m), -(-width // m)
    x = jnp.pad(
        x,
        (
            (0, 0),
            (top, down * m + more - h - top),
            (left, across * m + more - w - left),
            (0, 0),
        ),
    )
    rows = _combine(INPUT[m], _slice_windows(x, 1, m, down))
    tiles = [
        jnp.stack(_combine(INPUT[m], _slice_windows(row, 2, m, across))).reshape(
            points, -1, channels
        )
        for row in rows
    ]
    products = _multiply_flipped(tiles, u) if flipped else _multiply(tiles, u)
    products = [p.reshape(points, n, down, across, -1) for p in products]
    return _join_tiles(products, m)[:, :height, :width]


def _multiply(tiles: list[Array], u: Array) -> list[Array]:
    """Returns the product of every tile element with its kernel, one array a row of points.

    A single batch of all points is the fastest for few tiles, and has the fewest
    operations to compile. Many tiles of six points would not stay in the cache that way.
    """
    batched = (((2,), (1,)), ((0,), (0,)))
    if u.shape[0] == 6:
        return [lax.dot_general(tile, k, batched) for tile, k in zip(tiles, u)]
    every = lax.dot_general(jnp.concatenate(tiles), u.reshape(-1, *u.shape[2:]), batched)
    return list(every.reshape(u.shape[0], u.shape[0], *every.shape[1:]))


def _multiply_flipped(tiles: list[Array], u: Array) -> list[Array]:
    """Returns the products with the flipped kernel's transform, which u holds already.

    Flipping a kernel turns the points 0, 1, -1, infinity of F(2, 3) into infinity, 1, -1,
    0. So rows and columns 0 and 3 of the transform change places, and nothing else does.
    """
    turn = np.array([3, 1, 2, 0])
    every = jnp.concatenate([tiles[i][turn] for i in turn])
    every = lax.dot_general(every, u.reshape(-1, *u.shape[2:]), (((2,), (2,)), ((0,), (0,))))
    every = every.reshape(4, 4, *every.shape[1:])
    return [every[i][turn] for i in turn]


def _join_tiles(products: list[Array], m: int) -> Array:
    """Returns A^T M A with the tiles joined to one map, `[n, h, w, out]`.

    Args:
      products: the rows of M, one for each point, `[points, n, down, across, out]`.
      m: the side of an output tile.
    """
    _, n, down, across, out = products[0].shape
    half = [_combine(OUTPUT[m], [row[j] for row in products]) for j in range(len(products))]
    # Without the barrier XLA computes these again for every output that reads them.
    half = lax.optimization_barrier(half)
    rows = [
        jnp.concatenate(_combine(OUTPUT[m], [column[p] for column in half]), axis=-1)
        for p in range(m)
    ]
    return jnp.stack(rows, axis=2).reshape(n, down * m, across * m, out)


def _slice_windows(x: Array, axis: int, m: int, count: int) -> list[Array]:
    """Returns element k of every tile along an axis, one array for each point k."""
    stop = (count - 1) * m + 1
    return [lax.slice_in_dim(x, k, k + stop, stride=m, axis=axis) for k in range(len(INPUT[m]))]


def _combine(matrix: Sequence[Sequence[float]], parts: Sequence[Array]) -> list[Array]:
    """Returns matrix @ parts, without the multiplications by zero and one."""
    return [_add_up(row, parts) for row in matrix]


def _add_up(row: Sequence[float], parts: Sequence[Array]) -> Array:
    # The functions of `lax`: operators of arrays take five times as long to trace.
    terms = (
        part if factor == 1 else lax.mul(np.asarray(factor, part.dtype), part)
        for factor, part in zip(row, parts)
        if factor
    )
    return reduce(lax.add, terms)
