"""Adversarial images as files hold them: whole levels, and still inside the ball."""

import numpy as np

from jaxvis.attacks.norms import Norm


def round_to_levels(
    images: np.ndarray,
    originals: np.ndarray,
    *,
    epsilon: np.ndarray | float,
    norm: Norm,
    levels: int = 255,
) -> np.ndarray:
    """Rounds adversarial images to the levels of a file, without leaving their ball.

    Each value goes to its nearest level. Where that makes the perturbation larger than
    epsilon, all values of the image are rounded towards the original instead.

    Args:
      images: `[N, H, W, C]` in [0, 1].
      originals: `[N, H, W, C]`, whole levels already, as they are after reading a file.
      epsilon: the radius of the ball, one or `[N]`.
      norm: what measures the perturbation.
      levels: 255 of files of 8 bits a channel, 65535 of 16.

    >>> import numpy as np
    >>> image, original = np.full((1, 1, 1, 1), 0.013), np.zeros((1, 1, 1, 1))
    >>> float(round_to_levels(image, original, epsilon=0.013, norm="linf")[0, 0, 0, 0] * 255)
    3.0
    """
    delta = levels * (np.asarray(images, np.float64) - originals)
    nearest = np.rint(delta)
    inside = np.trunc(delta)
    radius = np.broadcast_to(np.asarray(epsilon, np.float64), (len(delta),))
    # Levels are whole numbers, so that a bound on them is exact.
    fits = measure_perturbation(nearest, norm) <= levels * _scale(norm, radius, levels) + 1e-6
    chosen = np.where(fits[:, None, None, None], nearest, inside)
    return ((np.rint(levels * originals.astype(np.float64)) + chosen) / levels).astype(np.float32)


def measure_perturbation(delta: np.ndarray, norm: Norm) -> np.ndarray:
    """Measures perturbations `[N, H, W, C]` in float64, `[N]`.

    Args:
      delta: the differences of images.
      norm: "linf", "l2", "l1", or "l0", which counts pixels.
    """
    size = np.abs(np.asarray(delta, np.float64))
    axes = tuple(range(1, size.ndim))
    if norm == "linf":
        return size.max(axes)
    if norm == "l2":
        return np.sqrt((size**2).sum(axes))
    if norm == "l1":
        return size.sum(axes)
    return (size.max(-1) > 0).sum(axes[:-1]).astype(np.float64)


def _scale(norm: Norm, radius: np.ndarray, levels: int) -> np.ndarray:
    """Returns a radius that is compared with perturbations in levels, per level."""
    return radius / levels if norm == "l0" else radius
