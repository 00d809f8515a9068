"""How alike two heatmaps are: by the ranks of their pixels, or by their structure."""

import numpy as np
from scipy.stats import rankdata

_WINDOW = 7
_SMALL = (0.01**2, 0.03**2)


def correlate_ranks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes Spearman's rank correlation of heatmaps, `[...]`; 0 where one is flat.

    Args:
      first, second: `[..., H, W]`, of one shape.

    Raises:
      ValueError: for different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(f"the heatmaps have different shapes, {first.shape} and {second.shape}")
    flat = [rankdata(one.reshape(*one.shape[:-2], -1), axis=-1) for one in (first, second)]
    one, other = (ranks - ranks.mean(-1, keepdims=True) for ranks in flat)
    product = np.sum(one * other, axis=-1)
    norms = np.sqrt(np.sum(one**2, axis=-1) * np.sum(other**2, axis=-1))
    return np.divide(product, norms, out=np.zeros_like(product), where=norms > 0)


def _correlate_sizes(one: np.ndarray, other: np.ndarray) -> float:
    """Computes the rank correlation of two maps' absolute values; flat maps are the same."""
    if np.ptp(np.abs(one)) == np.ptp(np.abs(other)) == 0:
        return 1.0
    return float(correlate_ranks(np.abs(one), np.abs(other)))


def compare_structure(one: np.ndarray, other: np.ndarray) -> float:
    """Computes the structural similarity of two maps' absolute values, each scaled to [0, 1].

    Args:
      one, other: `[H, W]` each.

    Source: Wang et al., Image quality assessment, 2004, Eq. 13, in windows of 7x7.
    """
    a, b = (_scale(np.abs(each).astype(np.float64)) for each in (one, other))
    side = min(_WINDOW, *a.shape)
    windows = [np.lib.stride_tricks.sliding_window_view(each, (side, side)) for each in (a, b)]
    means = [each.mean(axis=(2, 3)) for each in windows]
    spread = [each.var(axis=(2, 3)) for each in windows]
    shared = np.mean(windows[0] * windows[1], axis=(2, 3)) - means[0] * means[1]
    top = (2 * means[0] * means[1] + _SMALL[0]) * (2 * shared + _SMALL[1])
    below = (means[0] ** 2 + means[1] ** 2 + _SMALL[0]) * (spread[0] + spread[1] + _SMALL[1])
    return float(np.mean(top / below))


MEASURES = {"rank": _correlate_sizes, "structure": compare_structure}
"""Name -> how alike two maps `[H, W]` are, at most 1."""


def _scale(values: np.ndarray) -> np.ndarray:
    span = np.ptp(values)
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)
