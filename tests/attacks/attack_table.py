"""Every attack as the tests call it, one row an attack."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxvis import attacks

EPSILONS = {
    "linf": [0.0, 0.02, 0.4],
    "l2": [0.0, 0.1, 2.5],
    "l1": [0.0, 0.5, 15.0],
    "l0": [0.0, 1.0, 16.0],
}
"""No change, too little for most images, and more than enough."""


class Case(NamedTuple):
    """An attack as the tests call it.

    Attributes:
      call: its head.
      norms: those that it is tested in.
      options: of the call, such as fewer steps than usual.
      smallest: whether one search serves all epsilons.
      targeted: whether it takes targets.
      sure: whether it fools this network where the ball is large.
      slow: whether only the slow tests run it: its programs take long to compile, and other
        tests that are fast know it.
      slack: how much more than the least perturbation of a linear network it may need.
    """

    call: Callable
    norms: tuple[str, ...]
    options: Mapping[str, Any] = {}
    smallest: bool = False
    targeted: bool = True
    sure: bool = True
    slow: bool = False
    slack: float = 0.02


CASES = {
    "fgsm": Case(attacks.fgsm, ("linf", "l2"), slow=True),
    "bim": Case(attacks.bim, ("linf", "l2"), {"steps": 5}, slow=True),
    "mi_fgsm": Case(attacks.mi_fgsm, ("linf", "l2"), {"steps": 5}, slow=True),
    "pgd": Case(attacks.pgd, ("linf", "l2", "l1", "l0"), {"steps": 20}),
    "apgd": Case(attacks.apgd, ("linf", "l2"), {"steps": 10}, slow=True),
    "apgd_t": Case(attacks.apgd_t, ("linf", "l2"), {"steps": 10}, targeted=False, slow=True),
    "square": Case(attacks.square, ("linf", "l2"), {"steps": 200}, slow=True, slack=5.0),
    "fab": Case(attacks.fab, ("linf", "l2", "l1"), {"steps": 5}, smallest=True, slow=True),
    "fab_t": Case(
        attacks.fab_t, ("linf", "l2"), {"steps": 5}, smallest=True, targeted=False, slow=True
    ),
    "penalty": Case(
        attacks.penalty, ("linf", "l2", "l1"), {"penalty": 0.5, "steps": 10}, sure=False, slow=True
    ),
    # Noise is never of some classes here, so that targets want starts.
    "hop_skip_jump": Case(
        attacks.hop_skip_jump,
        ("l2", "linf"),
        {"steps": 3, "batch": 16},
        smallest=True,
        targeted=False,
        slack=0.5,
    ),
    "boundary": Case(
        attacks.boundary,
        ("l2",),
        {"steps": 60, "batch": 16},
        smallest=True,
        targeted=False,
        slack=0.5,
    ),
    "spsa": Case(attacks.spsa, ("linf", "l2"), {"steps": 20, "pairs": 32}, slow=True, slack=1.0),
    "carlini_wagner": Case(
        attacks.carlini_wagner,
        ("l2", "linf"),
        {"steps": 10, "runs": 6, "constant": 1.0, "step_size": 0.1},
        smallest=True,
        slow=True,
        slack=1.5,
    ),
    "deepfool": Case(attacks.deepfool, ("l2", "linf"), {"steps": 10}, smallest=True, slack=0.03),
    "elastic_net": Case(
        attacks.elastic_net,
        ("l1",),
        {"steps": 10, "runs": 4, "constant": 1.0},
        smallest=True,
        slow=True,
        slack=2.0,
    ),
    "ddn": Case(attacks.ddn, ("l2",), {"steps": 20}, smallest=True, slack=0.8),
    "fmn": Case(attacks.fmn, ("l2", "linf", "l1", "l0"), {"steps": 20}, smallest=True),
    "jsma": Case(attacks.jsma, ("l0",), {"steps": 20}, smallest=True, sure=False, slow=True),
    "autoattack": Case(attacks.autoattack, ("linf",), {"budget": 0.03}, targeted=False, slow=True),
}
"""Attacks by name."""
