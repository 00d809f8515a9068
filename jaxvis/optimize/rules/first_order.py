"""The first-order optimizers of the recipes, as rules of one learning rate."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxvis.optimize.rules.rule import Rule


def adam(learning_rate: float, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Rule:
    """Gives Adam (Kingma & Ba 2015).

    Args:
      learning_rate: in units of z per step.
      b1, b2: decay of the first and second moment.
      eps: added to the root of the second moment.

    >>> import jaxvis
    >>> jaxvis.optimizers.adam(0.05)
    Rule(adam, 0.05, b1=0.9, b2=0.999, eps=1e-08)
    """
    return Rule(optax.adam, learning_rate, (("b1", b1), ("b2", b2), ("eps", eps)))


def nadam(learning_rate: float) -> Rule:
    """Gives Adam with Nesterov momentum (Dozat 2016).

    Args:
      learning_rate: in units of z per step.

    >>> import jaxvis
    >>> jaxvis.optimizers.nadam(0.05)
    Rule(adam, 0.05, nesterov=True)
    """
    return Rule(optax.nadam, learning_rate)


def sgd(learning_rate: float, *, momentum: float = 0.0) -> Rule:
    """Gives gradient descent.

    Args:
      learning_rate: in units of z per unit of gradient.
      momentum: heavy ball; 0 has none.

    >>> import jaxvis
    >>> jaxvis.optimizers.sgd(0.1, momentum=0.9)
    Rule(sgd, 0.1, momentum=0.9)
    """
    return Rule(optax.sgd, learning_rate, (("momentum", momentum or None),))


def adamax(learning_rate: float) -> Rule:
    """Gives AdaMax (Kingma & Ba 2015, Algorithm 2).

    Args:
      learning_rate: largest change of a value in a step, in units of z.

    >>> import jaxvis
    >>> jaxvis.optimizers.adamax(0.002)
    Rule(adamax, 0.002)
    """
    return Rule(optax.adamax, learning_rate)


def nesterov(learning_rate: float, *, momentum: float = 0.9) -> Rule:
    """Gives gradient descent with Nesterov momentum.

    Args:
      learning_rate: in units of z per unit of gradient.
      momentum: share of the last step that is kept.

    >>> import jaxvis
    >>> jaxvis.optimizers.nesterov(0.1)
    Rule(sgd, 0.1, momentum=0.9, nesterov=True)
    """
    return Rule(optax.sgd, learning_rate, (("momentum", momentum), ("nesterov", True)))


def normalized_sgd(learning_rate: float) -> Rule:
    """Gives descent by learning_rate * g / mean |g|, as DeepDream steps.

    Args:
      learning_rate: mean change of a step, in units of z.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> rule = jaxvis.optimizers.normalized_sgd(0.5).transformation()
    >>> rule.update(jnp.array([1.0, -3.0]), rule.init(jnp.zeros(2)))[0].tolist()
    [-0.25, 0.75]
    """
    return Rule(_build_normalized_sgd, learning_rate)


def lecture_sgd(learning_rate: float, *, momentum: float = 0.9, small: float = 0.0) -> Rule:
    """Gives gradient descent that sets small gradients to zero first.

    Args:
      learning_rate: units of z per unit of gradient.
      momentum: heavy ball.
      small: pixels whose gradient's RGB norm is below this fraction of the mean norm
        get none.

    Source: Lecture 21, 21.7 (gradient masking).

    >>> import jaxvis
    >>> dict(jaxvis.optimizers.lecture_sgd(1.0, small=0.2).options)
    {'momentum': 0.9, 'small': 0.2}
    """
    return Rule(_build_lecture_sgd, learning_rate, (("momentum", momentum), ("small", small)))


def _build_normalized_sgd(learning_rate: Any) -> optax.GradientTransformation:
    def update(grads: Any, state: Any, z: Any = None) -> tuple[Any, Any]:
        del z
        return jax.tree.map(
            lambda g: -learning_rate * g / (jnp.mean(jnp.abs(g)) + 1e-12), grads
        ), state

    return optax.GradientTransformation(lambda z: optax.EmptyState(), update)


def _build_lecture_sgd(
    learning_rate: Any, *, momentum: float, small: float
) -> optax.GradientTransformation:
    def mask(grads: Any, state: Any, z: Any = None) -> tuple[Any, Any]:
        del z
        norm = jnp.linalg.norm(grads, axis=-1, keepdims=True)
        return jnp.where(norm < small * jnp.mean(norm), 0.0, grads), state

    masking = optax.GradientTransformation(lambda z: optax.EmptyState(), mask)
    return optax.chain(masking, optax.sgd(learning_rate, momentum=momentum))
