"""Images: checks, resizing, starts of noise, and the colours of photographs."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array, Image, Key

MEAN = (0.485, 0.456, 0.406)
"""Mean RGB of ImageNet photographs, in [0, 1]."""

_SQRT_COVARIANCE = np.array(
    [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32
)
"""Square root of the RGB covariance of ImageNet (rows R, G, B; Olah et al. 2017)."""

RECORRELATE = (_SQRT_COVARIANCE / np.linalg.norm(_SQRT_COVARIANCE, axis=0).max()).T.copy()
"""`decorrelated @ RECORRELATE` is RGB: the largest axis is scaled to length 1."""
DECORRELATE = np.linalg.inv(RECORRELATE)

SPREAD = 1 / 255
"""Standard deviation of the noise that pictures start from."""
MOST = 2**27
"""Pixels of the largest picture that is taken, 1.6 GB as float32 RGB."""


def checked_image(image: Image, what: str) -> Array:
    """Returns an image as float32, checked.

    Args:
      image: `[H, W, 3]` in [0, 1].
      what: what the messages call it, such as "the style image".

    Raises:
      ValueError: says what is wrong and what to do about it.
    """
    shape = np.shape(image)
    if len(shape) == 2 or (len(shape) == 3 and shape[-1] == 1):
        raise ValueError(f"{what} is grey, shape {shape}: repeat its channel three times")
    if len(shape) == 3 and shape[-1] == 4:
        raise ValueError(
            f"{what} has a transparent channel, shape {shape}: blend it over a background first"
        )
    if len(shape) != 3 or shape[-1] != 3 or 0 in shape:
        raise ValueError(f"{what} must be one image [H, W, 3], got {shape}")
    if shape[0] * shape[1] > MOST:
        raise ValueError(f"{what} has more than {MOST} pixels: shrink it first")
    found = jnp.asarray(image)
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise ValueError(f"{what} is {found.dtype}: pass float RGB in [0, 1]")
    found = found.astype(jnp.float32)
    low, high = float(jnp.min(found)), float(jnp.max(found))
    if not -1e-3 <= low <= high <= 1 + 1e-3:
        raise ValueError(f"{what} has values from {low:g} to {high:g}: pass RGB in [0, 1]")
    return found


def resized(image: Array, size: tuple[int, int]) -> Array:
    """Returns an image resampled to a size, bilinearly, antialiased where it shrinks.

    Args:
      image: `[H, W, 3]`.
      size: (H, W) in pixels.
    """
    if tuple(image.shape[:2]) == tuple(size):
        return image
    return jax.image.resize(image, (*size, image.shape[-1]), "linear", antialias=True)


def enlarged(images: Array, size: tuple[int, int]) -> Array:
    """Returns images of a coarse scale at a finer one, bicubically.

    Args:
      images: `[n, h, w, 3]` in [0, 1].
      size: (H, W) in pixels.

    Returns:
      Array: `[n, H, W, 3]` in [0, 1].
    """
    shape = (len(images), *size, images.shape[-1])
    return jnp.clip(jax.image.resize(images, shape, "cubic", antialias=True), 0, 1)


def noisy(key: Key, image: Array, *, part: float = 1.0, seeds: int = 1) -> Array:
    """Returns starts `[seeds, H, W, 3]` in [0, 1]: an image and noise, mixed.

    (1 - part) image + part (its mean colour + SPREAD n), n standard normal.

    Args:
      key: a typed random key; start i draws from `fold_in(key, i)`.
      image: `[H, W, 3]`.
      part: of the noise, 0 to 1.
      seeds: how many.

    Source: Gatys, Ecker & Bethge (2015), the code: noise of one grey level.
    """
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(seeds))
    drawn = jax.vmap(lambda one: jax.random.normal(one, image.shape))(keys)
    drawn = jnp.mean(image, axis=(0, 1)) + SPREAD * drawn
    return jnp.clip((1 - part) * image + part * drawn, 0, 1)


def sides_of_area(shape: Sequence[int], area: float) -> tuple[int, int]:
    """Returns the size (H, W) of the same aspect ratio and a given area.

    Args:
      shape: (H, W, ...).
      area: in pixels.
    """
    factor = (area / (shape[0] * shape[1])) ** 0.5
    return max(round(shape[0] * factor), 1), max(round(shape[1] * factor), 1)
