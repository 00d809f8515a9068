"""Resampling image arrays on the host, with Pillow."""

import numpy as np
from PIL import Image as Pillow

from jaxvis.output.arrays import check_pixels, check_size

METHODS = {
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
    "box": Pillow.Resampling.BOX,
    "nearest": Pillow.Resampling.NEAREST,
}
"""Ways to resample."""


def resample(
    image: np.ndarray, size: int | tuple[int, int], *, method: str = "bilinear"
) -> np.ndarray:
    """Resamples an image to a size, with antialiasing where it shrinks.

    Every output pixel is the mean of the input under a filter as wide as the output
    pixel, in float32: torch's `interpolate(..., antialias=True)` and, for "bilinear",
    `jax.image.resize`.

    Args:
      image: `[H, W, 3]` or grey `[H, W]`, float or uint8.
      size: (H, W) in pixels, or one number for a square; the aspect ratio follows it.
      method: "bilinear", "bicubic", "lanczos", "box" or "nearest" (not antialiased).

    Returns:
      numpy.ndarray: `[H, W, 3]` (or `[H, W, 1]`) float32 within the range of `image`:
      the overshoot of "bicubic" and "lanczos" is clipped.

    Raises:
      ValueError: for an unknown method or a size below one pixel.
    """
    image, (height, width) = check_pixels(image, "resample"), check_size(size)
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    planes = [
        Pillow.fromarray(np.ascontiguousarray(plane, np.float32))
        for plane in np.moveaxis(image, -1, 0)
    ]
    resized = [np.asarray(plane.resize((width, height), METHODS[method])) for plane in planes]
    return np.clip(np.stack(resized, -1), image.min(), image.max(), dtype=np.float32)


def crop_to(image: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Resizes an image until it covers a size, and cuts the middle out.

    The image is resized (bilinear, antialiased) so that one side fits exactly and the
    other is no shorter, then the surplus is cut off equally on both ends. The aspect
    ratio is kept.

    Args:
      image: `[H, W, 3]` or grey `[H, W]`, float or uint8.
      size: (H, W) in pixels, or one number for a square.

    Returns:
      numpy.ndarray: `[H, W, 3]` (or `[H, W, 1]`) float32.

    Raises:
      ValueError: for a size below one pixel.
    """
    image, (height, width) = check_pixels(image, "crop_to"), check_size(size)
    scale = max(height / image.shape[0], width / image.shape[1])
    cover = (
        max(height, round(image.shape[0] * scale)),
        max(width, round(image.shape[1] * scale)),
    )
    if cover != image.shape[:2]:
        image = resample(image, cover)
    top, left = (cover[0] - height) // 2, (cover[1] - width) // 2
    return np.asarray(image[top : top + height, left : left + width], np.float32)
