"""Image arrays on the host: their checks, their sizes, and how several are laid out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxvis.display import join_planes
from jaxvis.types import Run, Status

FAILED = (1.0, 0.0, 1.0)
"""Magenta, the colour of pixels whose values are not finite."""
STATUS_NOTES: dict[int, str] = {
    Status.FAILED: "failed: not finite",
    Status.UNFINISHED: "unfinished",
    Status.DEAD: "dead: no gradient",
}
"""What a caption says of an item that did not end well."""


def check_pixels(image: np.ndarray, name: str, *, finite: bool = True) -> np.ndarray:
    """Returns an image as floats with a channel axis, checked.

    Args:
      image: `[H, W, 3]`, `[H, W, 1]` or grey `[H, W]`; float, or uint8, which is divided
        by 255.
      name: what the messages call it.
      finite: whether values that are not finite are refused.

    Returns:
      numpy.ndarray: `[H, W, 3]` or `[H, W, 1]`.

    Raises:
      ValueError: for another shape, other integers, or values that are not finite.
    """
    image = np.asarray(image)
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[-1] not in (1, 3) or not image.size:
        raise ValueError(
            f"{name}: an image is [H, W, 3] or grey [H, W], not {image.shape}: of other "
            "channels jaxvis.display.join_planes(image) makes a strip"
        )
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(
            f"{name}: an image is float in [0, 1] or uint8, not {image.dtype}: divide it by "
            "its largest value first"
        )
    bad = image.size - int(np.isfinite(image).sum()) if finite else 0
    if bad:
        raise ValueError(f"{name}: {bad} of {image.size} values are not finite")
    return image


def lay_out(
    images: np.ndarray | Sequence[np.ndarray] | Run, captions: Sequence[str] | None
) -> tuple[list[np.ndarray], list[str] | None, int]:
    """Returns images one by one, a caption for each, and how many belong in a row.

    Args:
      images: `[N, H, W, 3]`, `[N, S, H, W, 3]` (a row of S for each of the N), one
        `[H, W, 3]`, or a sequence of images of any sizes, `[H, W, 3]` or `[H, W]`; or a
        Run, whose images are shown (of other channels than RGB or grey as strips, see
        `jaxvis.display.join_planes`) and whose captions say which items did not end well.
      captions: one for each image; for `[N, S, H, W, 3]` also one for each of the N;
        or None.

    Returns:
      tuple: the images; the captions or None; S if it is above 1, else ceil(sqrt(N)).

    Raises:
      ValueError: if there is no image, or the captions are not as many as the images.
    """
    seeds, status = 1, None
    if isinstance(images, Run):
        status, images = np.asarray(images.status).ravel(), join_planes(images.image)
    if not isinstance(images, (list, tuple)):
        images = np.asarray(images)
        if images.ndim not in (3, 4, 5):
            raise ValueError(
                "images are [N, H, W, 3], [N, S, H, W, 3] or a list of [H, W, 3], not "
                f"an array {images.shape}"
            )
        seeds = images.shape[1] if images.ndim == 5 else 1
        images = images.reshape(-1, *images.shape[-3:])
    if not len(images):
        raise ValueError("there is no image to show")
    if captions is not None:
        captions = [str(caption) for caption in captions]
        if len(captions) * seeds == len(images):
            captions = [caption for caption in captions for _ in range(seeds)]
        if len(captions) != len(images):
            raise ValueError(
                f"{len(captions)} captions came for {len(images)} images: give one each"
            )
    if status is not None:
        captions = _add_status(captions, status)
    return list(images), captions, seeds if seeds > 1 else int(np.ceil(np.sqrt(len(images))))


def _add_status(captions: list[str] | None, status: np.ndarray) -> list[str] | None:
    """Adds a line to the captions of items that did not end well."""
    notes = [STATUS_NOTES.get(int(one), "") for one in status]
    if not any(notes):
        return captions
    captions = captions or [""] * len(notes)
    return [f"{caption}\n{note}".strip() for caption, note in zip(captions, notes, strict=True)]


def blend_over(image: np.ndarray, background: float | tuple[float, float, float]) -> np.ndarray:
    """Blends an image over a background: colour * alpha + background (1 - alpha).

    Args:
      image: `[H, W, C]` float in [0, 1]: grey, grey and alpha, RGB, or RGB and alpha.
      background: grey level or RGB in [0, 1].

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 RGB in [0, 1].
    """
    colour = image[..., :3] if image.shape[-1] > 2 else image[..., :1].repeat(3, -1)
    if image.shape[-1] % 2 == 0:
        alpha = image[..., -1:]
        colour = colour * alpha + np.asarray(background, np.float32) * (1 - alpha)
    return np.ascontiguousarray(colour, np.float32)


def check_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Returns a size as (H, W) in pixels; one number is a square.

    Args:
      size: (H, W) or one number.

    Raises:
      ValueError: for a side below one pixel.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"a size is at least 1x1 pixels, not {height}x{width}")
    return height, width


def to_display(image: Any) -> np.ndarray:
    """Returns an image as it can be shown: RGB, clipped, failures in magenta.

    Args:
      image: `[H, W, 3]`, `[H, W, 1]` or grey `[H, W]`, float or uint8.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 in [0, 1].

    Raises:
      ValueError: for another shape, or other integers.
    """
    image = blend_over(check_pixels(image, "image", finite=False), 1.0)
    finite = np.isfinite(image).all(-1, keepdims=True)
    return np.where(finite, np.clip(image, 0, 1), np.asarray(FAILED, np.float32))
