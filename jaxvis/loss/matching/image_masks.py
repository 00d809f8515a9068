"""Where a statistic counts: masks of an image, as a layer's grid sees them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxvis.types import Array


def checked_masks(masks: Sequence[Array], count: int, size: tuple[int, int]) -> list[Array]:
    """Returns masks as float32 arrays `[H, W]`, checked.

    Args:
      masks: `[H, W]` in [0, 1] each; one for every style.
      count: how many there must be.
      size: (H, W) in pixels that they must have.

    Raises:
      ValueError: says which mask is wrong, and how.
    """
    found = [jnp.asarray(mask, jnp.float32) for mask in masks]
    if len(found) != count:
        raise ValueError(f"{len(found)} masks came for {count} styles: pass one each")
    for i, mask in enumerate(found):
        if mask.shape != tuple(size):
            raise ValueError(
                f"mask {i} has shape {mask.shape}, the image {tuple(size)}: masks are "
                "[H, W], as large as the image"
            )
        if not bool(jnp.all((mask >= 0) & (mask <= 1))):
            raise ValueError(f"mask {i} leaves [0, 1]")
        if not bool(jnp.any(mask > 0)):
            raise ValueError(f"mask {i} is zero everywhere: leave its style out")
    return found


def on_grid(mask: Array, shape: tuple[int, ...]) -> Array:
    """Returns a mask of the image at a layer's positions, antialiased.

    Args:
      mask: `[H, W]`.
      shape: (h, w, ...) of the tap.

    Returns:
      Array: `[h, w]`.

    Source: Gatys et al., Controlling perceptual factors (2017), 3.1 (guidance).
    """
    if tuple(mask.shape) == tuple(shape[:2]):
        return mask
    return jnp.clip(jax.image.resize(mask, shape[:2], "linear", antialias=True), 0, 1)
