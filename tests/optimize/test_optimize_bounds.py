"""L-BFGS in a box: SciPy's losses and evaluations, and the conditions of a minimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_optimize_lbfgs import (
    TIGHT,
    ZEROS,
    by_scipy,
    check_against_scipy,
    drawn,
    quadratic,
    quadratics,
    rosenbrock,
    solved,
    whole_batches,
)

from jaxvis.optimize import bounds, lbfgs

LOW, HIGH = -0.3, 0.5
__all__ = ["whole_batches"]  # a fixture, for these tests too


def projected(z, grad):
    """Returns the gradient without what points out of the box."""
    return np.where(grad < 0, np.maximum(z - HIGH, grad), np.minimum(z - LOW, grad))


BOX = {"lower": LOW, "upper": HIGH}


def inside(z):
    return np.all((z >= np.float32(LOW)) & (z <= np.float32(HIGH)))


@pytest.mark.parametrize(("size", "condition"), [(10, 10.0), (40, 300.0)])
def test_bounded_quadratics_are_solved_as_scipy_does(size, condition):
    matrices, vectors = quadratics(24, size, condition, seed=2)
    vectors *= 5
    starts = np.random.default_rng(1).uniform(LOW, HIGH, (24, size)).astype(np.float32)
    run = solved(quadratic, (matrices, vectors), starts, steps=300, **BOX, **TIGHT)
    theirs = [
        by_scipy(quadratic, item, start, bounds=(LOW, HIGH))
        for item, start in zip(zip(matrices, vectors), starts)
    ]
    check_against_scipy(run, theirs, slack=1e-3)
    assert inside(run.z)
    bound = (run.z == np.float32(LOW)) | (run.z == np.float32(HIGH))
    assert 0.1 < bound.mean() < 0.95
    grads = np.einsum("nij,nj->ni", matrices, run.z) - vectors
    assert np.abs(projected(run.z, grads)).max() < 2e-3 * np.abs(vectors).max() * size


def test_a_bounded_rosenbrock_ends_at_its_corner():
    # With z <= 1/2 in two dimensions: z0 = 1/2, z1 = 1/4 by hand. A start outside is
    # brought in before it is evaluated.
    starts = np.float32([[-0.3, 0.4], [0.2, -0.2], [0.5, 0.5], [7.0, -9.0]])
    run = solved(rosenbrock, ZEROS[:4], starts, **BOX)
    np.testing.assert_allclose(run.z, [[0.5, 0.25]] * 4, atol=2e-3)
    clipped = np.clip(starts, LOW, HIGH)
    value = [rosenbrock(1.0, z, 0.0, None)[0] for z in clipped]
    np.testing.assert_allclose(run.trace["loss"][:, 0], value, rtol=1e-5)
    assert inside(run.z)


def test_one_side_alone_and_bounds_by_channel():
    far = np.float32([[1.0, -1.0, 3.0]] * 2)

    def square(params, z, item, key):
        return jnp.sum((z - item) ** 2), {}

    starts = np.zeros((2, 3), np.float32)
    run = solved(square, far, starts, upper=(0.5, 0.0, 9.0))
    np.testing.assert_allclose(run.z, [[0.5, -1.0, 3.0]] * 2, atol=1e-4)
    run = solved(square, far, starts, lower=0.0)
    np.testing.assert_allclose(run.z, [[1.0, 0.0, 3.0]] * 2, atol=1e-4)


def test_bounds_that_bind_nothing_change_nothing():
    free = solved(rosenbrock, ZEROS[:8], drawn(3))
    boxed = solved(rosenbrock, ZEROS[:8], drawn(3), lower=-1e6, upper=1e6)
    np.testing.assert_allclose(
        boxed.trace["loss"][:, :20], free.trace["loss"][:, :20], rtol=1e-3
    )


def test_an_entry_is_free_unless_it_pushes_against_its_bound():
    box = bounds.limits(0.0, 1.0, jnp.zeros(5))
    x = jnp.array([0.0, 0.0, 1.0, 1.0, 0.5])
    g = jnp.array([1.0, -1.0, 1.0, -1.0, 1.0])
    assert bounds.free(box, x, g).tolist() == [False, True, True, False, True]


def test_rounding_snaps_to_the_bound():
    box = bounds.limits(0.1, 0.7, jnp.zeros(4))
    low, high = np.float32(0.1), np.float32(0.7)
    x = np.array([np.nextafter(low, 1), np.nextafter(high, 0), 0.4, -3.0], np.float32)
    np.testing.assert_array_equal(
        bounds.inside(box, x), np.float32([low, high, 0.4, low])
    )
    assert bounds.limits(None, None, x) is None


def test_bounds_follow_the_leaves_of_a_tree():
    optimizer = lbfgs(lower=0.0, upper=1.0)
    z = {"a": jnp.full((2, 2), 0.5), "b": jnp.full(3, 0.5)}

    def loss(z):
        return jnp.sum((z["a"] - 2) ** 2) + jnp.sum((z["b"] + 2) ** 2)

    @jax.jit
    def step(z, state):
        value, grad = jax.value_and_grad(loss)(z)
        updates, state = optimizer.update(grad, state, z, value=value)
        return jax.tree.map(jnp.add, z, updates), state

    state = optimizer.init(z)
    for _ in range(6):
        z, state = step(z, state)
    np.testing.assert_array_equal(state.solution["a"], 1.0)
    np.testing.assert_array_equal(state.solution["b"], 0.0)
