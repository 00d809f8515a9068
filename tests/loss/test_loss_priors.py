"""Priors: the papers' figures, their formulas in numpy, and their gradients."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.images import MEAN
from jaxvis.loss.priors import L2, BoundedRange, TotalVariation

GREY = 255.0
B, V = 80.0, 80.0 / 6.5  # grey levels
PRIORS = {
    "bounded_range": BoundedRange(),
    "bounded_range_2": BoundedRange(alpha=2.0),
    "bounded_range_1": BoundedRange(alpha=1.0),
    "total_variation": TotalVariation(),
    "total_variation_1.5": TotalVariation(beta=1.5),
    "total_variation_1": TotalVariation(beta=1.0),
    "l2": L2(),
    "l2_grey_levels": L2(scale=255.0),
}


def _reference_range(x, alpha):
    """Returns R_alpha of x, in grey levels around the mean."""
    squares = (x**2).sum(-1)
    return B**-alpha * (squares ** (alpha / 2)).sum() / x[..., 0].size


def _reference_variation(x, beta):
    """Returns TV of x, in grey levels, channel by channel."""
    total = 0.0
    height, width, channels = x.shape
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                down = x[min(i + 1, height - 1), j, c] - x[i, j, c]
                right = x[i, min(j + 1, width - 1), c] - x[i, j, c]
                square = down**2 + right**2
                if beta != 2:
                    square = max(square, 1e-6)
                total += square ** (beta / 2)
    return V**-beta * total / (height * width)


def _noise(size=(5, 7), spread=0.2):
    return jnp.asarray(MEAN) + spread * jax.random.normal(jax.random.key(1), (*size, 3))


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, -1, 0), (1, 1, 1), (3, -4, 12)])
@pytest.mark.parametrize("alpha", [2.0, 6.0, 40.0])
def test_bounded_range_is_one_at_the_bound_whatever_the_hue(direction, alpha):
    unit = np.array(direction) / np.linalg.norm(direction)
    image = jnp.broadcast_to(jnp.asarray(MEAN + B / GREY * unit), (4, 6, 3))
    prior = BoundedRange(alpha=alpha)
    assert float(prior(image.astype(jnp.float32))) == pytest.approx(1, rel=1e-4)


def test_bounded_range_of_twice_the_bound_is_two_to_the_alpha():
    image = jnp.asarray(MEAN) + jnp.array([2 * B / GREY, 0, 0])
    image = jnp.broadcast_to(image, (3, 3, 3))
    assert float(BoundedRange()(image)) == pytest.approx(64, rel=1e-4)
    assert float(BoundedRange(alpha=1.0)(image)) == pytest.approx(2, rel=1e-4)


def test_bounded_range_is_zero_at_the_mean_colour():
    image = jnp.broadcast_to(jnp.asarray(MEAN), (3, 3, 3))
    assert float(BoundedRange()(image)) == 0
    black = BoundedRange(center=(0.0, 0.0, 0.0))
    assert float(black(jnp.zeros((3, 3, 3)))) == 0


@pytest.mark.parametrize("alpha", [1.0, 2.0, 6.0])
def test_bounded_range_equals_the_formula(alpha):
    image = _noise()
    expected = _reference_range((np.float64(image) - MEAN) * GREY, alpha)
    assert float(BoundedRange(alpha=alpha)(image)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_total_variation_equals_the_formula(beta):
    image = _noise()
    expected = _reference_variation(np.float64(image) * GREY, beta)
    prior = TotalVariation(beta=beta)
    assert float(prior(image)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("width", [2, 8])
@pytest.mark.parametrize("axis", [0, 1])
def test_total_variation_of_a_ramp_of_slope_v(width, axis):
    ramp = jnp.arange(width) * V / GREY
    shape = (width, 1) if axis == 0 else (1, width)
    plane = jnp.broadcast_to(ramp.reshape(shape), (width, width))
    red = jnp.zeros((width, width, 3)).at[..., 0].set(plane)
    expected = (width - 1) / width
    assert float(TotalVariation()(red)) == pytest.approx(expected, rel=1e-4)
    grey = jnp.broadcast_to(plane[..., None], (width, width, 3))
    assert float(TotalVariation()(grey)) == pytest.approx(3 * expected, rel=1e-4)


def test_total_variation_with_beta_one_by_hand():
    # One corner pixel of one channel, 3 V above its neighbours: its own root of
    # 9 + 9, and 3 from each of the two pixels before it.
    image = jnp.zeros((3, 3, 3)).at[1, 1, 0].set(3 * V / GREY)
    expected = (18**0.5 + 3 + 3) / 9
    # Elsewhere the differences are kept at 1e-3 grey levels: 24 values of 27.
    found = float(TotalVariation(beta=1.0)(image))
    assert found == pytest.approx(expected + 24 * 1e-3 / V / 9, rel=1e-5)


def test_total_variation_does_not_see_brightness():
    image = _noise()
    lifted = TotalVariation()(image + 0.25)
    np.testing.assert_allclose(lifted, TotalVariation()(image), rtol=1e-4)


def test_l2_is_the_sum_of_squares_around_the_centre():
    image = _noise()
    expected = ((np.float64(image) - MEAN) ** 2).sum()
    assert float(L2()(image)) == pytest.approx(expected, rel=1e-5)
    levels = L2(scale=255.0)(image)
    assert float(levels) == pytest.approx(expected * 255**2, rel=1e-5)
    assert float(L2(center=(0.0, 0.0, 0.0))(jnp.ones((2, 2, 3)))) == 12


@pytest.mark.parametrize("name", PRIORS)
def test_gradient_equals_finite_differences(name):
    prior, image = PRIORS[name], _noise()
    grad = np.asarray(jax.jit(jax.grad(prior))(image))
    along = np.asarray(jax.random.normal(jax.random.key(2), image.shape))
    step = 2e-3
    values = jax.jit(jax.vmap(prior))(jnp.stack([image + step * along, image - step * along]))
    expected = float(values[0] - values[1]) / (2 * step)
    assert float((grad * along).sum()) == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("name", PRIORS)
def test_gradient_is_finite_on_flat_images(name):
    grad = jax.jit(jax.grad(PRIORS[name]))
    for colour in (MEAN, (0.5, 0.5, 0.5), (0.0, 0.0, 0.0)):
        image = jnp.broadcast_to(jnp.asarray(colour), (4, 4, 3))
        chex.assert_tree_all_finite(grad(image))


@pytest.mark.parametrize("name", PRIORS)
def test_three_gradient_steps_descend(name):
    both = jax.jit(jax.value_and_grad(PRIORS[name]))
    image, values = _noise(), []
    for _ in range(4):
        value, grad = both(image)
        values.append(float(value))
        image = image - 0.01 * grad / jnp.linalg.norm(grad)
    assert values[3] < values[2] < values[1] < values[0]


@pytest.mark.parametrize("name", PRIORS)
def test_batched_equals_alone_and_equal_priors_hash_equal(name):
    prior = PRIORS[name]
    images = jnp.stack([_noise(), _noise(spread=0.1)])
    batch = jax.jit(jax.vmap(prior))(images)
    for image, value in zip(images, batch):
        assert value.shape == ()
        np.testing.assert_allclose(prior(image), value, rtol=1e-5)
    again = type(prior)(**vars(prior))
    assert again == prior
    assert hash(again) == hash(prior)


def test_priors_of_other_channels_are_measured_from_their_own_mean_colour():
    middle = 1.347 / 3
    grey = jnp.full((2, 2, 1), middle + 0.5)
    np.testing.assert_allclose(L2()(grey), 4 * 0.25, rtol=1e-6)
    np.testing.assert_allclose(BoundedRange(alpha=2.0, bound=0.25)(grey), 4.0, rtol=1e-5)
    edge = jnp.zeros((1, 2, 12)).at[0, 1].set(1.0)
    np.testing.assert_allclose(TotalVariation(slope=1.0)(edge), 12 / 2, rtol=1e-6)
    with pytest.raises(ValueError, match="center has 3 numbers for an image of 1 channels"):
        L2(center=MEAN)(grey)
