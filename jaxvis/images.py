"""Pictures that a method is given: checked, resized, and large enough for its taps."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.nets.table.geometry import geometry
from jaxvis.types import Array, Image, Key, Network

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
        raise ValueError(
            f"{what} is grey, shape {shape}: repeat its channel three times"
        )
    if len(shape) == 3 and shape[-1] == 4:
        raise ValueError(
            f"{what} has a transparent channel, shape {shape}: blend it over a "
            "background first"
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
        raise ValueError(
            f"{what} has values from {low:g} to {high:g}: pass RGB in [0, 1]"
        )
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


def check_field(
    net: Network, taps: tuple[str, ...], size: tuple[int, int], what: str
) -> None:
    """Raises if a picture is so small that a layer's statistics are of its border.

    A unit should find at least half of its receptive field in the picture; what lies
    outside is padding. Adapted networks, whose geometry is unknown, pass.

    Args:
      net: the network.
      taps: whose statistics are taken.
      size: (H, W) in pixels.
      what: what the message calls the picture.

    Raises:
      ValueError: names the tap, its receptive field and the size that it needs.
    """
    if not net.rows:
        return
    fields = {row.name: row.receptive_field for row in geometry(net)}
    tap = max(taps, key=fields.__getitem__)
    if 2 * min(size) < fields[tap]:
        raise ValueError(
            f"{what} of {size[0]}x{size[1]} pixels is too small for {tap!r}, whose "
            f"receptive field is {fields[tap]}: use at least {-(-fields[tap] // 2)} "
            "pixels a side, or earlier taps"
        )
