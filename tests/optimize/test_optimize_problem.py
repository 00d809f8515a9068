"""Problems and their projections."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_nets import FunctionLoss

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.views import Blur
from jaxvis.optimize import Ball, Box, Problem, Tidy, lbfgs
from jaxvis.optimize.rules import adam
from jaxvis.types import Loss

LOSS = FunctionLoss(jnp.sum)


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
        Problem(LOSS, Pixels((2, 2)), adam(0.1), steps)


def test_equal_problems_hash_equal():
    def build(projection):
        return Problem(LOSS, Pixels((2, 2)), adam(0.1), 5, projection=projection, finish=None)

    assert build(Ball(2.0)) == build(Ball(2.0))
    assert hash(build(Ball(2.0))) == hash(build(Ball(2.0)))
    assert build(Ball(2.0)) != build(Box())


def test_a_program_has_its_numbers_as_leaves_and_is_equal_without_them():
    def build(rate, steps, projection):
        return Problem(LOSS, Pixels((2, 2)), adam(rate), steps, projection=projection).program

    one, other = build(0.1, 5, Ball(2.0)), build(0.2, 6, Ball(2.0))
    assert jax.tree.leaves(one) == [0.1] and jax.tree.leaves(other) == [0.2]
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert hash(jax.tree.structure(one)) == hash(jax.tree.structure(other))
    assert jax.tree.structure(one) != jax.tree.structure(build(0.1, 5, Box()))


def test_a_transformation_of_optax_is_static_and_keeps_its_kind():
    for optimizer in (optax.adam(0.1), lbfgs()):
        program = Problem(LOSS, Pixels((2, 2)), optimizer, 5).program
        leaves, tree = jax.tree.flatten(program)
        assert leaves == []
        assert type(jax.tree.unflatten(tree, leaves).optimizer) is type(optimizer)
        assert tree == jax.tree.structure(Problem(LOSS, Pixels((2, 2)), optimizer, 9).program)


def test_a_loss_of_ones_own_needs_nothing_but_its_call():
    params = {"conv": {"kernel": jnp.ones(2)}}
    assert Loss().prepare(params) is params
    with pytest.raises(ValueError, match="leave remat out"):
        LOSS.rematerialise()
    with pytest.raises(NotImplementedError, match="Loss has no __call__"):
        Loss()(params, 0.0, None, None)
