"""Colours taken from another picture; masks; pictures checked; TV denoising."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.restoration import denoise_tv_chambolle
from tiny_nets import conv_net, photograph

from jaxvis.images import checked_image, enlarged, noisy, resized, sides_of_area
from jaxvis.loss.chambolle import Chambolle
from jaxvis.loss.matching.image_masks import checked_masks, on_grid
from jaxvis.methods.style.recolour import (
    luminance,
    match_colour,
    match_histogram,
    match_luminance,
    with_colour_of,
)
from jaxvis.nets.table.fields import check_field


def _uniform(seed, shape=(12, 10, 3)):
    return jnp.asarray(np.random.default_rng(seed).random(shape), jnp.float32)


def test_histogram_becomes_the_sources_and_order_is_kept():
    image, source = _uniform(1), _uniform(2) ** 2
    found = np.asarray(match_histogram(image, source))
    for c in range(3):
        np.testing.assert_allclose(
            np.sort(found[..., c].ravel()), np.sort(source[..., c].ravel()), atol=1e-6
        )
        order = np.argsort(np.asarray(image)[..., c].ravel())
        assert np.all(np.diff(found[..., c].ravel()[order]) >= 0)
    other = match_histogram(image, _uniform(2, (5, 7, 3)))
    assert other.shape == image.shape


def test_colour_gets_mean_and_covariance():
    image, source = _uniform(1), _uniform(2) @ _uniform(3, (3, 3))
    found = np.asarray(match_colour(image, source)).reshape(-1, 3)
    wanted = np.asarray(source).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(0), wanted.mean(0), atol=1e-4)
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.cov(wanted, rowvar=False), atol=2e-4)
    assert np.isfinite(match_colour(jnp.full((4, 4, 3), 0.5), source)).all()


def test_luminance_is_split_off_and_put_back():
    image = photograph(16)
    again = with_colour_of(luminance(image), image)
    np.testing.assert_allclose(again, image, atol=1e-4)
    grey = match_luminance(_uniform(1), image)
    assert float(grey.mean()) == pytest.approx(float(luminance(image).mean()), rel=1e-4)
    assert float(grey.std()) == pytest.approx(float(luminance(image).std()), rel=1e-4)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


@pytest.mark.parametrize(("weight", "steps"), [(0.2, 200), (0.05, 7)])
def test_chambolle_is_scikit_images(weight, steps):
    image = np.clip(np.asarray(photograph(24)) + 0.1 * _uniform(5, (24, 24, 3)), 0, 1)
    expected = denoise_tv_chambolle(image, weight=weight, max_num_iter=steps, channel_axis=-1)
    found = Chambolle(weight, steps=steps)(None, jnp.asarray(image))
    # In single precision a channel may stop one step sooner or later.
    np.testing.assert_allclose(found, expected, atol=1e-3 if steps == 200 else 1e-5)


def test_chambolle_leaves_a_flat_image_and_refuses_no_weight():
    flat = jnp.full((6, 8, 3), 0.3)
    np.testing.assert_allclose(Chambolle(0.2)(None, flat), flat, atol=1e-6)
    with pytest.raises(ValueError, match="weight must be above 0"):
        Chambolle(0.0)


def test_masks_are_averaged_on_a_grid():
    mask = jnp.zeros((8, 12)).at[:4, :6].set(1)
    small = on_grid(mask, (2, 2, 7))
    assert small.shape == (2, 2) and float(small[0, 0]) > 0.7 > 0.1 > float(small[1, 1])
    assert on_grid(mask, (8, 12)) is mask


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([np.ones((8, 8))] * 2, "2 masks came for 1 styles"),
        ([np.ones((4, 8))], r"mask 0 has shape \(4, 8\)"),
        ([2 * np.ones((8, 8))], r"mask 0 leaves \[0, 1\]"),
        ([np.full((8, 8), np.nan)], r"mask 0 leaves \[0, 1\]"),
        ([np.zeros((8, 8))], "zero everywhere"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(ValueError, match=message):
        checked_masks(masks, 1, (8, 8))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4)), "is grey"),
        (np.zeros((4, 4, 1)), "is grey"),
        (np.zeros((4, 4, 4)), "transparent"),
        (np.zeros((2, 4, 4, 3)), r"one image \[H, W, 3\]"),
        (np.zeros((0, 4, 3)), r"one image \[H, W, 3\]"),
        (np.zeros((4, 4, 3), np.uint8), "is uint8"),
        (np.full((4, 4, 3), 200.0), "from 200 to 200"),
        (np.full((4, 4, 3), np.nan), "from nan to nan"),
        (np.broadcast_to(np.float32(0), (20000, 20000, 3)), "more than"),
    ],
)
def test_pictures_that_are_none_are_refused(image, message):
    with pytest.raises(ValueError, match=f"the picture.*{message}"):
        checked_image(image, "the picture")


def test_a_picture_smaller_than_half_a_field_is_refused():
    net, _ = conv_net()
    check_field(net, ("relu1", "relu2"), (4, 9), "a style")
    with pytest.raises(ValueError, match="3x9 pixels is too small for 'relu2'.* 4 pix"):
        check_field(net, ("relu1", "relu2"), (3, 9), "a style")


def test_sizes_keep_the_aspect():
    assert sides_of_area((100, 200, 3), 5000) == (50, 100)
    assert sides_of_area((10, 1000, 3), 1) == (1, 10)
    image = _uniform(1)
    assert resized(image, (12, 10)) is image
    assert resized(image, (6, 20)).shape == (6, 20, 3)
    assert enlarged(image[None], (18, 15)).shape == (1, 18, 15, 3)


def test_noisy_starts_mix_image_and_noise(key):
    image = _uniform(1)
    np.testing.assert_array_equal(noisy(key, image, part=0.0)[0], image)
    flat = noisy(key, image, seeds=2)
    np.testing.assert_allclose(flat.mean((1, 2)), [image.mean((0, 1))] * 2, atol=2e-3)
    assert 0.5 / 255 < float(flat[0, ..., 0].std()) < 2 / 255
    assert float(jnp.abs(flat[0] - flat[1]).max()) > 0
    half = noisy(key, image, part=0.5)[0]
    np.testing.assert_allclose(half, (image + flat[0]) / 2, atol=1e-6)
