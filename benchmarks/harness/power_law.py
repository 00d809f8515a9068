"""How a cost grows: the power law through a few measured points."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Power(NamedTuple):
    """The law y = factor * x^exponent, and the exponent's standard error.

    The error is None for two points, which lie on their line.
    """

    exponent: float
    error: float | None
    factor: float

    def describe(self, x: str) -> str:
        """Describes the law in words: "items^0.97 (standard error 0.02)"."""
        return f"{x}^{self.exponent:.2f}" + (
            "" if self.error is None else f" (standard error {self.error:.2f})"
        )


def fit_power(x: Sequence[float], y: Sequence[float]) -> Power:
    """Fits a power law by least squares of log y over log x.

    Args:
      x: `[n]`, above 0, at least two different numbers.
      y: `[n]`, above 0.

    Raises:
      ValueError: for fewer than two points.
    """
    if len(set(x)) < 2:
        raise ValueError(f"a power law needs two different points, got {list(x)}")
    across, up = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    away = across - across.mean()
    slope = float(away @ up / (away @ away))
    rest = up - up.mean() - slope * away
    error = None
    if len(across) > 2:
        error = float(np.sqrt(rest @ rest / (len(across) - 2) / (away @ away)))
    return Power(slope, error, float(np.exp(up.mean() - slope * across.mean())))
