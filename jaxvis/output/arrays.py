"""Image arrays on the host: what one is, what a size is, and their transparency."""

from collections.abc import Sequence

import numpy as np

FAILED = (1.0, 0.0, 1.0)
"""Magenta, which no picture is by accident: a value there is not finite."""


def checked(image: np.ndarray, name: str, *, finite: bool = True) -> np.ndarray:
    """Returns a float image with its channel axis, or says what is wrong with it.

    Args:
      image: `[H, W, 3]`, `[H, W, 1]` or grey `[H, W]` float.
      name: what the message calls it.
      finite: whether values that are not finite are refused.

    Returns:
      numpy.ndarray: `[H, W, 3]` or `[H, W, 1]`.

    Raises:
      ValueError: for another shape, integers, or values that are not finite.
    """
    image = np.asarray(image)
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[-1] not in (1, 3) or not image.size:
        raise ValueError(f"{name}: an image is [H, W, 3] or grey [H, W], not {image.shape}")
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(
            f"{name}: an image is float in [0, 1], not {image.dtype}: divide by its "
            "largest value first"
        )
    bad = image.size - int(np.isfinite(image).sum()) if finite else 0
    if bad:
        raise ValueError(f"{name}: {bad} of {image.size} values are not finite")
    return image


def listed(
    images: np.ndarray | Sequence[np.ndarray], captions: Sequence[str] | None
) -> tuple[list[np.ndarray], list[str] | None, int]:
    """Returns images one by one, a caption for each, and how many belong in a row.

    Args:
      images: `[N, H, W, 3]`, `[N, S, H, W, 3]` (a row of S for each of the N), one
        `[H, W, 3]`, or a sequence of images of any sizes, `[H, W, 3]` or `[H, W]`.
      captions: one for each image; for `[N, S, H, W, 3]` also one for each of the N;
        or None.

    Returns:
      tuple: the images; the captions or None; S, or ceil(sqrt(N)) if there is no S.

    Raises:
      ValueError: if there is no image, or the captions are not as many as the images.
    """
    seeds = 0
    if not isinstance(images, (list, tuple)):
        images = np.asarray(images)
        if images.ndim not in (3, 4, 5):
            raise ValueError(
                "images are [N, H, W, 3], [N, S, H, W, 3] or a list of [H, W, 3], not "
                f"an array {images.shape}"
            )
        seeds = images.shape[1] if images.ndim == 5 else 0
        images = images.reshape(-1, *images.shape[-3:])
    if not len(images):
        raise ValueError("there is no image to show")
    if captions is not None:
        captions = [str(caption) for caption in captions]
        if seeds and len(captions) * seeds == len(images):
            captions = [caption for caption in captions for _ in range(seeds)]
        if len(captions) != len(images):
            raise ValueError(
                f"{len(captions)} captions came for {len(images)} images: give one each"
            )
    return list(images), captions, seeds or int(np.ceil(np.sqrt(len(images))))


def over(image: np.ndarray, background: float | tuple[float, float, float]) -> np.ndarray:
    """Returns an image laid over a background: colour * alpha + background (1 - alpha).

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


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """Returns (H, W) in pixels of a size, one number being a square.

    Args:
      size: (H, W) or one number.

    Raises:
      ValueError: for a side below one pixel.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"a size is at least 1x1 pixels, not {height}x{width}")
    return height, width


def shown(image: np.ndarray) -> np.ndarray:
    """Returns an image as it can be shown: RGB, clipped, failures in magenta.

    Args:
      image: `[H, W, 3]`, `[H, W, 1]` or grey `[H, W]` float.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 in [0, 1].

    Raises:
      ValueError: for another shape, or integers.
    """
    image = over(checked(image, "image", finite=False), 1.0)
    finite = np.isfinite(image).all(-1, keepdims=True)
    return np.where(finite, np.clip(image, 0, 1), np.asarray(FAILED, np.float32))
