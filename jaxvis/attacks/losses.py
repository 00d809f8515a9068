"""What an attack makes as large as it can, of the class scores of one image.

Every loss is `(scores [K], label [], target []) -> []`. A target below 0 stands for none:
then the loss grows as the label loses. Otherwise it grows as the target wins. So a targeted
and an untargeted attack climb alike.
"""

from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from jaxvis.types import Array

AttackLoss = Callable[[Array, Array, Array], Array]
"""`(scores [K], label [], target []) -> []`, which an attack makes as large as it can."""
LossName = Literal["cross_entropy", "margin", "dlr"]
"""The losses that have names."""


def leave_out(scores: Array, index: Array) -> Array:
    """Returns scores `[K]` in which one class never is the largest: its score is -infinity.

    Args:
      scores: of the classes.
      index: `[]`, the class that is left out.
    """
    return jnp.where(jnp.arange(scores.size) == index, -jnp.inf, scores)


def is_fooled(scores: Array, label: Array, target: Array) -> Array:
    """Says whether scores `[K]` are what an attack wants, `[]` bool.

    Args:
      scores: of the classes; scores that are not finite fool nobody.
      label: the true class.
      target: the class that is wanted; below 0 any but the label.
    """
    best = jnp.argmax(scores)
    wanted = jnp.where(target < 0, best != label, best == target)
    return wanted & jnp.all(jnp.isfinite(scores))


def cross_entropy(scores: Array, label: Array, target: Array) -> Array:
    """Computes -log p(label), or log p(target).

    It is log(1 + exp(m)), m = log(sum over the others of exp z_i) - z_label: of a
    network that is sure of the label, -log p rounds to 0 with its gradient, and this does not.

    Args:
      scores: z `[K]` before softmax; of one class alone it is 0.
      label, target: see `is_fooled`.
    """
    if scores.size == 1:
        return 0.0 * scores[0]
    mine = jnp.where(target < 0, label, target)
    others = leave_out(scores, mine)
    found = jax.nn.softplus(jax.nn.logsumexp(others) - scores[mine])
    return jnp.where(target < 0, found, -found)


def margin(scores: Array, label: Array, target: Array) -> Array:
    """Computes by how much the best class that is wanted beats the best of the others.

    Untargeted: max over i other than the label of z_i, minus z_label. Targeted: z_target
    minus the max over i other than the target. It is above 0 where the attack has
    succeeded; 0 for a network of one class.

    Args:
      scores: z `[K]` before softmax.
      label, target: see `is_fooled`.

    Source: Carlini & Wagner (2017), f_6.
    """
    mine = jnp.where(target < 0, label, target)
    others = leave_out(scores, mine)
    gap = jnp.max(others) - scores[mine]
    return jnp.where(scores.size > 1, jnp.where(target < 0, gap, -gap), 0.0)


def dlr(scores: Array, label: Array, target: Array) -> Array:
    """Computes the difference of logits ratio, which no scale of the scores changes.

    Untargeted: -(z_label - max over the others) / (z_1 - z_3), z_1 >= z_2 >= ... sorted.
    Targeted: -(z_label - z_target) / (z_1 - (z_3 + z_4) / 2). Of fewer classes than it
    needs the last one stands in.

    Args:
      scores: z `[K]` before softmax.
      label, target: see `is_fooled`.

    Source: Croce & Hein (ICML 2020), equations 6 and 7.
    """
    ordered = -jnp.sort(-scores)
    first, third, fourth = (ordered[min(i, scores.size - 1)] for i in (0, 2, 3))
    untargeted = margin(scores, label, jnp.int32(-1)) / (first - third + 1e-12)
    wanted = scores[jnp.maximum(target, 0)]
    targeted = (wanted - scores[label]) / (first - (third + fourth) / 2 + 1e-12)
    return jnp.where(target < 0, untargeted, targeted)


_NAMED: dict[str, AttackLoss] = {
    "cross_entropy": cross_entropy,
    "margin": margin,
    "dlr": dlr,
}


def choose_loss(loss: LossName | AttackLoss) -> AttackLoss:
    """Finds a loss by name; a function stays what it is.

    Args:
      loss: its name, or a function of one's own.

    Raises:
      ValueError: for an unknown name.
    """
    if callable(loss):
        return loss
    if loss not in _NAMED:
        raise ValueError(f"loss={loss!r} is not known: choose {', '.join(get_args(LossName))}")
    return _NAMED[loss]
