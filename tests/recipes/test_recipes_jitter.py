"""Jitter: the table of the natural pre-images paper, and its canvas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.loss.views import Crop, Identity
from jaxvis.recipes.jitter import extent, jittered

TABLE = {1: 1, 2: 1, 4: 1, 8: 2, 16: 4, 32: 8}


@pytest.mark.parametrize(("stride", "expected"), TABLE.items())
def test_extent_is_a_quarter_of_the_stride(stride, expected):
    assert extent(stride) == expected


@pytest.mark.parametrize(("stride", "expected"), [(6, 2), (10, 3), (14, 4), (5, 1)])
def test_extent_rounds_halves_away_from_zero(stride, expected):
    assert extent(stride) == expected


@pytest.mark.parametrize(("stride", "expected"), TABLE.items())
def test_canvas_is_larger_by_the_jitter_and_finished_in_the_middle(stride, expected, key):
    canvas, view, finish = jittered((9, 11), stride)
    assert canvas.size == (9 + expected - 1, 11 + expected - 1)
    assert view == (Identity() if expected == 1 else Crop((9, 11)))
    image = jax.random.uniform(key, (*canvas.size, 3))
    at = (expected - 1) // 2
    np.testing.assert_array_equal(finish(key, image), image[at : at + 9, at : at + 11])


def test_canvas_counts_grey_levels_around_the_mean_colour(key):
    canvas, _, _ = jittered((32, 32), 8)
    z = canvas.init(key)
    # U(-1, 1) over its 0.95 quantile 0.9, times 80 / sqrt 3.
    assert 50 < float(jnp.abs(z).max()) < 53
    one = canvas.decode(jnp.ones_like(z), key) - canvas.decode(jnp.zeros_like(z), key)
    np.testing.assert_allclose(one, 1 / 255, rtol=1e-4)
