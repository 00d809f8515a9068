"""The texture that is sampled: what one is, its channels and its positions."""

from functools import partial

import jax
import numpy as np

from jaxvis.types import Image, Key


def checked_texture(image: Image) -> np.ndarray:
    """Returns a texture on the host, or says what is wrong with it.

    Args:
      image: `[H, W, 3]` float RGB in [0, 1].

    Returns:
      numpy.ndarray: `[H, W, 3]` float32.

    Raises:
      ValueError: for another shape (grey, transparent, a batch), integers, or values
        that are not finite or outside [0, 1].
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ValueError(
            f"a texture is an RGB image [H, W, 3], not {image.shape}: repeat a grey "
            "channel three times, lay a transparent image over a colour"
        )
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(
            f"a texture is float in [0, 1], not {image.dtype}: divide by its largest value first"
        )
    # A NaN fails both comparisons.
    if not (image.min() >= 0 and image.max() <= 1):
        raise ValueError(f"a texture is in [0, 1], not from {image.min():g} to {image.max():g}")
    return image.astype(np.float32)


def distinct_channels(image: np.ndarray) -> np.ndarray:
    """Returns one channel where all three are the same, so that grey costs a third.

    The mean is taken out: squared distances are then sums of small numbers.

    Args:
      image: `[H, W, 3]` float32.

    Returns:
      numpy.ndarray: `[H, W, 1]` or `[H, W, 3]` float32, of mean zero.
    """
    grey = np.all(image == image[..., :1])
    image = image[..., :1] if grey else image
    return image - image.mean((0, 1), keepdims=True, dtype=np.float32)


def checked_window(size: tuple[int, int], window: int) -> int:
    """Returns half a window's width, the window being odd and inside the texture.

    Args:
      size: (H, W) of the texture in pixels.
      window: side of the square neighbourhood in pixels.

    Raises:
      ValueError: if it is even, below 3, or larger than the texture.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window is odd and at least 3 pixels, not {window}")
    if window > min(size):
        most = (min(size) + 1) // 2 * 2 - 1
        room = f"at most {most}, or " if most >= 3 else ""
        raise ValueError(
            f"the texture, {size[0]}x{size[1]}, is smaller than the window of "
            f"{window}x{window} pixels: pass {room}a larger texture"
        )
    return window // 2


def sides(size: int | tuple[int, int] | None, texture: np.ndarray) -> tuple[int, int]:
    """Returns (H, W) in pixels of the picture that was asked for.

    Args:
      size: (H, W), one number for a square, or None for the texture's own.
      texture: `[H, W, C]`.

    Raises:
      ValueError: for a side below one pixel.
    """
    size = texture.shape[:2] if size is None else size
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"size is at least 1x1 pixels, not {height}x{width}")
    return int(height), int(width)


def generators(key: Key, *, seeds: int) -> list[np.random.Generator]:
    """Returns random numbers on the host for each seed, drawn from fold_in(key, i).

    Args:
      key: a typed random key.
      seeds: how many.

    Raises:
      ValueError: if that is below 1.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    keys = jax.vmap(partial(jax.random.fold_in, key))(np.arange(seeds))
    words = np.asarray(jax.random.key_data(keys))
    return [np.random.default_rng(line.tolist()) for line in words]
