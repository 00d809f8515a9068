"""Colours taken from another picture."""

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net, photograph

from jaxvis.methods.style.recolour import (
    luminance,
    match_colour,
    match_histogram,
    match_luminance,
    with_colour_of,
)
from jaxvis.nets.table.fields import check_field


def draw_uniform(seed, shape=(12, 10, 3)):
    return jnp.asarray(np.random.default_rng(seed).random(shape), jnp.float32)


def test_histogram_becomes_the_sources_and_order_is_kept():
    image, source = draw_uniform(1), draw_uniform(2) ** 2
    found = np.asarray(match_histogram(image, source))
    for c in range(3):
        np.testing.assert_allclose(
            np.sort(found[..., c].ravel()), np.sort(source[..., c].ravel()), atol=1e-6
        )
        order = np.argsort(np.asarray(image)[..., c].ravel())
        assert np.all(np.diff(found[..., c].ravel()[order]) >= 0)
    other = match_histogram(image, draw_uniform(2, (5, 7, 3)))
    assert other.shape == image.shape


def test_colour_gets_mean_and_covariance():
    image, source = draw_uniform(1), draw_uniform(2) @ draw_uniform(3, (3, 3))
    found = np.asarray(match_colour(image, source)).reshape(-1, 3)
    wanted = np.asarray(source).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(0), wanted.mean(0), atol=1e-4)
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.cov(wanted, rowvar=False), atol=2e-4)
    assert np.isfinite(match_colour(jnp.full((4, 4, 3), 0.5), source)).all()


def test_luminance_is_split_off_and_put_back():
    image = photograph(16)
    again = with_colour_of(luminance(image), image)
    np.testing.assert_allclose(again, image, atol=1e-4)
    grey = match_luminance(draw_uniform(1), image)
    assert float(grey.mean()) == pytest.approx(float(luminance(image).mean()), rel=1e-4)
    assert float(grey.std()) == pytest.approx(float(luminance(image).std()), rel=1e-4)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_a_picture_smaller_than_half_a_field_is_refused():
    net, _ = conv_net()
    check_field(net, ("relu1", "relu2"), (4, 9), "a style")
    with pytest.raises(ValueError, match="3x9 pixels is too small for 'relu2'.* 4 pix"):
        check_field(net, ("relu1", "relu2"), (3, 9), "a style")
