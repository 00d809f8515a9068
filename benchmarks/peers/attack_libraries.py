"""Attacks of other libraries, where they are installed: ART's Carlini-Wagner, foolbox' HopSkipJump.

They are imported inside functions, so that everything else runs where they are missing.
"""

import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.machine import package_version

if TYPE_CHECKING:
    import torch

ART, FOOLBOX = "adversarial-robustness-toolbox", "foolbox"
"""What the packages are called."""


def why_absent(package: str) -> str | None:
    """Tells why there is no peer, or returns None where there is one.

    Args:
      package: its name.
    """
    return None if package_version(package) else f"{package} is not installed"


def make_carlini_wagner(
    module: "torch.nn.Module", images: np.ndarray, classes: int, *, steps: int, runs: int
) -> Callable[[], np.ndarray]:
    """Makes a call that attacks images with ART's CarliniL2Method in one batch.

    Args:
      module: images `[N, C, H, W]` -> scores `[N, K]`.
      images: `[N, H, W, C]` in [0, 1].
      classes: K.
      steps: of a run.
      runs: with a constant each.

    Returns:
      A call that gives the pictures `[N, H, W, C]`.
    """
    import torch
    from art.attacks.evasion import CarliniL2Method
    from art.estimators.classification import PyTorchClassifier

    given = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    classifier = PyTorchClassifier(
        module,
        torch.nn.CrossEntropyLoss(),
        input_shape=given.shape[1:],
        nb_classes=classes,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    attack = CarliniL2Method(
        classifier,
        max_iter=steps,
        binary_search_steps=runs,
        batch_size=len(images),
        verbose=False,
    )
    return lambda: attack.generate(given).transpose(0, 2, 3, 1)


def make_hop_skip_jump(
    score: Callable[[Any], Any],
    images: np.ndarray,
    labels: np.ndarray,
    starts: np.ndarray,
    *,
    steps: int,
) -> Callable[[], np.ndarray]:
    """Makes a call that attacks images with foolbox' HopSkipJump on its JAXModel.

    Args:
      score: JAX images `[N, H, W, C]` -> scores `[N, K]`.
      images: `[N, H, W, C]` in [0, 1].
      labels: `[N]`, the true classes.
      starts: pictures that fool the network, one each.
      steps: how many jumps there are.

    Returns:
      A call that gives the pictures `[N, H, W, C]`.
    """
    import jax.numpy as jnp

    _do_without_git()
    import foolbox

    model = foolbox.JAXModel(score, bounds=(0, 1))
    attack = foolbox.attacks.HopSkipJumpAttack(steps=steps)
    wrong = foolbox.criteria.Misclassification(jnp.asarray(labels))
    given, begun = jnp.asarray(images), jnp.asarray(starts)
    return lambda: np.asarray(attack.run(model, given, wrong, starting_points=begun))


def _do_without_git() -> None:
    """Gives foolbox something that it imports and needs for its collection of models alone."""
    if "git" not in sys.modules and not package_version("GitPython"):
        git, errors = types.ModuleType("git"), types.ModuleType("git.exc")
        vars(errors)["GitCommandError"] = OSError
        vars(git).update(Repo=None, exc=errors)
        sys.modules |= {"git": git, "git.exc": errors}
