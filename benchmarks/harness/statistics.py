"""Means with their errors, and how often neighbours are of one kind."""

from collections.abc import Sequence

import numpy as np


def measure_mean(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Measures mean and standard error; the error of a single value is NaN.

    Args:
      values: `[N]`, which are taken to be independent.
    """
    values = np.asarray(values, np.float64)
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(error)


def share_of_kin(points: np.ndarray, labels: np.ndarray, near: int = 1) -> np.ndarray:
    """Computes the share of each point's nearest others that have its label, `[N]`.

    Args:
      points: `[N, d]`.
      labels: `[N]`.
      near: how many others are looked at.
    """
    square = np.sum(points**2, axis=1)
    apart = square[:, None] + square - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    found = np.argpartition(apart, near, axis=1)[:, :near]
    return (labels[found] == labels[:, None]).mean(1)
