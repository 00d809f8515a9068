"""An attack by its name: its function, the norms that it knows, how far it goes by itself."""

import inspect
from collections.abc import Callable, Mapping
from typing import get_args

import jaxvis.attacks
from jaxvis.attacks.norms import Norm
from jaxvis.types import Run

NORMS: Mapping[str, tuple[Norm, ...]] = {
    **dict.fromkeys(("apgd", "square", "autoattack"), ("linf", "l2")),
    "fab": ("linf", "l2", "l1"),
    **dict.fromkeys(("carlini-wagner", "deepfool", "hop-skip-jump"), ("l2", "linf")),
    **dict.fromkeys(("ddn", "boundary"), ("l2",)),
    "elastic-net": ("l1",),
    "jsma": ("l0",),
}
"""The norms of attacks that do not know all of them."""


def find_attack(name: str) -> Callable[..., Run]:
    """Finds the function of an attack.

    Args:
      name: such as "carlini-wagner"; a hyphen stands for an underscore.
    """
    found: Callable[..., Run] = getattr(jaxvis.attacks, name.replace("-", "_"))
    return found


def choose_norm(name: str, norm: Norm | None) -> Norm:
    """Chooses the norm: the attack's own where none is asked for.

    Args:
      name: of the attack.
      norm: what measures the perturbation, or None.

    Raises:
      ValueError: for a norm that the attack does not measure by, before any work.
    """
    chosen: Norm = norm or inspect.signature(find_attack(name)).parameters["norm"].default
    known = NORMS.get(name.replace("_", "-"), get_args(Norm))
    if chosen not in known:
        raise ValueError(f"{name} knows no --norm {norm}: choose {' or '.join(known)}")
    return chosen


def choose_radius(name: str, norm: Norm) -> float | None:
    """Chooses the radius of the ball where none is asked for.

    Args:
      name: of the attack.
      norm: what measures the perturbation.

    Returns:
      8 / 255 in linf; None for an attack that looks for the smallest perturbation.

    Raises:
      ValueError: for an attack that stays within a ball, in a norm that has no usual radius.
    """
    if inspect.signature(find_attack(name)).parameters["epsilon"].default is None:
        return None
    if norm == "linf":
        return 8 / 255
    raise ValueError(f"{name} stays within a ball: pass --epsilon, its radius in {norm}")
