"""The optimizers of the recipes: optax's, made once per setting.

Rebuilding an optax transformation makes new closures, which would compile again; these
return the same object for the same arguments.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import optax


@lru_cache(maxsize=64)
def adam(
    learning_rate: float, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Returns Adam (Kingma & Ba 2015).

    Args:
      learning_rate: in units of z per step.
      b1, b2: decay of the first and second moment.
      eps: added to the root of the second moment.
    """
    return optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)


@lru_cache(maxsize=64)
def nadam(learning_rate: float) -> optax.GradientTransformation:
    """Returns Adam with Nesterov momentum (Dozat 2016).

    Args:
      learning_rate: in units of z per step.
    """
    return optax.nadam(learning_rate)


@lru_cache(maxsize=64)
def sgd(learning_rate: float, *, momentum: float = 0.0) -> optax.GradientTransformation:
    """Returns gradient descent.

    Args:
      learning_rate: in units of z per unit of gradient.
      momentum: heavy ball; 0 has none.
    """
    return optax.sgd(learning_rate, momentum=momentum or None)


@lru_cache(maxsize=64)
def adamax(learning_rate: float) -> optax.GradientTransformation:
    """Returns AdaMax (Kingma & Ba 2015, Algorithm 2).

    Args:
      learning_rate: largest change of a value in a step, in units of z.
    """
    return optax.adamax(learning_rate)


@lru_cache(maxsize=64)
def nesterov(learning_rate: float, *, momentum: float = 0.9) -> optax.GradientTransformation:
    """Returns gradient descent with Nesterov momentum.

    Args:
      learning_rate: in units of z per unit of gradient.
      momentum: share of the last step that is kept.
    """
    return optax.sgd(learning_rate, momentum=momentum, nesterov=True)


@lru_cache(maxsize=64)
def normalized_sgd(learning_rate: float) -> optax.GradientTransformation:
    """Returns descent by learning_rate * g / mean |g|, as DeepDream steps.

    Args:
      learning_rate: mean change of a step, in units of z.
    """

    def update(grads, state, z=None):
        del z
        return jax.tree.map(
            lambda g: -learning_rate * g / (jnp.mean(jnp.abs(g)) + 1e-12), grads
        ), state

    return optax.GradientTransformation(lambda z: optax.EmptyState(), update)


@lru_cache(maxsize=64)
def lecture_sgd(
    learning_rate: float, *, momentum: float = 0.9, small: float = 0.0
) -> optax.GradientTransformation:
    """Returns gradient descent that sets small gradients to zero first.

    Args:
      learning_rate: units of z per unit of gradient.
      momentum: heavy ball.
      small: pixels whose gradient's RGB norm is below this fraction of the mean norm
        get none.

    Source: Lecture 21, 21.7 (gradient masking).
    """

    def mask(grads, state, z=None):
        del z
        norm = jnp.linalg.norm(grads, axis=-1, keepdims=True)
        return jnp.where(norm < small * jnp.mean(norm), 0.0, grads), state

    masking = optax.GradientTransformation(lambda z: optax.EmptyState(), mask)
    return optax.chain(masking, optax.sgd(learning_rate, momentum=momentum))
