"""L-BFGS in a box: SciPy's losses and evaluations, and the conditions of a minimum."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from lbfgs_problems import (
    TIGHT,
    ZEROS,
    check_against_scipy,
    draw_quadratics,
    quadratic,
    rosenbrock,
    solve_by_ours,
    solve_by_scipy,
)

from jaxvis.optimize import lbfgs
from jaxvis.optimize.quasi_newton import bounds

LOW, HIGH = -0.3, 0.5


def projected(z, grad):
    """Returns the gradient without what points out of the box."""
    return np.where(grad < 0, np.maximum(z - HIGH, grad), np.minimum(z - LOW, grad))


BOX = {"lower": LOW, "upper": HIGH}


def inside(z):
    return np.all((z >= np.float32(LOW)) & (z <= np.float32(HIGH)))


@pytest.mark.slow
def test_bounded_quadratics_are_solved_as_scipy_does():
    size = 40
    matrices, vectors = draw_quadratics(24, size, 300.0, seed=2)
    vectors *= 5
    starts = np.random.default_rng(1).uniform(LOW, HIGH, (24, size)).astype(np.float32)
    run = solve_by_ours(quadratic, (matrices, vectors), starts, steps=300, **BOX, **TIGHT)
    theirs = [
        solve_by_scipy(quadratic, item, start, bounds=(LOW, HIGH))
        for item, start in zip(zip(matrices, vectors), starts)
    ]
    check_against_scipy(run, theirs, slack=1e-3)
    assert inside(run.z)
    bound = (run.z == np.float32(LOW)) | (run.z == np.float32(HIGH))
    assert 0.1 < bound.mean() < 0.95
    grads = np.einsum("nij,nj->ni", matrices, run.z) - vectors
    assert np.abs(projected(run.z, grads)).max() < 2e-3 * np.abs(vectors).max() * size


@pytest.mark.slow
def test_a_bounded_rosenbrock_ends_at_its_corner():
    # With z <= 1/2 in two dimensions: z0 = 1/2, z1 = 1/4 by hand. A start outside is
    # brought in before it is evaluated.
    starts = np.float32([[-0.3, 0.4], [0.2, -0.2], [0.5, 0.5], [7.0, -9.0]])
    run = solve_by_ours(rosenbrock, ZEROS[:4], starts, **BOX)
    np.testing.assert_allclose(run.z, [[0.5, 0.25]] * 4, atol=2e-3)
    clipped = np.clip(starts, LOW, HIGH)
    value = [rosenbrock(1.0, z, 0.0, None)[0] for z in clipped]
    np.testing.assert_allclose(run.trace["loss"][:, 0], value, rtol=1e-5)
    assert inside(run.z)


@pytest.mark.slow
def test_bounds_by_channel_may_leave_a_side_free():
    far = np.float32([[1.0, -1.0, 3.0]] * 2)

    def square(params, z, item, key):
        return jnp.sum((z - item) ** 2), {}

    starts = np.zeros((2, 3), np.float32)
    run = solve_by_ours(square, far, starts, upper=(0.5, 0.0, 9.0))
    np.testing.assert_allclose(run.z, [[0.5, -1.0, 3.0]] * 2, atol=1e-4)
    box = bounds.make_limits(0.0, None, starts[0])
    np.testing.assert_array_equal(
        bounds.clip_inside(box, jnp.array([-1.0, 0.0, 7e30])), np.float32([0, 0, 7e30])
    )


def test_an_entry_is_free_unless_it_pushes_against_its_bound():
    box = bounds.make_limits(0.0, 1.0, jnp.zeros(5))
    x = jnp.array([0.0, 0.0, 1.0, 1.0, 0.5])
    g = jnp.array([1.0, -1.0, 1.0, -1.0, 1.0])
    assert bounds.find_free(box, x, g).tolist() == [False, True, True, False, True]


def test_rounding_snaps_to_the_bound():
    box = bounds.make_limits(0.1, 0.7, jnp.zeros(4))
    low, high = np.float32(0.1), np.float32(0.7)
    x = np.array([np.nextafter(low, 1), np.nextafter(high, 0), 0.4, -3.0], np.float32)
    np.testing.assert_array_equal(bounds.clip_inside(box, x), np.float32([low, high, 0.4, low]))
    assert bounds.make_limits(None, None, x) is None


@pytest.mark.slow
def test_z_may_be_any_tree_and_extra_arguments_are_optaxs():
    optimizer = optax.with_extra_args_support(lbfgs(memory=3, lower=0.0, upper=1.0))
    z = {"a": jnp.full((2, 2), 0.5), "b": (jnp.zeros(3), jnp.array(0.2))}
    goal = {"a": 2.0, "b": (-2.0, 0.25)}

    def loss(z):
        gaps = jax.tree.map(lambda leaf, goal: jnp.sum((leaf - goal) ** 2), z, goal)
        return sum(jax.tree.leaves(gaps))

    @jax.jit
    def step(z, state):
        value, grad = jax.value_and_grad(loss)(z)
        updates, state = optimizer.update(grad, state, z, value=value, grad=grad, value_fn=loss)
        return optax.apply_updates(z, updates), state

    state = optimizer.init(z)
    for _ in range(10):
        z, state = step(z, state)
    assert jax.tree.structure(state.solution) == jax.tree.structure(z)
    np.testing.assert_array_equal(state.solution["a"], 1.0)
    np.testing.assert_array_equal(state.solution["b"][0], 0.0)
    np.testing.assert_allclose(state.solution["b"][1], 0.25, atol=1e-4)
