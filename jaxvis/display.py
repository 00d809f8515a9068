"""How results show themselves: one line as text, a grid of small pictures in a notebook."""

import io
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image as Pillow

MAX_PICTURES = 64
"""Pictures that a grid shows at most: the first ones."""
CELL = 160
"""The longest side of a picture in a grid, in pixels."""
GAP = 4
FAILED = np.array([255, 0, 255], np.uint8)
"""The colour of a picture with a value that is not finite."""
SEAM = 2
"""White pixels between the planes of an image that is neither RGB nor grey."""


def join_planes(image: np.ndarray) -> np.ndarray:
    """Brings images into a form that can be shown: planes side by side, in grey.

    RGB and grey images stay as they are. One of any other number of channels becomes a
    strip, its channels from left to right with a white seam between.

    Args:
      image: `[..., H, W, C]`, float in [0, 1] or uint8.

    Returns:
      numpy.ndarray: `[..., H, W, 3]`, `[..., H, W, 1]`, or `[..., H, C W + 2 (C - 1), 1]`.
    """
    image = np.asarray(image)
    if image.ndim < 3 or image.shape[-1] in (1, 3):
        return image
    white = 255 if image.dtype == np.uint8 else 1
    pads = [(0, 0)] * (image.ndim - 2) + [(0, SEAM), (0, 0)]
    planes = np.moveaxis(np.pad(image, pads, constant_values=white), -1, -3)
    *lead, channels, height, width = planes.shape
    strip = np.moveaxis(planes, -3, -2).reshape(*lead, height, channels * width)
    return strip[..., :-SEAM, None]


def describe_run(image: Any, trace: Any, words: Sequence[str]) -> str:
    """Describes a run in one line.

    Args:
      image: `[..., H, W, C]`, or something else where there are no pictures.
      trace: term name -> values `[..., steps]`.
      words: how each picture ended.
    """
    shape = np.shape(image)
    parts = []
    if len(shape) >= 3:
        lead = " x ".join(map(str, shape[:-3])) or "1"
        parts.append(f"{lead} pictures of {shape[-3]}x{shape[-2]} pixels")
    loss = trace.get("loss") if isinstance(trace, dict) else None
    if loss is not None and np.ndim(loss):
        parts.append(f"{np.shape(loss)[-1]} steps")
    ends = ", ".join(f"{count} {word}" for word, count in Counter(words).items())
    parts += [ends] if ends else []
    return f"Run({'; '.join(parts)})"


def encode_grid(image: Any) -> bytes | None:
    """Encodes pictures as one PNG, in rows; None where there are no pictures.

    Args:
      image: `[..., H, W, C]` in [0, 1]; with two axes in front or more, the last of them
        runs along a row.
    """
    shape = np.shape(image)
    if len(shape) < 3 or 0 in shape:
        return None
    pictures = join_planes(np.asarray(image).reshape(-1, *shape[-3:])[:MAX_PICTURES])
    stride = max(1, math.ceil(max(pictures.shape[1:3]) / CELL))
    small = [_to_bytes(picture[::stride, ::stride]) for picture in pictures]
    columns = shape[-4] if len(shape) > 4 else math.ceil(math.sqrt(len(small)))
    columns = min(columns, len(small))
    rows = math.ceil(len(small) / columns)
    height, width = small[0].shape[0] + GAP, small[0].shape[1] + GAP
    page = np.full((rows * height + GAP, columns * width + GAP, 3), 255, np.uint8)
    for i, picture in enumerate(small):
        top, left = GAP + i // columns * height, GAP + i % columns * width
        page[top : top + height - GAP, left : left + width - GAP] = picture
    file = io.BytesIO()
    Pillow.fromarray(page).save(file, "PNG")
    return file.getvalue()


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    if not np.isfinite(picture).all():
        return np.broadcast_to(FAILED, (*picture.shape[:2], 3))
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
