"""Clipped descent, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.methods.style.clipped import clipped_sgd


def _moves(optimizer, grads, z):
    """Returns the updates of several steps, z held where it is."""
    state, found = optimizer.init(z), []
    for grad in grads:
        move, state = optimizer.update(grad, state, z)
        found.append(np.asarray(move))
    return np.stack(found)


def test_two_updates_agree_with_the_equation():
    z, grad = jnp.array([2.0, -4.0]), jnp.array([3.0, -50.0])
    found = _moves(clipped_sgd(decay=0.5), [grad, grad], z)
    first = -0.1 * (np.array([3.0, -10.0]) + 0.5 * np.asarray(z))
    np.testing.assert_allclose(found, [first, 1.9 * first], rtol=1e-6)


def test_the_rate_falls_every_ten_updates():
    options = {"momentum": 0.0, "decay": 0.0}
    found = _moves(clipped_sgd(**options), [jnp.ones(1)] * 21, jnp.zeros(1))
    np.testing.assert_allclose(found[[0, 9, 10, 20], 0], [-0.1, -0.1, -0.09, -0.081])


@pytest.mark.parametrize(("size", "expected"), [(0.01, 30.0), (30.0, 30.0), (90.0, 90)])
def test_a_small_first_gradient_is_raised_and_later_ones_with_it(size, expected):
    options = {"learning_rate": 1.0, "momentum": 0.0, "decay": 0.0, "clip": 1e9}
    grads = [jnp.full((2, 3), size), jnp.full((2, 3), size / 2)]
    found = _moves(clipped_sgd(**options, least=30.0), grads, jnp.zeros((2, 3)))
    np.testing.assert_allclose(found[0], -expected, rtol=1e-6)
    np.testing.assert_allclose(found[1], -expected / 2, rtol=1e-6)


def test_a_first_gradient_of_zero_moves_nothing():
    options = {"learning_rate": 1.0, "momentum": 0.0, "decay": 0.0}
    grads = [jnp.zeros(2), jnp.ones(2)]
    found = _moves(clipped_sgd(**options, least=30.0), grads, jnp.zeros(2))
    np.testing.assert_allclose(found, [[0, 0], [-1, -1]])
