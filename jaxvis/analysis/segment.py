"""Masks of objects from heatmaps: a threshold, or GrabCut around it."""

import importlib
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from jaxvis.images import check_image
from jaxvis.types import ArrayLike, ImageLike

BINS = 256
"""Bins of the histogram of Otsu's method."""


def threshold_segment(
    heat: ArrayLike, *, share: float | None = None, smooth: float = 0.0
) -> np.ndarray:
    """Segments heatmaps by a threshold, `[..., H, W]` bool.

    Args:
      heat: `[..., H, W]`; each map has a threshold of its own.
      share: the share of the pixels, from 0 to 1, that are wanted: those of the largest
        values. None takes Otsu's threshold, which makes the two parts as different in their
        means as can be.
      smooth: standard deviation of the Gaussian that the maps are smoothed by, as a share of
        the longer side; 0.02 joins the single pixels of a saliency map.

    Returns:
      numpy.ndarray: True where the object is; a flat map has none.

    Raises:
      ValueError: for what are no maps, a share that is not from 0 to 1, or a negative smooth.

    Source: Otsu (1979).

    >>> import numpy as np
    >>> import jaxvis
    >>> jaxvis.threshold_segment(np.array([[0.0, 0.1], [0.9, 1.0]]))
    array([[False, False],
           [ True,  True]])
    """
    maps = _smooth(_check(heat), smooth)
    if share is not None and not 0 < share < 1:
        raise ValueError(f"share is of the pixels, between 0 and 1, not {share}")
    flat = maps.reshape(-1, maps.shape[-2] * maps.shape[-1])
    if share is None:
        limits = np.array([_find_otsu(one) for one in flat])
    else:
        limits = np.quantile(flat, 1 - share, axis=1)
    found = np.where(
        (flat.max(axis=1) > limits)[:, None], flat > limits[:, None], flat >= limits[:, None]
    )
    return (found & (flat > flat.min(axis=1, keepdims=True))).reshape(maps.shape)


def grab_cut(
    image: ImageLike,
    heat: ArrayLike,
    /,
    *,
    inside: float = 0.05,
    outside: float = 0.3,
    steps: int = 5,
    smooth: float = 0.02,
) -> np.ndarray:
    """Segments an image by GrabCut, which a heatmap tells what surely belongs to the object.

    The colours of the hottest pixels describe the object, and those of the coldest ones
    what is around it; a cut through the image then finds the border.

    Args:
      image: `[H, W, 3]` or grey, in [0, 1].
      heat: `[H, W]`.
      inside: the share of the pixels, the hottest, that surely belong to the object.
      outside: the share of the pixels, the coldest, that surely do not.
      steps: rounds of describing and cutting.
      smooth: as in `threshold_segment`: without it, single hot pixels would stay parts of the
        object wherever they are.

    Returns:
      numpy.ndarray: `[H, W]` bool, True where the object is; a flat map has none.

    Raises:
      ValueError: for a map of another size, shares that are not above 0 or that together
        leave nothing to cut, no step, or where OpenCV is missing.

    Source: Simonyan et al. (2014), section 3.2, whose shares are the defaults; Rother,
      Kolmogorov & Blake (2004).

    >>> import numpy as np
    >>> import jaxvis
    >>> image, heat = np.zeros((32, 32, 3), np.float32), np.zeros((32, 32))
    >>> image[8:24, 8:24], heat[10:22, 10:22] = (1, 0, 0), 1
    >>> mask = jaxvis.grab_cut(image, heat)
    >>> bool(mask[16, 16]), bool(mask[0, 0])
    (True, False)
    """
    picture, hot = np.asarray(check_image(image, "the image")), _smooth(_check(heat), smooth)
    if hot.shape != picture.shape[:2]:
        raise ValueError(f"the map is {hot.shape} and the image {picture.shape[:2]}")
    if not (inside > 0 and outside > 0 and inside + outside < 1) or steps < 1:
        raise ValueError(
            "inside and outside are shares above 0 that leave pixels to cut, and steps is at "
            f"least 1; got {inside}, {outside} and {steps}"
        )
    cv2 = _import_opencv()
    sure, low = hot > np.quantile(hot, 1 - inside), hot <= np.quantile(hot, outside)
    if not sure.any():  # many pixels share the largest value
        sure = (hot == hot.max()) & (hot > hot.min())
    low &= ~sure
    if not sure.any() or not low.any():
        return np.zeros(hot.shape, bool)
    middle = threshold_segment(hot)
    labels = np.where(middle, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[low], labels[sure] = cv2.GC_BGD, cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    pixels = np.ascontiguousarray((picture[..., ::-1] * 255 + 0.5).astype(np.uint8))
    cv2.setRNGSeed(0)  # of the first clusters of colours
    cv2.grabCut(pixels, labels, None, *models, steps, cv2.GC_INIT_WITH_MASK)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def _check(heat: ArrayLike) -> np.ndarray:
    maps = np.asarray(heat, np.float64)
    if maps.ndim < 2 or not maps.size or not np.isfinite(maps).all():
        raise ValueError(f"heatmaps are finite and [..., H, W], not of shape {maps.shape}")
    return maps


def _smooth(maps: np.ndarray, share: float) -> np.ndarray:
    """Smooths maps by a Gaussian, whose standard deviation is a share of the longer side."""
    if not 0 <= share < 1:
        raise ValueError(f"smooth is a share of the longer side, from 0 to 1, not {share}")
    if not share:
        return maps
    sigma = share * max(maps.shape[-2:])
    return np.asarray(gaussian_filter(maps, sigma, axes=(-2, -1), mode="nearest"))


def _find_otsu(values: np.ndarray) -> float:
    """Finds the threshold that makes the variance between both parts largest."""
    counts, edges = np.histogram(values, BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = len(values) - below
    sums = np.cumsum(counts * middles)
    apart = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    # Between two clear parts many thresholds are equally good: the middle one is taken.
    best = below * above * apart**2
    ties = np.flatnonzero(best >= best.max() * (1 - 1e-12))
    return float(edges[1 + ties[len(ties) // 2]])


def _import_opencv() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError:
        raise ValueError(
            "GrabCut is OpenCV's, which is not installed: pip install jaxvis[analysis], or take "
            "jaxvis.threshold_segment, which needs nothing else"
        ) from None
