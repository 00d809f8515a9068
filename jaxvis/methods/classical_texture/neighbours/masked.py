"""How far an incomplete neighbourhood is from every place of a texture."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.types import Array


def gaussian_window(window: int, sigma: float) -> np.ndarray:
    """Gives weights exp(-r^2 / (2 sigma^2)) `[window, window]`, 1 in the centre.

    Args:
      window: side in pixels, odd.
      sigma: standard deviation in pixels.
    """
    line = np.arange(window) - window // 2
    square = line[:, None] ** 2 + line**2
    return np.exp(-square / (2 * sigma**2)).astype(np.float32)


def compute_distances(texture: Array, patches: Array, weights: Array) -> Array:
    """Computes how far each patch is from the texture, at every place where it fits.

    d(p, s) = sum_j m_pj |x_pj - y_(s + j)|^2 / (C sum_j m_pj), written as
    sum m x^2 - 2 (m x) * y + m * y^2: both products are one convolution of (y, |y|^2)
    with the patches as kernels.

    Args:
      texture: y, `[H, W, C]`, best of mean zero (the sum cancels).
      patches: x, `[P, w, w, C]`; values of weight 0 do not count, but must be finite.
      weights: m, `[P, w, w]`, not negative; 0 where a patch is not known.

    Returns:
      Array: `[P, H - w + 1, W - w + 1]` mean squared distances, at least 0; the entry
      (i, j) is for the window whose first pixel is (i, j).
    """
    channels = texture.shape[-1]
    square = jnp.sum(texture * texture, axis=-1, keepdims=True)
    kernel = jnp.concatenate([-2 * weights[..., None] * patches, weights[..., None]], axis=-1)
    products = lax.conv_general_dilated(
        jnp.concatenate([texture, square], axis=-1)[None],
        kernel,
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "OHWI", "NCHW"),
        precision=lax.Precision.HIGHEST,
    )[0]
    own = jnp.einsum("pijc,pij->p", patches**2, weights, precision="highest")
    total = channels * jnp.sum(weights, axis=(1, 2))
    distances = (products + own[:, None, None]) / total[:, None, None]
    # Rounding may leave the distance of equal patches a little below zero.
    return jnp.maximum(distances, 0.0)


def pick(allowed: Array, uniform: Array) -> Array:
    """Picks one place of each mask, all allowed ones being equally likely.

    Args:
      allowed: `[P, h, w]` bool, with at least one True in each.
      uniform: `[P]` numbers in [0, 1).

    Returns:
      Array: (row, column) `[P, 2]` int32.
    """
    # Rows first, then inside the row: sums over h + w numbers instead of h * w.
    rows = jnp.cumsum(jnp.sum(allowed, axis=2, dtype=jnp.int32), axis=1)
    count = rows[:, -1]
    wanted = jnp.minimum((uniform * count).astype(jnp.int32), count - 1)
    row = jnp.argmax(rows > wanted[:, None], axis=1)
    each = jnp.arange(len(rows))
    before = jnp.where(row > 0, rows[each, row - 1], 0)
    line = jnp.cumsum(allowed[each, row].astype(jnp.int32), axis=1)
    column = jnp.argmax(line > (wanted - before)[:, None], axis=1)
    return jnp.stack([row, column], axis=1).astype(jnp.int32)
