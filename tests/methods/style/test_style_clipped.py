"""Clipped gradient descent against its equation, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.methods.style.clipped import clipped_sgd


def take_steps(rule, grads, z):
    """Returns the updates of several steps, z held where it is."""
    optimizer = rule.transformation()
    state, found = optimizer.init(z), []
    for grad in grads:
        move, state = optimizer.update(grad, state, z)
        found.append(np.asarray(move))
    return np.stack(found)


def test_two_updates_agree_with_the_equation():
    z, grad = jnp.array([2.0, -4.0]), jnp.array([3.0, -50.0])
    found = take_steps(clipped_sgd(decay=0.5), [grad, grad], z)
    first = -0.1 * (np.array([3.0, -10.0]) + 0.5 * np.asarray(z))
    np.testing.assert_allclose(found, [first, 1.9 * first], rtol=1e-6)


def test_the_rate_falls_every_ten_updates():
    options = {"momentum": 0.0, "decay": 0.0}
    found = take_steps(clipped_sgd(**options), [jnp.ones(1)] * 21, jnp.zeros(1))
    np.testing.assert_allclose(found[[0, 9, 10, 20], 0], [-0.1, -0.1, -0.09, -0.081], rtol=1e-6)


@pytest.mark.parametrize(("size", "expected"), [(0.01, 30.0), (30.0, 30.0), (90.0, 90)])
def test_a_small_first_gradient_is_scaled_up_and_later_ones_with_it(size, expected):
    options = {"momentum": 0.0, "decay": 0.0, "clip": 1e9}
    grads = [jnp.full((2, 3), size), jnp.full((2, 3), size / 2)]
    found = take_steps(
        clipped_sgd(learning_rate=1.0, **options, least=30.0), grads, jnp.zeros((2, 3))
    )
    np.testing.assert_allclose(found[0], -expected, rtol=1e-6)
    np.testing.assert_allclose(found[1], -expected / 2, rtol=1e-6)


def test_a_first_gradient_of_zero_moves_nothing():
    grads = [jnp.zeros(2), jnp.ones(2)]
    rule = clipped_sgd(learning_rate=1.0, momentum=0.0, decay=0.0, least=30.0)
    np.testing.assert_allclose(take_steps(rule, grads, jnp.zeros(2)), [[0, 0], [-1, -1]])


def test_the_learning_rate_is_not_compiled_in():
    one, other = (jax.tree.flatten(clipped_sgd(learning_rate=rate)) for rate in (0.1, 0.2))
    assert one[0] == [0.1] and other[0] == [0.2] and one[1] == other[1]
