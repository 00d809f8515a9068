"""The signs of obfuscated gradients: what honest attacks must satisfy."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Check(NamedTuple):
    """Something that must hold where gradients are honest.

    Attributes:
      name: what must hold.
      passed: whether it does.
      finding: what was found, as a part of a sentence.
    """

    name: str
    passed: bool
    finding: str


def check_curves(
    images: int,
    *,
    epsilons: np.ndarray,
    accuracy: Mapping[str, np.ndarray],
    clean: float,
    queries: Mapping[str, int],
    unbounded: float,
    restarts: np.ndarray,
    still: float,
    at: float,
) -> tuple[Check, ...]:
    """Checks the curves of attacks for signs of obfuscated gradients.

    A single image of a small set may go either way, so that curves may differ by one.

    Args:
      images: how many there are.
      epsilons: `[E]`, the radii.
      accuracy: attack -> `[E]`.
      clean, queries, unbounded, restarts, still, at: see
        `jaxvis.evaluate.robustness.curves.Robustness`.
    """
    del queries
    slack = 1.0 / images + 1e-9
    many, one, black = (accuracy[name] for name in ("many steps", "one step", "scores alone"))
    rises = np.diff(np.concatenate([[clean], many]), prepend=clean)
    return (
        _compare("one step is no stronger than many", many, one, epsilons, slack),
        _compare("a black box is no stronger than gradients", many, black, epsilons, slack),
        _compare("noise is no stronger than gradients", many, accuracy["noise"], epsilons, slack),
        Check(
            "a larger ball leaves no more images right",
            bool(np.all(rises <= slack)),
            f"accuracy rises by {100 * max(float(rises.max()), 0.0):.0f} points as epsilon grows",
        ),
        Check(
            "without a bound every image is fooled",
            unbounded <= 1e-9,
            f"an attack without a bound leaves {100 * unbounded:.0f} % of the images right",
        ),
        Check(
            "more restarts find little more",
            bool(restarts[0] - restarts[1] <= max(0.05, 2 * slack)),
            f"restarts lower the accuracy at epsilon {at:.4g} from {100 * restarts[0]:.0f} to "
            f"{100 * restarts[1]:.0f} %",
        ),
        Check(
            "gradients arrive",
            still <= 0.05,
            f"no gradient moved the loss of {100 * still:.0f} % of the attacked images",
        ),
    )


def _compare(
    name: str, strong: np.ndarray, weak: np.ndarray, epsilons: np.ndarray, slack: float
) -> Check:
    """Checks that what should be the stronger attack leaves no more images right."""
    excess = strong - weak
    worst = int(np.argmax(excess))
    finding = (
        f"at epsilon {epsilons[worst]:.4g} the attack by many steps leaves "
        f"{100 * strong[worst]:.0f} % right, the weaker one {100 * weak[worst]:.0f} %"
    )
    return Check(name, bool(excess[worst] <= slack), finding)
