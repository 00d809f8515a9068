"""Pictures as the bytes of files."""

import io
from typing import Any, Literal

import numpy as np
from PIL import Image as Pillow

from jaxvis.display import join_planes
from jaxvis.output.arrays import check_pixels

Format = Literal["png", "webp"]
"""Formats that keep every value of 8 bits."""

OPTIONS: dict[str, dict[str, Any]] = {
    # Without subsampling (4:4:4): thin coloured strokes keep their colours.
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True, "method": 4},
}
"""Format, as Pillow calls it -> how it is written, where that is not Pillow's own way."""


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
    return encode_levels(to_levels(check_pixels(join_planes(image), "the picture")), format.upper())


def encode_levels(levels: np.ndarray, kind: str, **options: Any) -> bytes:
    """Encodes pixels as the bytes of a file.

    Args:
      levels: `[H, W, C]` uint8, grey, with or without opacity, RGB or RGBA.
      kind: the format, as Pillow calls it, such as "PNG".
      **options: of Pillow's writer of the format, in place of those of `OPTIONS`.
    """
    file = io.BytesIO()
    picture = Pillow.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)
    picture.save(file, kind, **{**OPTIONS.get(kind, {}), **options})
    return file.getvalue()
