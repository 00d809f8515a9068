"""Algorithm 1 of the natural pre-images paper: its updates and its learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import photograph, relu_net

from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Match
from jaxvis.loss.priors import BoundedRange, TotalVariation
from jaxvis.optimize import Ball, Problem, solve
from jaxvis.optimize.rules import learning_rate, preimage_sgd, transformation_of
from jaxvis.recipes.natural import Natural

SIDE = 32


def test_updates_equal_a_plain_loop():
    eta, rho, radius = 3.0, 0.8, 1.5
    ball, optimizer = Ball(radius), transformation_of(preimage_sgd(eta, rho=rho))
    matrix = np.random.default_rng(0).normal(size=(3, 3))
    start = np.random.default_rng(1).normal(size=(4, 5, 3))

    x, squares, momentum = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for _ in range(12):
        g = x @ matrix
        squares = rho * squares + g**2
        momentum = rho * momentum - g / (1 / eta + np.sqrt(squares))
        x = x + momentum
        length = np.linalg.norm(x, axis=-1, keepdims=True)
        x = np.where(length > radius, x * radius / length, x)

    z = jnp.asarray(start, jnp.float32)
    state = optimizer.init(z)
    for _ in range(12):
        update, state = optimizer.update(z @ jnp.float32(matrix), state, z)
        z = ball(z + update)
    np.testing.assert_allclose(z, x, atol=1e-4)
    np.testing.assert_allclose(state.squares, squares, rtol=1e-3, atol=1e-5)


def test_first_step_is_bounded_by_one_and_by_eta():
    z = jnp.zeros((1, 1, 3))
    gradient = jnp.array([[[1e6, 1e-3, 0.0]]])
    optimizer = transformation_of(preimage_sgd(10.0))
    update, _ = optimizer.update(gradient, optimizer.init(z))
    # g / (1 / eta + |g|): a unit for large gradients, eta g for small ones.
    np.testing.assert_allclose(update[0, 0], [-1, -1e-2 / 1.01, 0], rtol=1e-4)


def test_learning_rate_counts_the_pixels():
    assert learning_rate((227, 227)) == pytest.approx(0.05 * 6400 / 6 * 227**2)
    assert learning_rate((10, 20)) == 2 * learning_rate((10, 10))
    assert learning_rate((1, 1), bound=40.0, alpha=2.0) == pytest.approx(40.0)


def test_only_the_learning_rate_may_change_without_compiling_again():
    structure = jax.tree.structure
    assert preimage_sgd(5.0) == preimage_sgd(5.0)
    assert structure(preimage_sgd(5.0)) == structure(preimage_sgd(7.0))
    assert structure(preimage_sgd(5.0)) != structure(preimage_sgd(5.0, rho=0.5))


def _relative_errors(eta):
    """Gives |Phi - Phi0| / |Phi0| over 300 steps of inverting three convolutions."""
    net, params = relu_net(SIDE)
    canvas = Natural().canvas((SIDE, SIDE))
    priors = (
        Weighted("range", 1.0, BoundedRange()),
        Weighted("variation", 1.0, TotalVariation()),
    )
    problem = Problem(
        compose(net, canvas, priors=priors),
        canvas,
        preimage_sgd(eta),
        300,
        projection=Ball(160.0),
    )
    code = net.code(params, photograph(SIDE), "relu3")
    item = 100.0 * Match("relu3", code)
    items = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], item)
    run = solve(problem, params, items, jax.random.key(0))
    return np.sqrt(run.trace["objective"][0] / 100)


@pytest.mark.slow
def test_printed_learning_rate_never_halves_the_error_and_ours_soon_does():
    printed = _relative_errors(0.01 * 80**2 / 6)
    assert printed.min() > 0.6 * printed[0]
    ours = _relative_errors(learning_rate((SIDE, SIDE)))
    assert ours[0] == pytest.approx(printed[0], rel=1e-3)
    assert ours[100] < 0.5 * ours[0]
    assert ours[-1] < 0.35 * ours[0]
