"""Resampling and cropping: flat images stay flat, sizes are met, shapes are kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvis.output.resample import crop_to, resample

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos", "box"])
def test_resample_keeps_a_flat_image_flat_and_the_range(method):
    flat = np.full((20, 30, 3), 0.3, np.float32)
    np.testing.assert_allclose(resample(flat, (7, 41), method=method), 0.3, atol=1e-6)
    noise = RNG.random((20, 30, 3), np.float32)
    small = resample(noise, (7, 41), method=method)
    assert small.shape == (7, 41, 3) and small.dtype == np.float32
    assert small.min() >= noise.min() and small.max() <= noise.max()


def test_resample_antialiases_where_it_shrinks():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (64, 32))
    small = resample(stripes, 16)
    assert small.shape == (16, 16, 1)
    # The outermost filters are cut by the border: the first ends on a light column.
    np.testing.assert_allclose(small[:, 1:-1], 0.5, atol=1e-5)
    np.testing.assert_allclose(small, 0.5, atol=0.05)


def test_resample_to_the_same_size_is_the_identity():
    image = RNG.random((9, 11, 3), np.float32)
    np.testing.assert_allclose(resample(image, (9, 11)), image, atol=1e-7)


def test_resample_refuses_an_unknown_method_and_an_empty_size():
    image = np.zeros((4, 4, 3))
    with pytest.raises(ValueError, match="bilinear, bicubic"):
        resample(image, 2, method="sinc")
    with pytest.raises(ValueError, match="at least 1x1"):
        resample(image, (0, 2))


def test_crop_to_cuts_the_middle_and_keeps_the_aspect_ratio():
    image = np.zeros((10, 30, 3), np.float32)
    image[:, 10:20] = 1
    np.testing.assert_array_equal(crop_to(image, 10), 1.0)
    # A centred disc stays round: as high as wide.
    y, x = np.mgrid[-50:50, -80:80] + 0.5
    disc = np.repeat((x**2 + y**2 < 40**2)[..., None], 3, -1).astype(np.float32)
    small = crop_to(disc, (25, 30))[..., 0] > 0.5
    assert small.shape == (25, 30)
    assert abs(small.any(0).sum() - 20) <= 1 and abs(small.any(1).sum() - 20) <= 1


@settings(max_examples=40, deadline=None)
@given(
    h=st.integers(1, 40),
    w=st.integers(1, 40),
    to_h=st.integers(1, 40),
    to_w=st.integers(1, 40),
)
def test_crop_to_always_has_the_size_asked(h, w, to_h, to_w):
    assert crop_to(np.full((h, w, 3), 0.5), (to_h, to_w)).shape == (to_h, to_w, 3)
