"""Numbers as files hold them: finite, and with the digits that float32 has."""

import math
from collections.abc import Iterable

DIGITS = 7
"""Digits that are kept."""


def round_number(value: float) -> float:
    """Rounds a finite number to `DIGITS` digits.

    Args:
      value: the number.
    """
    return float(f"{float(value):.{DIGITS}g}")


def round_numbers(values: Iterable[float]) -> list[float]:
    """Rounds finite numbers.

    Args:
      values: the numbers.
    """
    return [round_number(value) for value in values]


def keep_finite(numbers: dict[str, float]) -> dict[str, float]:
    """Keeps the finite ones of numbers that have names, rounded.

    Args:
      numbers: name -> number.
    """
    return {name: round_number(one) for name, one in numbers.items() if math.isfinite(one)}
