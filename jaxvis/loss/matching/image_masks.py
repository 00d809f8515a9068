"""Masks of an image, which say where a statistic counts, checked and resized to a layer."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxvis.types import Array, ArrayLike


def check_masks(masks: Sequence[ArrayLike], count: int, size: tuple[int, int]) -> list[Array]:
    """Returns masks as float32 arrays `[H, W]`, checked.

    Args:
      masks: one for every style, each `[H, W]` in [0, 1].
      count: how many there must be.
      size: (H, W) in pixels that they must have.

    Raises:
      ValueError: says which mask is wrong, and how to cure it.
    """
    found = [jnp.asarray(mask, jnp.float32) for mask in masks]
    if len(found) != count:
        raise ValueError(f"{len(found)} masks came for {count} styles: pass one for each")
    for i, mask in enumerate(found):
        if mask.shape != tuple(size):
            raise ValueError(
                f"mask {i} has shape {mask.shape}, the image {tuple(size)}: masks are "
                "[H, W], as large as the image"
            )
        if not bool(jnp.all((mask >= 0) & (mask <= 1))):
            raise ValueError(f"mask {i} has values outside [0, 1]: clip or rescale it")
        if not bool(jnp.any(mask > 0)):
            raise ValueError(f"mask {i} is zero everywhere: leave its style out")
    return found


def resize_mask(mask: Array, shape: tuple[int, ...]) -> Array:
    """Resizes a mask of the image to the positions of a layer, with antialiasing.

    Args:
      mask: `[H, W]`.
      shape: (h, w, ...) of the tap.

    Returns:
      jax.Array: `[h, w]` in [0, 1].

    Source: Gatys et al., Controlling perceptual factors (2017), 3.1 (guidance).
    """
    if tuple(mask.shape) == tuple(shape[:2]):
        return mask
    return jnp.clip(jax.image.resize(mask, shape[:2], "linear", antialias=True), 0, 1)
