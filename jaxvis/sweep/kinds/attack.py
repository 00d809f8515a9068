"""Photographs changed so little that a network is just fooled."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax

from jaxvis.attacks.choice import choose_norm, choose_radius, find_attack
from jaxvis.sweep.kinds.base import Kind, Made, Order, Subject, join_seeds, take_run

NAMES = ("fgsm", "bim", "mi_fgsm", "pgd", "apgd", "square", "fmn", "ddn", "deepfool")
"""Attacks that can be swept."""


class Attack(Kind):
    """Adversarial images of photographs; their true class is what the network says."""

    name = "attack"
    needs_photos = True
    needs_index = False

    def defaults(self) -> dict[str, Any]:
        """Gives attack, norm, epsilon and steps; None takes the attack's own."""
        return {"attack": "pgd", "norm": None, "epsilon": None, "steps": None}

    def describe(self, subject: Subject, order: Order) -> dict[str, Any]:
        """Describes the attack with its own numbers.

        Args:
          subject, order: see `Kind.describe`.

        Raises:
          ValueError: for an unknown attack, or a norm, radius or steps that it does not take.
        """
        del subject
        settings = order.shard.settings
        return {"attack": settings["attack"], **_list_options(settings)}

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the adversarial images of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          OSError, ValueError: as the attack, and for a photograph that is gone.
        """
        shard, key = order.shard, jax.random.key(order.seed)
        method = find_attack(shard.settings["attack"])
        photos = subject.read(shard.sources, shard.size)
        given = _list_options(shard.settings) | {"chunk": order.chunk}
        runs = [
            method(
                subject.net,
                subject.opened.params,
                photos,
                key=jax.random.fold_in(key, seed) if seed else key,
                **given,
            )
            for seed in range(order.seeds)
        ]
        return join_seeds([take_run(run) for run in runs])


def _list_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Lists what an attack is called with: its own where the settings say None."""
    name = str(settings["attack"]).replace("-", "_")
    if name not in NAMES:
        raise ValueError(f"attack={name!r} cannot be swept: choose one of {', '.join(NAMES)}")
    known = inspect.signature(find_attack(name)).parameters
    norm, radius = choose_norm(name, settings["norm"]), settings["epsilon"]
    found = {"norm": norm, "epsilon": choose_radius(name, norm) if radius is None else radius}
    if settings["steps"] is not None and "steps" not in known:
        raise ValueError(f"{name} has no steps: leave them out")
    if "steps" in known:
        found["steps"] = settings["steps"] or known["steps"].default
    return found
