"""How far an incomplete neighbourhood is from every place of a texture."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.types import Array

MOST = 2**24
"""Numbers of all neighbourhoods together, 64 MiB, up to which they are listed: for windows
of 15 pixels, colour textures of 150 pixels and grey ones of 200."""


def gaussian_window(window: int, sigma: float) -> np.ndarray:
    """Gives weights exp(-r^2 / (2 sigma^2)) `[window, window]`, 1 in the centre.

    Args:
      window: side in pixels, odd.
      sigma: standard deviation in pixels.
    """
    line = np.arange(window) - window // 2
    square = line[:, None] ** 2 + line**2
    return np.exp(-square / (2 * sigma**2)).astype(np.float32)


def list_neighbourhoods(texture: np.ndarray, window: int) -> np.ndarray:
    """Lists what a texture has in every window, unless that is too much to keep.

    Listed once, distances are one matrix product, which takes about half as long as the
    convolution that gathers the same numbers every time.

    Args:
      texture: y, `[H, W, C]` float32.
      window: w, the window's side in pixels.

    Returns:
      numpy.ndarray: (y, |y|^2) in each window, `[H - w + 1, W - w + 1, w w (C + 1)]`; the
      texture itself where that would be more than `MOST` numbers.
    """
    height, width = (length - window + 1 for length in texture.shape[:2])
    count = window * window * (texture.shape[-1] + 1)
    if height * width * count > MOST:
        return texture
    square = np.sum(texture * texture, axis=-1, keepdims=True)
    both = np.concatenate([texture, square], axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(both, (window, window), (0, 1))
    return np.moveaxis(windows, 2, -1).reshape(height, width, count)


def compute_distances(texture: Array, patches: Array, weights: Array) -> Array:
    """Computes how far each patch is from the texture, at every place where it fits.

    d(p, s) = sum_j m_pj |x_pj - y_(s + j)|^2 / (C sum_j m_pj), written as
    sum m x^2 - 2 (m x) * y + m * y^2: both products are one, of (y, |y|^2) with the
    patches, or one convolution with them as kernels.

    Args:
      texture: y, `[H, W, C]`, best of mean zero (the sum cancels), or all that is in its
        windows, as `list_neighbourhoods` gives it.
      patches: x, `[P, w, w, C]`; values of weight 0 do not count, but must be finite.
      weights: m, `[P, w, w]`, not negative; 0 where a patch is not known.

    Returns:
      Array: `[H - w + 1, W - w + 1, P]` mean squared distances, at least 0; the entry
      (i, j) is for the window whose first pixel is (i, j).
    """
    channels = patches.shape[-1]
    kernel = jnp.concatenate([-2 * weights[..., None] * patches, weights[..., None]], axis=-1)
    if texture.shape[-1] == channels:
        products = _convolve(texture, kernel)
    else:
        # The patches are few: as columns they are what a product keeps in its registers.
        rows = texture.reshape(-1, texture.shape[-1])
        columns = kernel.reshape(len(kernel), -1).T
        products = jnp.matmul(rows, columns, precision=lax.Precision.HIGHEST)
        products = products.reshape(*texture.shape[:2], -1)
    own = jnp.einsum("pijc,pij->p", patches**2, weights, precision="highest")
    total = channels * jnp.sum(weights, axis=(1, 2))
    # Rounding may leave the distance of equal patches a little below zero.
    return jnp.maximum((products + own) / total, 0.0)


def _convolve(texture: Array, kernel: Array) -> Array:
    """Multiplies (y, |y|^2) in every window by the kernels, `[h, w, P]`."""
    square = jnp.sum(texture * texture, axis=-1, keepdims=True)
    return lax.conv_general_dilated(
        jnp.concatenate([texture, square], axis=-1)[None],
        kernel,
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "OHWI", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )[0]


def pick(allowed: Array, uniform: Array) -> Array:
    """Picks one place of each mask, all allowed ones being equally likely.

    Args:
      allowed: `[h, w, P]` bool, with at least one True in each of the P masks.
      uniform: `[P]` numbers in [0, 1).

    Returns:
      Array: (row, column) `[P, 2]` int32.
    """
    # Rows first, then inside the row: sums over h + w numbers instead of h * w.
    rows = jnp.cumsum(jnp.sum(allowed, axis=1, dtype=jnp.int32), axis=0)
    count = rows[-1]
    wanted = jnp.minimum((uniform * count).astype(jnp.int32), count - 1)
    row = jnp.argmax(rows > wanted, axis=0)
    each = jnp.arange(len(count))
    before = jnp.where(row > 0, rows[row - 1, each], 0)
    line = jnp.cumsum(allowed[row, :, each].astype(jnp.int32), axis=1)
    column = jnp.argmax(line > (wanted - before)[:, None], axis=1)
    return jnp.stack([row, column], axis=1).astype(jnp.int32)
