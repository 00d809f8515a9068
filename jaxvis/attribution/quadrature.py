"""Where a path is visited, and how much each place counts: rules for integrals over [0, 1]."""

from typing import Literal

import numpy as np

Rule = Literal["gauss-legendre", "left", "right", "middle", "trapezoid"]
"""Gauss and Legendre's, which is exact for polynomials of degree 2 steps - 1; or one of
Riemann's sums. They are captum's, with its places and weights."""


def list_places(rule: Rule, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists the places in [0, 1] and their weights, `[steps]` each.

    Args:
      rule: see `Rule`.
      steps: how many.

    Raises:
      ValueError: for another rule, no step, or one step of the trapezoid's rule.
    """
    least = 2 if rule == "trapezoid" else 1
    if steps < least:
        raise ValueError(f"steps is at least {least} for the rule {rule!r}, not {steps}")
    weights = np.full(steps, 1 / steps)
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        return (nodes + 1) / 2, weights / 2
    if rule == "trapezoid":
        # As captum has it: with 1 / steps between places that lie 1 / (steps - 1) apart.
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps), weights
    shifts = {"left": 0.0, "middle": 0.5, "right": 1.0}
    if rule not in shifts:
        raise ValueError(f"rule is gauss-legendre, {', '.join(shifts)} or trapezoid, not {rule!r}")
    return (np.arange(steps) + shifts[rule]) / steps, weights
