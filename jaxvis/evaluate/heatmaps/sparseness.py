"""Sparseness: whether a heatmap says much of few pixels."""

import numpy as np

from jaxvis.evaluate.heatmaps.judging import check_heat
from jaxvis.types import ArrayLike


def sparseness(heat: ArrayLike) -> np.ndarray:
    """Measures how unequal the pixels of heatmaps are, by the Gini index of |heat|.

    It is 0 where all pixels are equally hot, and 1 - 1 / (H W) where one pixel has all heat.
    A map of zeros has 0.

    Args:
      heat: `[..., H, W]`, the heatmaps.

    Returns:
      np.ndarray: `[...]`, from 0 to 1.

    Raises:
      ValueError: for heatmaps that are none, or not finite.

    Source: Chalasani et al., Concise explanations of neural networks using adversarial
      training (2020); Hurley & Rickard (2009).

    >>> import numpy as np
    >>> import jaxvis
    >>> float(jaxvis.sparseness(np.eye(2)))
    0.5
    """
    maps = np.abs(check_heat(heat)).astype(np.float64)
    flat = np.sort(maps.reshape(*maps.shape[:-2], -1), axis=-1)
    count = flat.shape[-1]
    total = flat.sum(-1)
    # The weights run from -(count - 1) to count - 1 and sum to 0.
    spread = flat @ (2 * np.arange(1, count + 1) - count - 1) / count
    return np.divide(spread, total, out=np.zeros_like(total), where=total > 0)
