"""How items end: a dead unit is told from one that is done, converged or stalled."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import FunctionLoss, Grey, conv_net

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Excite
from jaxvis.loss.priors import L2
from jaxvis.loss.views import Roll
from jaxvis.optimize import Problem, lbfgs, solve
from jaxvis.optimize.rules import adam, sgd
from jaxvis.types import Status

SIDE, DEAD, ALIVE, OTHER = 8, 3, 1, 6
"""The sides of pictures, and channels of relu2: one that never responds, two that do."""
PRIORS = (Weighted("l2", 1e-3, L2()),)


@functools.cache
def net_with_dead_unit():
    net, params = conv_net(SIDE)
    bias = params["conv2"]["bias"].at[DEAD].set(-1e3)
    return net, {**params, "conv2": {**params["conv2"], "bias": bias}}


def solve_pair(optimizer, priors, channels, *, start=None):
    """Solves two channels together from the same noise."""
    net, params = net_with_dead_unit()
    canvas = Pixels((SIDE, SIDE), noise=0.1)
    loss = compose(net, canvas, view=Roll(2), priors=priors)
    items = jax.vmap(lambda i: Excite("relu2", i))(jnp.array(channels))
    problem = Problem(loss, canvas, optimizer, 6)
    return solve(problem, params, items, jax.random.key(0), chunk=2, start=start)


OPTIMIZERS = {"adam": adam(0.02), "lbfgs": lbfgs(memory=3)}


@pytest.mark.slow
@pytest.mark.parametrize("priors", [(), PRIORS], ids=["alone", "with_priors"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_dead_unit_is_dead_and_its_neighbour_untouched(optimizer, priors):
    run = solve_pair(OPTIMIZERS[optimizer], priors, [ALIVE, DEAD])
    np.testing.assert_array_equal(run.status, [Status.DONE, Status.DEAD])
    assert np.all(run.trace["objective"][1] == 0)
    assert np.isfinite(run.image).all()
    # With priors a gradient reached the canvas all the same, and the loss fell.
    assert (np.ptp(run.trace["loss"][1]) > 0) == bool(priors)
    both = solve_pair(OPTIMIZERS[optimizer], priors, [ALIVE, OTHER])
    np.testing.assert_array_equal(both.status, Status.DONE)
    chex.assert_trees_all_equal(*(jax.tree.map(lambda leaf: leaf[0], one) for one in (run, both)))


def test_a_unit_that_comes_to_life_is_not_dead(key):
    """The objective is flat where the item starts, and the prior leads out of there."""

    def flat_below_zero(params, z, item, key):
        objective = -jnp.sum(jnp.maximum(z, 0.0)) * item
        prior = jnp.sum((z - 1) ** 2)
        return objective + prior, {"objective": objective, "prior": prior}

    problem = Problem(FunctionLoss(flat_below_zero), Grey((1, 1)), adam(0.5), 6)
    start = np.full((2, 1, 1, 3), -1.0, np.float32)
    run = solve(problem, 1.0, np.float32([1, 0]), key, start=start)
    np.testing.assert_array_equal(run.trace["objective"][:, 0], 0.0)
    np.testing.assert_array_equal(run.status, [Status.DONE, Status.DEAD])


def test_one_step_that_had_a_gradient_is_no_reason_to_call_an_item_dead(key):
    def square(params, z, item, key):
        return jnp.sum((z - item) ** 2), {}

    problem = Problem(FunctionLoss(square), Grey((1, 1)), sgd(0.1), 1)
    run = solve(problem, 1.0, np.float32([1, 2]), key)
    np.testing.assert_array_equal(run.status, Status.DONE)


@pytest.mark.parametrize(("rate", "status"), [(0.1, Status.DONE), (0.0, Status.DEAD)])
def test_an_objective_that_never_moves_is_dead(rate, status, key):
    def square(params, z, item, key):
        value = jnp.sum((z - item) ** 2)
        return value, {"objective": value}

    problem = Problem(FunctionLoss(square), Grey((1, 1)), sgd(rate), 4)
    np.testing.assert_array_equal(solve(problem, 1.0, np.float32([1, 2]), key).status, status)


def search(params, z, item, key):
    """Item 0 has a slope that lies, item 1 a bowl, item 2 no slope; all have a prior."""
    lie = jnp.sum(z) - jax.lax.stop_gradient(jnp.sum(z))
    lie += jnp.sum(jnp.abs(jax.lax.stop_gradient(z)))
    objective = jnp.where(item == 1, jnp.sum((z - 1) ** 2), jnp.where(item == 0, lie, 7.0))
    prior = jnp.where(item == 0, 0.0, 0.1 * jnp.sum((z - 2) ** 2))
    return objective + prior, {"objective": objective, "prior": prior}


@pytest.mark.slow
def test_a_search_that_stalls_or_converges_is_not_dead(key):
    problem = Problem(FunctionLoss(search), Grey((1, 1)), lbfgs(memory=3, gtol=1e-3), 40)
    start = np.zeros((3, 1, 1, 3), np.float32)
    run = solve(problem, 1.0, np.float32([0, 1, 2]), key, start=start)
    np.testing.assert_array_equal(run.status, [Status.STALLED, Status.CONVERGED, Status.DEAD])
    # The first found no better point, so neither its loss nor its objective has moved.
    assert np.ptp(run.trace["loss"][0]) == np.ptp(run.trace["objective"][0]) == 0
    np.testing.assert_allclose(run.z[1], 1.2 / 1.1, rtol=1e-3)
    np.testing.assert_allclose(run.z[2], 2.0, atol=1e-2)
