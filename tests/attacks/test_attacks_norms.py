"""What the balls of norms look like: by hand, and by SciPy's optimisation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from jaxvis.attacks.norms import DUAL, check_norm, geometry_of

NORMS = ("linf", "l2", "l1", "l0")
DELTA = np.float32([[[3, 0], [-4, 0]], [[0, 0], [0, 12]]])
"""A perturbation of 2 x 2 pixels and two colours, [2, 2, 2]."""


@partial(jax.jit, static_argnums=(0, 2))
def draw_many(norm, keys, shape, epsilon):
    """Draws as many perturbations as there are keys."""
    return jax.vmap(lambda key: geometry_of(norm).draw(key, shape, epsilon))(keys)


@partial(jax.jit, static_argnums=0)
def project(norm, delta, epsilon):
    return geometry_of(norm).project(delta, epsilon)


@pytest.mark.parametrize(("norm", "size"), [("linf", 12), ("l2", 13), ("l1", 19), ("l0", 3)])
def test_norms_by_hand(norm, size):
    assert float(geometry_of(norm).measure(jnp.asarray(DELTA))) == size


@pytest.mark.parametrize(
    ("norm", "epsilon", "nearest"),
    [
        ("linf", 3.5, [3, 0, -3.5, 0, 0, 0, 0, 3.5]),
        ("l2", 6.5, [1.5, 0, -2, 0, 0, 0, 0, 6]),
        ("l1", 9, [0, 0, -0.5, 0, 0, 0, 0, 8.5]),
        ("l1", 10, [0, 0, -1, 0, 0, 0, 0, 9]),
        ("l0", 2, [0, 0, -4, 0, 0, 0, 0, 12]),
        ("l0", 1, [0, 0, 0, 0, 0, 0, 0, 12]),
    ],
)
def test_projections_by_hand(norm, epsilon, nearest):
    found = project(norm, jnp.asarray(DELTA), jnp.float32(epsilon))
    np.testing.assert_allclose(found.ravel(), nearest, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_projection_keeps_what_is_inside_and_ends_at_0(norm):
    np.testing.assert_array_equal(project(norm, jnp.asarray(DELTA), jnp.float32(20)), DELTA)
    np.testing.assert_array_equal(project(norm, jnp.asarray(DELTA), jnp.inf), DELTA)
    assert not np.asarray(project(norm, jnp.asarray(DELTA), jnp.float32(0))).any()
    assert not np.asarray(project(norm, jnp.zeros((2, 2, 2)), jnp.float32(0))).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_projection_onto_an_l1_ball_is_scipys(seed):
    delta = np.random.default_rng(seed).normal(size=6)
    radius = 0.4 * np.abs(delta).sum()
    # delta = p - n with p, n >= 0 makes the bound linear.
    found = optimize.minimize(
        lambda x: ((x[:6] - x[6:] - delta) ** 2).sum() / 2,
        np.zeros(12),
        jac=lambda x: np.tile(x[:6] - x[6:] - delta, 2) * np.repeat([1, -1], 6),
        bounds=[(0, None)] * 12,
        constraints={"type": "ineq", "fun": lambda x: radius - x.sum()},
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    ours = geometry_of("l1").project(jnp.float32(delta).reshape(2, 1, 3), jnp.float32(radius))
    np.testing.assert_allclose(ours.ravel(), found.x[:6] - found.x[6:], atol=1e-4)


@pytest.mark.parametrize("norm", ("linf", "l2"))
def test_a_direction_is_the_steepest_of_its_norm(norm):
    gradient = jnp.asarray(np.random.default_rng(1).normal(size=(3, 3, 2)), jnp.float32)
    direction = geometry_of(norm).point(gradient)
    assert float(geometry_of(norm).measure(direction)) == pytest.approx(1, rel=1e-5)
    # Hoelder: no step of norm 1 climbs further than the dual norm of the gradient.
    climbed = float(jnp.sum(direction * gradient))
    assert climbed == pytest.approx(float(geometry_of(DUAL[norm]).measure(gradient)), rel=1e-5)


def test_the_direction_of_l1_changes_the_largest_values_alone():
    gradient = jnp.arange(-50, 50, dtype=jnp.float32).reshape(10, 10, 1)
    direction = np.asarray(geometry_of("l1").point(gradient)).ravel()
    chosen = np.flatnonzero(direction)
    assert chosen.tolist() == [0, 1, 2, 98, 99] and (direction[:3] < 0).all()
    assert np.abs(direction).sum() == pytest.approx(1)


@pytest.mark.parametrize("norm", NORMS)
def test_directions_of_tiny_and_of_no_gradients_are_numbers(norm):
    for size in (0.0, 1e-30):
        gradient = jnp.full((2, 2, 3), size)
        direction = np.asarray(geometry_of(norm).point(gradient))
        assert np.isfinite(direction).all() and (direction.any() or size == 0)


@pytest.mark.parametrize(
    "norm",
    [pytest.param(norm, marks=[pytest.mark.slow] * (norm != "l2")) for norm in NORMS],
)
def test_draws_fill_the_ball(norm):
    epsilon = {"linf": 0.1, "l2": 2.0, "l1": 3.0, "l0": 4.0}[norm]
    geometry = geometry_of(norm)
    keys = jax.random.split(jax.random.key(0), 400)
    deltas = draw_many(norm, keys, (4, 4, 1), jnp.float32(epsilon))
    sizes = np.asarray(jax.vmap(geometry.measure)(deltas))
    assert (sizes <= epsilon * (1 + 1e-5)).all() and sizes.max() > 0.98 * epsilon
    assert np.abs(np.asarray(deltas).mean(0)).max() < 0.2 * np.asarray(deltas).std(0).max()
    if norm in ("l2", "l1"):
        # The share of a ball's volume within half its radius is 2^-16: the median lies near.
        assert np.median(sizes) == pytest.approx(epsilon * 0.5 ** (1 / 16), rel=0.02)


def test_an_unknown_norm_is_named():
    with pytest.raises(ValueError, match="norm='l3' is not known here: choose one of linf"):
        check_norm("l3")
    with pytest.raises(ValueError, match="choose one of linf, l2$"):
        check_norm("l1", known=("linf", "l2"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("norm", NORMS)
def test_a_projection_is_the_nearest_point_of_the_ball(norm, seed):
    rng = np.random.default_rng(seed)
    delta = rng.normal(size=(3, 2, 3)).astype(np.float32)
    geometry = geometry_of(norm)
    size = float(geometry.measure(jnp.asarray(delta)))
    epsilon = jnp.float32(max(np.floor(0.6 * size), 1) if norm == "l0" else 0.6 * size)
    nearest = np.asarray(project(norm, jnp.asarray(delta), epsilon))
    assert float(geometry.measure(jnp.asarray(nearest))) <= epsilon * (1 + 1e-5)
    again = project(norm, jnp.asarray(nearest), epsilon)
    np.testing.assert_allclose(again, nearest, atol=1e-6)
    keys = jax.random.split(jax.random.key(seed), 60)
    others = draw_many(norm, keys, delta.shape, epsilon)
    # Points of the ball near the nearest one, too.
    blended = np.concatenate([others, 0.95 * nearest + 0.05 * np.asarray(others)])
    if norm == "l0":  # its ball has no points between
        blended = np.asarray(others)
    far = np.sqrt(((blended - delta) ** 2).sum((1, 2, 3)))
    assert np.sqrt(((nearest - delta) ** 2).sum()) <= far.min() + 1e-5
