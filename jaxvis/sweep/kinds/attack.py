"""Photographs changed so little that a network is just fooled."""

import inspect
from collections.abc import Callable
from typing import Any

from jaxvis import attacks
from jaxvis.sweep.kinds.base import Kind, Made, Order, Subject, join_seeds, take_run
from jaxvis.types import Run

NAMES = ("fgsm", "bim", "mi_fgsm", "pgd", "apgd", "square", "fmn", "ddn", "deepfool")
"""Attacks that can be swept."""


class Attack(Kind):
    """Adversarial images of photographs; their true class is what the network says."""

    name = "attack"
    needs_photos = True
    needs_index = False

    def defaults(self) -> dict[str, Any]:
        """Gives attack, norm, epsilon and steps; None takes the attack's own."""
        return {"attack": "pgd", "norm": None, "epsilon": 8 / 255, "steps": None}

    def describe(self, subject: Subject, order: Order) -> dict[str, Any]:
        """Describes the attack with its own numbers.

        Args:
          subject, order: see `Kind.describe`.

        Raises:
          ValueError: for an unknown attack, or one that is not so swept.
        """
        del subject
        return _list_options(order.shard.settings)

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the adversarial images of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          OSError, ValueError: as the attack, and for a photograph that is gone.
        """
        shard = order.shard
        method = find_attack(shard.settings["attack"])
        photos = subject.read(shard.sources, shard.size)
        given = _list_options(shard.settings) | {"chunk": order.chunk}
        del given["attack"]
        runs = [
            method(subject.net, subject.opened.params, photos, key=order.seed + seed, **given)
            for seed in range(order.seeds)
        ]
        return join_seeds([take_run(run) for run in runs])


def _list_options(settings: Any) -> dict[str, Any]:
    """Lists what an attack is called with: its own defaults where the plan says None."""
    method = find_attack(settings["attack"])
    known = inspect.signature(method).parameters
    found = {"attack": settings["attack"]}
    for name in ("norm", "epsilon", "steps"):
        if name not in known:
            if settings[name] is not None and name != "epsilon":
                raise ValueError(f"{settings['attack']} knows no {name}: leave it out")
            continue
        found[name] = known[name].default if settings[name] is None else settings[name]
    return found


def find_attack(name: str) -> Callable[..., Run]:
    """Finds the function of an attack.

    Args:
      name: one of `NAMES`; a hyphen stands for an underscore.

    Raises:
      ValueError: for another one.
    """
    known = name.replace("-", "_")
    if known not in NAMES:
        raise ValueError(f"attack={name!r} cannot be swept: choose one of {', '.join(NAMES)}")
    found: Callable[..., Run] = getattr(attacks, known)
    return found
