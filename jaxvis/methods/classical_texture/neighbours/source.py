"""The texture that pixels are copied from: its checks, its channels, its copies."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxvis.images import check_image
from jaxvis.optimize.keys import item_keys
from jaxvis.types import ImageLike, Key, Run, Status, as_key

NOWHERE = -1
"""Row and column of a pixel that no place of the texture was copied to."""


def check_texture(image: ImageLike, window: int) -> np.ndarray:
    """Returns a texture on the host, checked and converted.

    Args:
      image: `[H, W, 3]` in [0, 1], or what else `jaxvis.images.check_image` takes.
      window: side of the square neighbourhood in pixels.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32.

    Raises:
      ValueError: for what is no image, or a window that is even, below 3, or larger
        than the texture.
    """
    texture = np.asarray(check_image(image, "the texture"))
    size = texture.shape[:2]
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window is odd and at least 3 pixels, not {window}")
    if window > min(size):
        most = (min(size) + 1) // 2 * 2 - 1
        room = f"at most {most}, or " if most >= 3 else ""
        raise ValueError(
            f"the texture, {size[0]}x{size[1]}, is smaller than the window of "
            f"{window}x{window} pixels: pass {room}a larger texture"
        )
    return texture


def reduce_channels(image: np.ndarray) -> np.ndarray:
    """Keeps one channel where all three are the same, so that grey costs a third.

    The mean is taken out: squared distances are then sums of small numbers.

    Args:
      image: `[H, W, 3]` float32.

    Returns:
      numpy.ndarray: `[H, W, 1]` or `[H, W, 3]` float32, of mean zero.
    """
    grey = np.all(image == image[..., :1])
    image = image[..., :1] if grey else image
    return image - image.mean((0, 1), keepdims=True, dtype=np.float32)


def picture_size(size: int | tuple[int, int] | None, texture: np.ndarray) -> tuple[int, int]:
    """Gives (H, W) in pixels of the picture that was asked for.

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


def make_generators(key: Key | int, *, seeds: int) -> list[np.random.Generator]:
    """Makes a generator of random numbers on the host for each seed.

    Args:
      key: a typed random key, or an integer seed.
      seeds: how many.

    Raises:
      ValueError: if that is below 1.
    """
    words = np.asarray(jax.random.key_data(item_keys(as_key(key), seeds=seeds)))
    return [np.random.default_rng(line.tolist()) for line in words]


def copy_pixels(
    texture: np.ndarray, z: np.ndarray, losses: Sequence[Any] | np.ndarray, steps: int
) -> Run:
    """Makes the Run of pictures whose pixels are copied from a texture.

    Args:
      texture: `[H, W, 3]`.
      z: `[seeds, H, W, 2]` int32, the place of every pixel; `NOWHERE` leaves it NaN.
      losses: of each seed, the numbers so far.
      steps: how many there are of a finished picture; those that are missing are NaN,
        and the picture is UNFINISHED.

    Returns:
      Run with the seeds' axis.
    """
    image = np.where(z[..., :1] == NOWHERE, np.float32(np.nan), texture[z[..., 0], z[..., 1]])
    loss = np.full((len(z), steps), np.nan, np.float32)
    for line, values in zip(loss, losses):
        line[: len(values)] = values
    taken = np.array([len(values) for values in losses], np.int32)
    status = np.where(taken == steps, Status.DONE, Status.UNFINISHED).astype(np.int8)
    return Run(z, image, {"loss": loss}, status, {"steps": taken})
