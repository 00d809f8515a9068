"""Whether two programs computed the same: differences of outputs, and what is allowed."""

from typing import NamedTuple

import numpy as np

SCORES, COSINE = 1e-4, 1e-3
"""What a gradient step may differ by: relative, of scores; cosine distance, of gradients
(ReLUs whose input is almost 0 may flip)."""


class Verdict(NamedTuple):
    """The differences between two outputs: quantity -> found, and allowed."""

    difference: dict[str, float]
    tolerance: dict[str, float]

    @property
    def agree(self) -> bool:
        """Whether every difference is within its tolerance; NaN is not."""
        return all(found <= self.tolerance[name] for name, found in self.difference.items())


def judge(**checks: tuple[float, float]) -> Verdict:
    """Gives the verdict on several quantities.

    Args:
      **checks: quantity -> (difference found, difference allowed).

    Raises:
      ValueError: if nothing was compared.
    """
    if not checks:
        raise ValueError("a verdict compares at least one quantity")
    return Verdict(
        {name: float(found) for name, (found, _) in checks.items()},
        {name: float(allowed) for name, (_, allowed) in checks.items()},
    )


def judge_step(ours: tuple, peer: tuple) -> Verdict:
    """Gives the verdict on a gradient step.

    Args:
      ours, peer: (scores `[N]`, gradients `[N, ...]`).
    """
    return judge(
        scores=(relative_difference(ours[0], peer[0]), SCORES),
        gradient_angle=(cosine_distance(ours[1], peer[1]), COSINE),
    )


def relative_difference(ours: np.ndarray, peer: np.ndarray) -> float:
    """Computes max |ours - peer| / max |peer|; infinite where shapes differ.

    Args:
      ours, peer: arrays of one shape.
    """
    ours, peer = np.asarray(ours, np.float64), np.asarray(peer, np.float64)
    if ours.shape != peer.shape:
        return float("inf")
    scale = max(float(np.max(np.abs(peer))), np.finfo(np.float32).tiny)
    return float(np.max(np.abs(ours - peer))) / scale


def cosine_distance(ours: np.ndarray, peer: np.ndarray) -> float:
    """Computes 1 - cosine of the worst pair of vectors; NaN where one is zero.

    Args:
      ours, peer: `[N, ...]`, one vector for each entry of the first axis.
    """
    if np.shape(ours) != np.shape(peer):
        return float("inf")
    ours, peer = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (ours, peer))
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(peer, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(1 - np.sum(ours * peer, axis=1) / lengths))
