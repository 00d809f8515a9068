"""Batched L-BFGS against SciPy's, and what holds for every item alone."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lbfgs_problems import (
    TIGHT,
    ZEROS,
    Vector,
    check_against_scipy,
    draw_quadratics,
    draw_starts,
    quadratic,
    rosenbrock,
    solve_by_ours,
    solve_by_scipy,
)
from tiny_nets import FunctionLoss, Grey, relu_net

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Match
from jaxvis.optimize import Box, Problem, lbfgs, solve
from jaxvis.types import Status

SIDE = 12


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 10])
def test_rosenbrock_takes_scipys_evaluations(size):
    starts = draw_starts(size, 16, size)
    run = solve_by_ours(rosenbrock, ZEROS[:16], starts, steps=300, **TIGHT)
    theirs = [solve_by_scipy(rosenbrock, 0.0, start) for start in starts]
    check_against_scipy(run, theirs, slack=1e-5)


def test_quadratics_take_scipys_evaluations():
    items = draw_quadratics(10, 30, 100.0)
    starts = np.zeros((10, 30), np.float32)
    run = solve_by_ours(quadratic, items, starts, steps=300, **TIGHT)
    theirs = [solve_by_scipy(quadratic, item, starts[0]) for item in zip(*items)]
    check_against_scipy(run, theirs, slack=1e-4)
    best = [np.linalg.solve(matrix, vector) for matrix, vector in zip(*items)]
    np.testing.assert_allclose(run.z, best, atol=5e-3)


def inversion(count):
    """Returns the loss, codes and starts of inverting three convolutions."""
    net, params = relu_net(SIDE, depth=2, width=4)
    canvas = Pixels((SIDE, SIDE), noise=0.1)
    images = jax.random.uniform(jax.random.key(1), (count, SIDE, SIDE, 3))
    codes = jax.vmap(lambda image: net.apply(params, image, stop="relu2")["relu2"])
    items = jax.vmap(lambda code: Match("relu2", code))(codes(images))
    return compose(net, canvas), canvas, params, items


@pytest.mark.slow
def test_inverting_convolutions_takes_scipys_evaluations(key):
    loss, canvas, params, items = inversion(6)
    starts = jax.vmap(canvas.init)(jax.random.split(key, 6))
    problem = Problem(loss, canvas, lbfgs(ftol=1e-4), 300)
    run = solve(problem, params, items, key, start=starts, chunk=6)

    theirs = [
        solve_by_scipy(
            loss,
            jax.tree.map(lambda leaf, i=i: leaf[i], items),
            np.asarray(starts[i], np.float64),
            params,
            ftol=1e-4,
            gtol=0.0,
        )
        for i in range(6)
    ]
    check_against_scipy(run, theirs, slack=2e-4)


def test_the_trace_never_rises_and_ends_at_what_is_returned():
    starts = draw_starts(3)
    run = solve_by_ours(rosenbrock, ZEROS[:8], starts)
    losses = run.trace["loss"]
    assert losses.shape == (8, 80)
    assert np.all(np.diff(losses, axis=1) <= 0)
    value = jax.jit(jax.vmap(lambda z: rosenbrock(1.0, z, 0.0, None)[0]))
    np.testing.assert_allclose(losses[:, -1], value(run.z), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(losses[:, 0], value(starts), rtol=1e-5)
    running = run.status == Status.DONE
    assert np.all(run.facts["evaluations"][running] == 80)
    assert np.all(run.facts["evaluations"] <= 80)
    assert running.any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), spread=st.floats(0.1, 20.0))
def test_accepted_steps_meet_wolfes_conditions(seed, spread):
    """Steps one item by hand, through optax's own interface."""
    optimizer = lbfgs()
    z = jnp.asarray(spread * np.random.default_rng(seed).normal(size=6), jnp.float32)
    state, previous = optimizer.init(z), None
    for _ in range(25):
        value, grad = _wavy(z)
        before = state
        step, state = _updated(grad, state, z, value)
        if bool(state.accepted):
            np.testing.assert_array_equal(state.solution, z)
            if previous is not None:
                moved = np.asarray(z - before.solution, np.float64)
                slope, was = moved @ np.asarray(grad), moved @ previous[1]
                noise = 1e-5 * (abs(previous[0]) + 1e-3)
                assert value <= previous[0] + 1e-4 * was + noise
                # A bracket that is narrow enough ends a search without curvature.
                trials = int(before.search.trials)
                assert trials > 2 or abs(slope) <= 0.9 * abs(was) + noise
            previous = float(value), np.asarray(grad, np.float64)
        z = z + step


@jax.jit
def _wavy(z):
    def loss(z):
        return jnp.sum(jnp.cosh(z / 4) + jnp.sin(3 * z) / 5) + z[0] * z[1] / 9

    return jax.value_and_grad(loss)(z)


@jax.jit
def _updated(grad, state, z, value):
    return lbfgs().update(grad, state, z, value=value)


def test_an_item_alone_is_the_item_in_the_batch():
    starts = draw_starts(3)
    whole = solve_by_ours(rosenbrock, ZEROS[:8], starts)
    alone = solve_by_ours(rosenbrock, ZEROS[:8], starts, chunk=1)
    # Rounding differs with the batch's size and grows along the valley.
    np.testing.assert_allclose(alone.trace["loss"][:, :20], whole.trace["loss"][:, :20], rtol=1e-3)
    last = [run.trace["loss"][:, -1] for run in (alone, whole)]
    assert np.all(np.abs(np.subtract(*last)) < 0.05 * whole.trace["loss"][:, 20])


