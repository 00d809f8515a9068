"""Superpixels: connected pieces of an image of similar colour."""

import importlib
from typing import Any, Literal, get_args

import numpy as np

from jaxvis.types import ArrayLike

Way = Literal["slic", "quickshift"]
Segments = Way | ArrayLike
"""How superpixels are found, or their numbers from 0 themselves."""
PIECES = 64
"""About how many superpixels "slic" finds."""
QUICKSHIFT = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2}
"""The options of "quickshift", those of the authors of LIME."""


def find_segments(images: ArrayLike, segments: Segments) -> np.ndarray:
    """Finds the superpixels of images, `[N, H, W]`, numbered from 0 in each image.

    Args:
      images: `[N, H, W, C]`.
      segments: "slic" or "quickshift"; or the numbers, `[H, W]` or `[N, H, W]`.

    Raises:
      ValueError: for another word; for numbers of another shape, or that are no whole
        numbers; or where scikit-image is missing.
    """
    if isinstance(segments, str):
        return np.stack([_segment(np.asarray(image), segments) for image in images])
    given = np.asarray(segments)
    shape = images.shape[:3]
    if given.shape not in (shape, shape[1:]) or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(
            f"segments is {' or '.join(get_args(Way))}, or whole numbers of shape {shape[1:]}, "
            f"one a pixel; got {given.dtype} of shape {given.shape}"
        )
    each = [
        np.unique(one, return_inverse=True)[1].reshape(shape[1:])
        for one in given.reshape(-1, *shape[1:])
    ]
    return np.broadcast_to(np.stack(each), shape)


def _segment(image: np.ndarray, way: str) -> np.ndarray:
    if way not in get_args(Way):
        raise ValueError(f"segments is {' or '.join(get_args(Way))} or an array, not {way!r}")
    segmentation = _import_segmentation()
    if way == "quickshift":
        colours = np.repeat(image, 3, -1) if image.shape[-1] == 1 else image
        found = segmentation.quickshift(colours.astype(np.float64), rng=0, **QUICKSHIFT)
    else:
        lab = image.shape[-1] == 3
        found = segmentation.slic(
            image, n_segments=PIECES, start_label=0, channel_axis=-1, convert2lab=lab
        )
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)


def _import_segmentation() -> Any:
    try:
        return importlib.import_module("skimage.segmentation")
    except ImportError:
        raise ValueError(
            "superpixels are found by scikit-image, which is not installed: pip install "
            "jaxvis[superpixels], or pass their numbers, segments=array [H, W]"
        ) from None
