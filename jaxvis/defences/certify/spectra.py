"""The largest singular values of matrices and convolutions."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.convolution.kernels import raw_kernel
from jaxvis.defences.certify.affine import apply_affine
from jaxvis.nets.table.layers import Layer
from jaxvis.types import Array

SETTLED = 1e-6
"""Relative change of an estimate at which the iteration ends."""
AT_ONCE = 2**24
"""Numbers of the matrices whose norms are computed together."""


def matrix_norm(matrix: np.ndarray) -> float:
    """Computes the largest singular value of a matrix, exactly.

    Args:
      matrix: `[m, n]`, or several `[..., m, n]`, of which the largest value is given.
    """
    wide = matrix.astype(np.complex128 if np.iscomplexobj(matrix) else np.float64)
    if wide.shape[-2] > wide.shape[-1]:
        wide = np.swapaxes(wide, -1, -2)
    gram = wide @ np.conj(np.swapaxes(wide, -1, -2))
    return float(np.sqrt(max(np.linalg.eigvalsh(gram)[..., -1].max(), 0.0)))


def kernel_norm(row: Layer, leaves: Mapping[str, Any], shape: tuple[int, ...]) -> float:
    """Bounds the norm of a convolution from above by that on a torus.

    A map with zeros around it, on a torus of its size and the kernel's together, has the same
    convolution, of which a part is cut out. There the norm is the largest singular value of
    the kernel's frequencies. A convolution of stride s is one of stride 1 of the s * s
    interleaved maps.

    Args:
      row: a row of op conv or up.
      leaves: its parameters.
      shape: (h, w, c) of what it reads.

    Source: Sedghi, Gupta & Long, The singular values of convolutional layers, 2019.
    """
    kernel, stride = np.asarray(raw_kernel(leaves["kernel"]), np.float64), row.stride
    if row.op == "up":  # the transpose of a convolution of stride 2
        kernel, stride = kernel.swapaxes(2, 3), 2
        shape = (2 * shape[0], 2 * shape[1])
    height, width, inner, outer = kernel.shape
    cells = (ceil(height / stride), ceil(width / stride))
    kernel = np.pad(
        kernel,
        [(0, cells[0] * stride - height), (0, cells[1] * stride - width), (0, 0), (0, 0)],
    )
    kernel = kernel.reshape(cells[0], stride, cells[1], stride, inner, outer)
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5).reshape(*cells, -1, row.groups, outer // row.groups)
    torus = [ceil((n + 2 * pad) / stride) + cell for n, pad, cell in zip(shape, row.pads, cells)]
    return max(
        _find_largest_frequency(kernel[:, :, :, group], torus) for group in range(row.groups)
    )


def _find_largest_frequency(kernel: np.ndarray, torus: list[int]) -> float:
    """Returns the largest singular value over the frequencies of `[q, q, in, out]`."""
    rows, columns, inner, outer = kernel.shape
    # The Fourier transform one frequency of the first axis after another: it may be large.
    across = np.fft.rfft(kernel, torus[1], axis=1)
    found = 0.0
    block = max(1, AT_ONCE // (across.shape[1] * inner * outer))
    for first in range(0, torus[0], block):
        at = np.arange(first, min(first + block, torus[0]))
        waves = np.exp(-2j * np.pi * np.outer(at, np.arange(rows)) / torus[0])
        found = max(found, matrix_norm(np.einsum("fr,rcio->fcio", waves, across)))
    return found


def estimate_norm(
    row: Layer, leaves: Mapping[str, Any], shape: tuple[int, ...], iterations: int
) -> float:
    """Estimates the norm of an affine row by power iteration; it is never above the norm.

    Args:
      row: a row of op conv or up.
      leaves: its parameters.
      shape: (h, w, c) of what it reads.
      iterations: at most so many; it ends where the estimate hardly changes.
    """
    x = jax.random.normal(jax.random.key(0), (1, *shape))
    x, found = x / jnp.linalg.norm(x), 0.0
    for _ in range(iterations):
        x, size = _iterate(row, dict(leaves), x)
        before, found = found, float(size) ** 0.5
        if abs(found - before) <= SETTLED * found:
            break
    return found


@jit(static_argnums=0)
def _iterate(row: Layer, leaves: Mapping[str, Any], x: Array) -> tuple[Array, Array]:
    """Returns W^T W x, made 1 long, and how long it was."""
    zero = jnp.zeros_like(x)

    def apply(x: Array) -> Array:
        return apply_affine(row, leaves, [x]) - apply_affine(row, leaves, [zero])

    y, transpose = jax.vjp(apply, x)
    (x,) = transpose(y)
    size = jnp.linalg.norm(x)
    return x / jnp.maximum(size, 1e-30), size