def test_a_bad_item_fails_alone_and_at_once():
    starts, bad = draw_starts(3), ZEROS[:8].copy()
    bad[1] = np.nan
    good = solve_by_ours(rosenbrock, ZEROS[:8], starts)
    run = solve_by_ours(rosenbrock, bad, starts)
    assert run.status[1] == Status.FAILED
    assert run.facts["evaluations"][1] == 1
    np.testing.assert_array_equal(run.z[1], starts[1])
    assert np.isnan(run.trace["loss"][1]).all()
    others = np.arange(8) != 1
    np.testing.assert_array_equal(run.z[others], good.z[others])
    chex.assert_trees_all_equal(
        *(jax.tree.map(lambda leaf: leaf[others], one[2:]) for one in (run, good))
    )


def awkward(params, z, item, key):
    """Item 0 has a slope that lies; the others are not defined beyond 2."""
    lie = jnp.sum(z) - jax.lax.stop_gradient(jnp.sum(z))
    lie += jnp.sum(jnp.abs(jax.lax.stop_gradient(z)))
    wall = jnp.sum((z - 1.9) ** 2) * item - 1e-3 * jnp.sum(jnp.log(2.0 - z))
    return jnp.where(item == 0, lie, wall), {}


def test_a_false_slope_stalls_and_a_value_not_finite_shortens_the_step():
    run = solve_by_ours(awkward, np.float32([0.0, 1.0, 50.0]), np.zeros((3, 40), np.float32))
    assert run.status[0] == Status.STALLED
    assert run.facts["evaluations"][0] <= 21
    np.testing.assert_array_equal(run.z[0], 0.0)
    assert np.isfinite(run.trace["loss"]).all()
    # 2 item (z - 1.9) = -1e-3 / (2 - z), solved by hand. The first steps go beyond 2.
    np.testing.assert_allclose(run.z[1], 1.8952, atol=1e-3)
    np.testing.assert_allclose(run.z[2], 1.8999, atol=1e-3)


def test_a_start_near_the_minimum_converges_at_once():
    starts = 1 + 1e-4 * draw_starts(0)
    run = solve_by_ours(rosenbrock, ZEROS[:8], starts, gtol=1.0)
    np.testing.assert_array_equal(run.status, Status.CONVERGED)
    np.testing.assert_array_equal(run.facts["evaluations"], 1)
    np.testing.assert_array_equal(run.z, starts)


def test_a_start_without_any_gradient_is_dead():
    # At the minimum itself, of which nothing but the zero gradient is known.
    run = solve_by_ours(rosenbrock, ZEROS[:8], np.ones((8, 10), np.float32))
    np.testing.assert_array_equal(run.status, Status.DEAD)
    np.testing.assert_array_equal(run.facts["evaluations"], 1)
    np.testing.assert_array_equal(run.z, 1.0)


def test_tiny_and_huge_losses_take_the_same_path():
    one, tiny, huge = (
        solve_by_ours(rosenbrock, ZEROS[:8], draw_starts(3), params=params)
        for params in (1.0, 2.0**-100, 2.0**80)
    )
    np.testing.assert_allclose(huge.z, one.z, rtol=1e-4, atol=1e-4)
    # The smallest values and slopes of a tiny loss are below float32's range.
    gained = one.trace["loss"][:, 0] / one.trace["loss"][:, 40]
    other = tiny.trace["loss"][:, 0] / tiny.trace["loss"][:, 40]
    np.testing.assert_allclose(other, gained, rtol=1e-2)


def test_gradient_tolerance_bounds_the_largest_entry():
    run = solve_by_ours(rosenbrock, ZEROS[:8], draw_starts(6), gtol=1.0)
    grads = jax.jit(jax.vmap(jax.grad(lambda z: rosenbrock(1.0, z, 0.0, None)[0])))
    assert np.all(np.abs(grads(run.z)).max(axis=1) <= 1.0)
    np.testing.assert_array_equal(run.status, Status.CONVERGED)
    free = solve_by_ours(rosenbrock, ZEROS[:8], draw_starts(6))
    assert np.all(run.facts["evaluations"] < free.facts["evaluations"])


def test_equal_calls_give_the_same_object():
    assert lbfgs() is lbfgs(memory=10, ftol=0.0)
    assert lbfgs(lower=(0.0, 0.5)) is lbfgs(lower=(0.0, 0.5))
    assert lbfgs() is not lbfgs(memory=5)
    first, second = (Problem(FunctionLoss(quadratic), Vector(2), lbfgs(), 3) for _ in range(2))
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 0}, "memory .* must be at least 1, got 0"),
        ({"max_line_search": 0}, "at least 1"),
        ({"c1": 0.9, "c2": 0.1}, "0 < c1 < c2 < 1"),
        ({"c2": 1.0}, "0 < c1 < c2 < 1"),
        ({"ftol": -1.0}, "must not be negative"),
        ({"gtol": float("nan")}, "must not be negative"),
        ({"lower": 1.0, "upper": 0.0}, "lower 1.0 must not be above upper 0.0"),
        ({"lower": [0.0]}, "nested tuples"),
        ({"upper": np.ones(3)}, "nested tuples"),
        ({"lower": (0.0, 1.0), "upper": (1.0, 1.0, 1.0)}, "broadcast"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        lbfgs(**options)


def test_a_projection_is_refused():
    with pytest.raises(ValueError, match="lower=, upper="):
        Problem(FunctionLoss(quadratic), Grey((2, 2)), lbfgs(), 3, projection=Box())
