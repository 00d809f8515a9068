"""Images at the border of every public call: checks and conversions, sizes, noise, colours."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array, ArrayLike, Key

MEAN = (0.485, 0.456, 0.406)
"""Mean RGB of ImageNet photographs, in [0, 1]."""
DEVIATION = (0.229, 0.224, 0.225)
"""Standard deviation of their RGB, as torchvision's networks have it."""
LUMINANCE = (0.299, 0.587, 0.114)
"""What R, G and B add to the grey that is seen (ITU-R BT.601)."""

_SQRT_COVARIANCE = np.array(
    [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32
)
"""Square root of the RGB covariance of ImageNet (rows R, G, B; Olah et al. 2017)."""

RECORRELATE = (_SQRT_COVARIANCE / np.linalg.norm(_SQRT_COVARIANCE, axis=0).max()).T.copy()
"""`decorrelated @ RECORRELATE` is RGB: the largest axis is scaled to length 1."""
DECORRELATE = np.linalg.inv(RECORRELATE)

NOISE = 1 / 255
"""Standard deviation of the noise that optimisations start from, in [0, 1] units."""
MAX_PIXELS = 2**27
"""Pixels of the largest image that is accepted, 1.6 GB as float32 RGB."""
TOLERANCE = 1e-3
"""How far a value may lie outside [0, 1], as resampling and rounding leave it."""


def check_image(image: Any, what: str, *, channels: int = 3) -> Array:
    """Returns an image as float32 in [0, 1], checked and converted to a network's channels.

    An input that can mean only one thing is converted; any other is refused. Inside
    `jax.jit` and `jax.vmap` values are unknown, so only shapes and types are checked. An
    array of JAX stays on its device.

    Args:
      image: float RGB `[H, W, 3]` in [0, 1]; or uint8 in 0..255; or grey, `[H, W]` or
        `[H, W, 1]`, which is repeated; or RGB and alpha, `[H, W, 4]`, without transparent
        pixels; or an image of Pillow.
        For other channels than 3 and 1 it must be `[H, W, channels]`.
      what: what the messages call it, such as "the style image".
      channels: of the result; for 1 RGB becomes its luminance.

    Returns:
      jax.Array: `[H, W, channels]` float32.

    Raises:
      ValueError: says what is wrong and how to cure it.
    """
    found = _as_array(image, what)
    shape = found.shape
    if found.ndim == 4:
        cure = "image[0]" if shape[0] == 1 else "the images one by one"
        raise ValueError(f"{what} is a batch of {shape[0]}, shape {shape}: pass {cure}")
    if found.ndim == 2 and channels in (1, 3):
        found = found[..., None]
    if len(shape) == 3 and _has_channels_first(shape, channels):
        raise ValueError(
            f"{what} has its channels first, shape {shape}: move the channels last, "
            "np.moveaxis(image, 0, -1)"
        )
    if found.ndim != 3 or found.shape[-1] not in _list_counts(channels):
        colours, others = "[H, W, 3] or grey [H, W]", f"[H, W, {channels}], as the network takes it"
        expected = colours if channels in (1, 3) else others
        raise ValueError(f"{what} must be one image {expected}, not {shape}")
    return _convert(found, what, channels)


def check_images(images: Any, what: str, *, channels: int = 3) -> Array:
    """Returns several images of one size as float32 in [0, 1], as `check_image`.

    Args:
      images: `[N, H, W, 3]`, with the types and channels of `check_image`, or a list or
        tuple of what `check_image` takes.
      what: what the messages call them, such as "the photographs".
      channels: of the result, as for `check_image`.

    Returns:
      jax.Array: `[N, H, W, channels]` float32.

    Raises:
      ValueError: says what is wrong and how to cure it.
    """
    if isinstance(images, (list, tuple)):
        if not images:
            raise ValueError(f"{what} is an empty list: pass at least one image")
        names = [f"entry {i} of {what}" for i in range(len(images))]
        each = [check_image(*pair, channels=channels) for pair in zip(images, names)]
        sizes = sorted({one.shape[:2] for one in each})
        if len(sizes) > 1:
            raise ValueError(f"{what} have different sizes, {sizes}: resize them to one size")
        return jnp.stack(each)
    found = _as_array(images, what)
    shape = found.shape
    if found.ndim in (2, 3):
        raise ValueError(
            f"{what} must be several images [N, H, W, {channels}], not {shape}: pass "
            "images[None] for one image, or images[..., None] for grey ones"
        )
    if len(shape) == 4 and _has_channels_first(shape[1:], channels):
        raise ValueError(
            f"{what} have their channels first, shape {shape}: move the channels last, "
            "np.moveaxis(images, 1, -1)"
        )
    if found.ndim != 4 or shape[-1] not in _list_counts(channels):
        raise ValueError(f"{what} must be several images [N, H, W, {channels}], not {shape}")
    return _convert(found, what, channels)


def _list_counts(channels: int) -> tuple[int, ...]:
    """Lists the numbers of channels of images that can be converted to `channels`."""
    return (1, 3, 4) if channels in (1, 3) else (channels,)


def _has_channels_first(shape: tuple[int, ...], channels: int) -> bool:
    if channels not in (1, 3):
        return shape[0] == channels != shape[2] > 4
    return (shape[0] == 3 and shape[2] not in (1, 3, 4)) or (shape[0] in (1, 4) and shape[2] > 4)


def _as_array(image: Any, what: str) -> np.ndarray | Array:
    """Returns an array of numbers: of JAX if it was one, else of NumPy."""
    if hasattr(image, "getbands") and hasattr(image, "convert"):
        image = _convert_pillow(image)
    if not isinstance(image, jax.Array):
        if isinstance(image, str) or hasattr(image, "__fspath__"):
            raise ValueError(
                f"{what} is the path {str(image)!r}: read the file first, "
                "jaxvis.output.io.read_image(path)"
            )
        try:
            image = np.asarray(image)
        except ValueError:
            raise ValueError(f"{what} is no array: its rows have different lengths") from None
    if image.dtype != np.uint8 and not jnp.issubdtype(image.dtype, jnp.floating):
        hint = " and divide by 65535 first" if image.dtype == np.uint16 else ""
        raise ValueError(
            f"{what} is {image.dtype}: pass float RGB in [0, 1]{hint}, or uint8 in 0..255"
        )
    if 0 in image.shape:
        raise ValueError(f"{what} is empty, shape {image.shape}: pass at least one pixel")
    return image


def _convert_pillow(image: Any) -> np.ndarray:
    """Returns a Pillow image as an array; palettes and other colour spaces become RGB."""
    alpha = "A" in image.getbands() or "transparency" in image.info
    if not alpha and (image.mode.startswith("I") or image.mode in ("F", "L", "RGB")):
        return np.asarray(image)
    return np.asarray(image.convert("RGBA" if alpha else "RGB"))


def _convert(image: np.ndarray | Array, what: str, channels: int) -> Array:
    """Returns `[..., H, W, C]` uint8 or float as `[..., H, W, channels]` float32, checked."""
    if image.shape[-3] * image.shape[-2] > MAX_PIXELS:
        raise ValueError(f"{what} has more than {MAX_PIXELS} pixels: shrink it first")
    if image.dtype == np.uint8:
        image = image.astype(np.float32) / np.float32(255)
    else:
        _check_range(image, what)
        image = image.astype(np.float32)
    if image.shape[-1] == 4 != channels:
        _check_opaque(image, what)
        image = image[..., :3]
    return jnp.asarray(to_channels(image, channels))


def to_channels(image: ArrayLike, channels: int) -> ArrayLike:
    """Brings an image into other channels: grey is repeated, and RGB becomes its luminance.

    Args:
      image: `[..., C]`, of NumPy or of JAX.
      channels: of the result.

    Raises:
      ValueError: for any other two numbers that differ.
    """
    own = image.shape[-1]
    if own == channels:
        return image
    if (own, channels) == (1, 3):
        return image.repeat(3, -1)
    if (own, channels) == (3, 1):
        red, green, blue = (image[..., i : i + 1] * share for i, share in enumerate(LUMINANCE))
        return red + green + blue
    raise ValueError(f"an image of {own} channels cannot become one of {channels}: pass another")


def mean_colour(channels: int) -> tuple[float, ...]:
    """Gives the mean colour of photographs; of other images than RGB its mean.

    Args:
      channels: of the image.
    """
    return MEAN if channels == 3 else (sum(MEAN) / 3,) * channels


def _check_range(image: np.ndarray | Array, what: str) -> None:
    # NumPy's arrays are looked at by NumPy: JAX would compile a program for every shape.
    try:
        low, high = float(image.min()), float(image.max())
    except jax.errors.ConcretizationTypeError:
        return
    if -TOLERANCE <= low and high <= 1 + TOLERANCE:
        return
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{what} has values that are NaN or infinite: pass RGB in [0, 1]")
    cure = "pass RGB in [0, 1]"
    if low >= -TOLERANCE and high <= 2:
        cure = "clip it to [0, 1], or divide by 255 if it runs from 0 to 255"
    elif low >= -TOLERANCE and high <= 255:
        cure = "divide by 255"
    elif low >= -1 - TOLERANCE and high <= 1 + TOLERANCE:
        cure = "pass (image + 1) / 2 if they run from -1 to 1"
    elif high < 10:
        cure += ", without subtracting a mean: the networks do that themselves"
    raise ValueError(f"{what} has values from {low:g} to {high:g}: {cure}")


def _check_opaque(image: np.ndarray | Array, what: str) -> None:
    try:
        least = float(image[..., 3].min())
    except jax.errors.ConcretizationTypeError:
        return
    if least < 1 - TOLERANCE:
        raise ValueError(
            f"{what} has transparent pixels: blend it over a background first, for floats "
            "image[..., :3] * image[..., 3:] + background * (1 - image[..., 3:])"
        )


def resize(image: Array, size: tuple[int, int]) -> Array:
    """Resizes an image bilinearly, with antialiasing where it shrinks.

    Args:
      image: `[H, W, C]`.
      size: (H, W) in pixels.

    Returns:
      jax.Array: of that size; the image itself if it has the size already.
    """
    if tuple(image.shape[:2]) == tuple(size):
        return image
    return jax.image.resize(image, (*size, image.shape[-1]), "linear", antialias=True)


def enlarge(images: Array, size: tuple[int, int]) -> Array:
    """Enlarges images of a coarse scale to a finer one, bicubically.

    Args:
      images: `[n, h, w, 3]` in [0, 1].
      size: (H, W) in pixels.

    Returns:
      jax.Array: `[n, H, W, 3]`, clipped to [0, 1].
    """
    shape = (len(images), *size, images.shape[-1])
    return jnp.clip(jax.image.resize(images, shape, "cubic", antialias=True), 0, 1)


def mix_noise(key: Key, image: Array, *, part: float = 1.0, seeds: int = 1) -> Array:
    """Mixes an image with noise around its mean colour, to start an optimisation from.

    The result is (1 - part) image + part (mean colour + NOISE n), n standard normal.

    Args:
      key: a typed random key; start i draws its noise from `fold_in(key, i)`.
      image: `[H, W, 3]`.
      part: the share of the noise, from 0 to 1.
      seeds: how many starts to make.

    Returns:
      jax.Array: `[seeds, H, W, 3]`, clipped to [0, 1].

    Source: Gatys, Ecker & Bethge (2015), the code: noise around one grey level.
    """
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(seeds))
    noise = jax.vmap(lambda one: jax.random.normal(one, image.shape))(keys)
    noise = jnp.mean(image, axis=(0, 1)) + NOISE * noise
    return jnp.clip((1 - part) * image + part * noise, 0, 1)


def sides_of_area(shape: Sequence[int], area: float) -> tuple[int, int]:
    """Gives the size (H, W) of a given area and the aspect ratio of an image.

    Args:
      shape: (H, W, ...) of the image.
      area: in pixels.
    """
    factor = (area / (shape[0] * shape[1])) ** 0.5
    return max(round(shape[0] * factor), 1), max(round(shape[1] * factor), 1)
