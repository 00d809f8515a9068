"""Problems and their projections."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.views import Blur
from jaxvis.optimize import Ball, Box, Problem, Tidy
from jaxvis.optimize.rules.first_order import (
    adam,
    lecture_sgd,
    nadam,
    normalized_sgd,
    sgd,
)


def _z(size=(6, 6), spread=100.0):
    return spread * jax.random.normal(jax.random.key(2), (*size, 3))


def test_ball_shortens_what_is_outside_and_keeps_its_hue():
    z = np.asarray(_z())
    inside = np.asarray(Ball(160.0)(z))
    before, after = (np.linalg.norm(x, axis=-1) for x in (z, inside))
    assert (before > 160).any()
    assert (before < 160).any()
    np.testing.assert_allclose(after, np.minimum(before, 160), rtol=1e-5)
    units = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (z, inside))
    np.testing.assert_allclose(*units, atol=1e-6)


def test_ball_leaves_what_is_inside_exactly():
    z = _z(spread=30.0)
    np.testing.assert_array_equal(Ball(160.0)(z), z)


def test_ball_at_zero_is_finite_in_value_and_gradient():
    zero = jnp.zeros((2, 2, 3))
    np.testing.assert_array_equal(Ball(1.0)(zero), zero)
    grad = jax.grad(lambda z: jnp.sum(Ball(1.0)(z)))(zero)
    np.testing.assert_allclose(grad, 1.0)


def test_ball_of_a_grey_pixel_bounds_its_length_not_its_values():
    z = jnp.full((1, 1, 3), 160.0)
    np.testing.assert_allclose(Ball(160.0)(z), 160 / 3**0.5, rtol=1e-6)


def test_box_clips_value_by_value():
    z = jnp.array([-1.0, 0.25, 2.0])
    np.testing.assert_array_equal(Box()(z), [0.0, 0.25, 1.0])
    np.testing.assert_array_equal(Box(-0.5, 0.1)(z), jnp.array([-0.5, 0.1, 0.1]))


def test_tidy_zeroes_pixels_of_small_norm():
    z = jnp.zeros((2, 2, 3)).at[0, 0].set(9.0).at[0, 1, 0].set(0.5).at[1, 1, 2].set(4.0)
    # The mean norm is (9 sqrt 3 + 0.5 + 4) / 4 = 5.02.
    tidied = np.asarray(Tidy(small=0.2)(z))
    expected = np.asarray(z.at[0, 1].set(0.0))
    np.testing.assert_array_equal(tidied, expected)


def test_tidy_by_default_changes_nothing():
    z = _z()
    np.testing.assert_array_equal(Tidy()(z), z)
    np.testing.assert_array_equal(Tidy(small=0.5)(jnp.zeros((2, 2, 3))), 0.0)


def test_tidy_blurs_first():
    z = _z()
    blurred = Blur(0.7)(None, z)
    np.testing.assert_array_equal(Tidy(blur=Blur(0.7))(z), blurred)
    both = np.asarray(Tidy(blur=Blur(0.7), small=0.8)(z))
    norm = np.linalg.norm(blurred, axis=-1)
    kept = norm >= 0.8 * norm.mean()
    np.testing.assert_array_equal(both[~kept], 0.0)
    np.testing.assert_array_equal(both[kept], np.asarray(blurred)[kept])


@pytest.mark.parametrize("steps", [0, -3])
def test_a_problem_without_steps_is_refused(steps):
    with pytest.raises(ValueError, match="steps must be at least 1"):
        Problem(jnp.sum, Pixels((2, 2)), adam(0.1), steps)


def test_equal_problems_hash_equal():
    def made(projection):
        return Problem(jnp.sum, Pixels((2, 2)), adam(0.1), 5, projection=projection, finish=None)

    assert made(Ball(2.0)) == made(Ball(2.0))
    assert hash(made(Ball(2.0))) == hash(made(Ball(2.0)))
    assert made(Ball(2.0)) != made(Box())


@pytest.mark.parametrize("make", [adam, nadam, sgd, normalized_sgd, lecture_sgd])
def test_optimizers_are_made_once_per_setting_and_descend(make):
    assert make(0.01) is make(0.01)
    assert make(0.01) is not make(0.02)
    optimizer, z = make(0.01), _z(spread=1.0)
    update, _ = optimizer.update(2 * z, optimizer.init(z), z)
    assert float(jnp.sum(update * z)) < 0


def test_normalized_sgd_moves_by_its_rate_on_average():
    z = _z()
    update, _ = normalized_sgd(0.3).update(z, normalized_sgd(0.3).init(z))
    assert float(jnp.mean(jnp.abs(update))) == pytest.approx(0.3, rel=1e-5)
    still, _ = normalized_sgd(0.3).update(0 * z, normalized_sgd(0.3).init(z))
    assert np.all(np.asarray(still) == 0)


def test_lecture_sgd_leaves_out_pixels_of_small_gradient():
    gradient = jnp.zeros((2, 2, 3)).at[0, 0].set(5.0).at[1, 1].set(0.1)
    optimizer = lecture_sgd(2.0, small=0.2)
    update, state = optimizer.update(gradient, optimizer.init(gradient))
    expected = np.asarray(-2 * gradient.at[1, 1].set(0.0))
    np.testing.assert_allclose(update, expected)
    update, _ = optimizer.update(gradient, state)
    np.testing.assert_allclose(update, 1.9 * expected, rtol=1e-6)
