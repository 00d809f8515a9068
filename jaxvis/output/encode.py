"""Pictures as the bytes of files without loss."""

import io
from typing import Any, Literal

import numpy as np
from PIL import Image as Pillow

from jaxvis.display import join_planes
from jaxvis.output.arrays import check_pixels

Format = Literal["png", "webp"]
"""Formats that keep every value of 8 bits."""

OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG"},
    # Lossless, so that the picture that is judged is the one that was made.
    "webp": {"format": "WEBP", "lossless": True, "quality": 60, "method": 4, "exact": True},
}
"""Format -> how Pillow writes it."""


def to_levels(image: np.ndarray) -> np.ndarray:
    """Rounds a picture to the levels that its file holds, uint8 of the same shape.

    Args:
      image: `[..., H, W, C]` in [0, 1]; values outside are clipped.
    """
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def encode_image(image: np.ndarray, format: Format) -> bytes:
    """Encodes a picture as the bytes of a file without loss.

    Args:
      image: `[H, W, C]` float in [0, 1]; channels that are no colours come side by side.
      format: "png" or "webp".

    Raises:
      ValueError: for values that are not finite.
    """
    pixels = to_levels(check_pixels(join_planes(image), "the picture"))
    file = io.BytesIO()
    picture = Pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.save(file, **OPTIONS[format])
    return file.getvalue()
