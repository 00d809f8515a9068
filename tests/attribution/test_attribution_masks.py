"""Masking methods on networks whose answers are known: sums of pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.attribution.masks.baselines import make_fill
from jaxvis.attribution.masks.hsic import estimate_dependence
from jaxvis.attribution.masks.lime import fit_weights
from jaxvis.attribution.masks.rise import SmoothCells
from jaxvis.attribution.masks.sobol import draw_design, estimate_total
from jaxvis.attribution.masks.superpixels import find_segments
from jaxvis.nets.adapters import from_function
from tests.tiny_nets import conv_net

SIDE = 15
CELL = 5
WEIGHTS = np.arange(1.0, 10.0, dtype=np.float32).reshape(3, 3)
"""What the network's first score adds for each cell of 5 x 5 pixels."""
WHITE = np.ones((SIDE, SIDE, 3), np.float32)
HALVES = np.repeat(np.arange(2), 128).reshape(16, 16)


def add_up(params, image):
    grey = jnp.mean(image, axis=-1)
    first = jnp.sum(params["sum"]["weights"] * grey)
    return {"scores": jnp.stack([first, jnp.sum(grey[:CELL, :CELL]), 7.0 + 0 * first])}


@pytest.fixture(scope="module")
def linear():
    """Returns (net, params) of three scores: weighted pixels, the first cell, and 7."""
    weights = np.kron(WEIGHTS, np.ones((CELL, CELL), np.float32)) / CELL**2
    params = {"sum": {"weights": jnp.asarray(weights)}}
    return from_function(add_up, params, input_size=(SIDE, SIDE), scores="scores")


def test_occlusion_recovers_a_sum_of_cells(linear):
    maps = jaxvis.occlusion(
        *linear, WHITE, index=[0, 1, 2], patch=CELL, stride=CELL, baseline="zero"
    )
    wanted = np.kron(WEIGHTS, np.ones((CELL, CELL)))
    np.testing.assert_allclose(maps[0], wanted, rtol=1e-5, atol=1e-4)
    first = np.zeros((SIDE, SIDE))
    first[:CELL, :CELL] = CELL**2
    np.testing.assert_allclose(maps[1], first, atol=1e-4)
    assert not maps[2].any()


def test_overlapping_patches_are_averaged_and_the_last_ones_reach_beyond(linear):
    net, params = linear
    found = jaxvis.occlusion(net, params, WHITE, index=0, patch=(4, 6), stride=3, baseline="zero")
    weights = np.asarray(params["sum"]["weights"])
    total, count = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    for y in range(0, 13, 3):
        for x in range(0, 10, 3):
            part = np.s_[y : y + 4, x : x + 6]
            total[part] += weights[part].sum()
            count[part] += 1
    np.testing.assert_allclose(found, total / count, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_symmetric_image_has_a_symmetric_map(linear):
    net, params = linear
    even = {"sum": {"weights": jnp.ones((SIDE, SIDE))}}
    found = jaxvis.occlusion(net, even, WHITE, index=0, patch=5, stride=5, baseline="zero")
    np.testing.assert_allclose(found, found[::-1, ::-1], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("occlusion", {"patch": 8, "baseline": "noise"}, marks=pytest.mark.slow),
        pytest.param("rise", {"samples": 9, "cells": 3}, marks=pytest.mark.slow),
        pytest.param("sobol", {"samples": 2, "grid": 2}, marks=pytest.mark.slow),
        pytest.param("hsic", {"samples": 9, "grid": 2}, marks=pytest.mark.slow),
        pytest.param("lime", {"samples": 9, "segments": HALVES}, marks=pytest.mark.slow),
    ],
)
def test_methods_do_not_depend_on_the_chunk_or_the_other_images(name, options):
    net, params = conv_net()
    photos = np.random.default_rng(0).random((2, 16, 16, 3)).astype(np.float32)
    method = getattr(jaxvis, name)
    both = method(net, params, photos, index=[1, 3], chunk=4, **options)
    one = method(net, params, photos[1], index=3, **options)
    assert both.shape == (2, 2, 16, 16) and one.shape == (16, 16)
    np.testing.assert_allclose(both[1, 1], one, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_score_that_never_changes_has_a_flat_map(linear):
    rise = jaxvis.rise(*linear, WHITE, index=2, samples=40, cells=3)
    np.testing.assert_allclose(rise, 7.0, rtol=1e-5)
    cells = np.arange(9).repeat(25).reshape(SIDE, SIDE)
    assert not jaxvis.sobol(*linear, WHITE, index=2, samples=2, grid=3).any()
    assert not jaxvis.hsic(*linear, WHITE, index=2, samples=8, grid=3).any()
    assert np.abs(jaxvis.lime(*linear, WHITE, index=2, samples=20, segments=cells)).max() < 1e-5


@pytest.mark.slow
def test_masks_of_rise_show_the_probability_on_average_and_run_from_0_to_1():
    method = SmoothCells(conv_net()[0], 4, 0.3)
    keys = jax.random.split(jax.random.key(1), 2000)
    masks = np.asarray(jaxvis.jit(jax.vmap(lambda key: method.draw_mask(key, (17, 12))))(keys))
    assert masks.shape[1:] == (17, 12) and masks.min() >= 0 and masks.max() <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.04)


@pytest.mark.slow
def test_rise_is_hot_where_the_score_comes_from(linear):
    heat = jaxvis.rise(*linear, WHITE, index=1, samples=600, cells=3, baseline="zero")
    assert heat[2, 2] > heat[7, 7] > 0 and heat.argmax() < 5 * SIDE


def test_total_sobol_indices_of_a_sum_are_shares_of_its_variance(linear):
    heat = jaxvis.sobol(*linear, WHITE, index=0, samples=512, grid=3, baseline="zero")
    # A cell whose width is odd has its own value in its centre.
    np.testing.assert_allclose(heat[2::5, 2::5], WEIGHTS**2 / np.sum(WEIGHTS**2), atol=0.03)


def test_jansens_formula_by_hand():
    masks = draw_design(jax.random.key(0), 4, 2)
    assert masks.shape == (12, 2)
    np.testing.assert_array_equal(masks[4:8, 1], masks[:4, 1])
    np.testing.assert_array_equal(masks[8:, 0], masks[:4, 0])
    scores = np.array([1.0, 2, 3, 4, 1, 2, 3, 6, 2, 2, 3, 4])
    variance = 5 / 3
    np.testing.assert_allclose(estimate_total(scores, 4), [4 / (8 * variance), 1 / (8 * variance)])


def test_dependence_is_the_trace_of_centred_kernels():
    rng = np.random.default_rng(0)
    masks, scores = rng.integers(0, 2, (12, 3)).astype(float), rng.normal(size=(1, 12))
    found = np.asarray(estimate_dependence(masks, scores, np.array([0.8])))[0]
    centre = np.eye(12) - 1 / 12
    outputs = np.exp(-((scores.T - scores) ** 2) / (2 * 0.8**2))
    for cell in range(3):
        inputs = 0.5 - (masks[:, cell, None] - masks[:, cell]) ** 2
        wanted = np.trace(inputs @ centre @ outputs @ centre) / 11**2
        np.testing.assert_allclose(found[cell], wanted, rtol=1e-4)


@pytest.mark.slow
def test_hsic_finds_the_only_cell_that_counts(linear):
    heat = jaxvis.hsic(*linear, WHITE, index=1, samples=200, grid=3, baseline="zero")
    centres = heat[2::5, 2::5].ravel()
    assert centres[0] > 20 * np.abs(centres[1:]).max()


def test_lime_recovers_a_sum_of_superpixels(linear):
    segments = np.arange(SIDE)[:, None] // CELL * 3 + np.arange(SIDE) // CELL
    heat = jaxvis.lime(
        *linear, WHITE, index=0, segments=segments + 5, samples=1000, baseline="zero"
    )
    np.testing.assert_allclose(heat[2::5, 2::5], WEIGHTS, rtol=0.1)


def test_ridge_regression_has_a_free_intercept():
    masks = np.array([[1, 1], [1, 0], [0, 1], [0, 0]] * 50, float)
    scores = 100 + masks @ [2.0, -3.0]
    np.testing.assert_allclose(fit_weights(masks, scores[None]), [[2, -3]], rtol=0.2)


def test_baselines():
    image = jnp.asarray(np.random.default_rng(0).random((1, 20, 30, 3)), jnp.float32)
    assert not make_fill(image, "zero", 0).any()
    np.testing.assert_allclose(make_fill(image, "grey", 0)[0, 3, 4], (0.485, 0.456, 0.406))
    np.testing.assert_allclose(make_fill(image, "mean", 0)[0, 3, 4], image.mean((0, 1, 2)), 1e-5)
    np.testing.assert_allclose(make_fill(jnp.ones_like(image), "blur", 0), 1, rtol=1e-5)
    assert make_fill(image, "blur", 0).std() < 0.5 * image.std()
    noise = make_fill(jnp.concatenate([image, image]), "noise", 1)
    np.testing.assert_array_equal(noise[0], noise[1])


def test_superpixels_are_numbered_from_0():
    pytest.importorskip("skimage")
    image = np.zeros((1, 32, 32, 3), np.float32)
    image[:, :, 16:] = 1
    for way in ("slic", "quickshift"):
        found = find_segments(image, way)
        assert found.shape == (1, 32, 32) and found.min() == 0
        assert not set(found[0, :, :14].ravel()) & set(found[0, :, 18:].ravel())


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.segmentation", None)
    with pytest.raises(ValueError, match=r"pip install jaxvis\[superpixels\]"):
        find_segments(np.zeros((1, 8, 8, 3), np.float32), "slic")


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("occlusion", {"patch": 16}, "larger than the image"),
        ("occlusion", {"patch": 4, "stride": 5}, "skips pixels"),
        ("occlusion", {"patch": 0}, "patch must be at least 1, a whole number"),
        ("occlusion", {"patch": 4, "baseline": "gray"}, "baseline is grey"),
        ("occlusion", {"patch": 4, "baseline": np.zeros((4, 4, 3))}, "resize it"),
        ("rise", {"probability": 1.0}, "between 0 and 1"),
        ("rise", {"cells": 16}, "lower cells="),
        ("sobol", {"samples": 12}, "power of 2"),
        ("hsic", {"samples": 1}, "at least 2"),
        ("hsic", {"grid": 16}, "grid is from 1 to 15"),
        ("lime", {"segments": np.zeros((4, 4), int)}, "one a pixel"),
        ("lime", {"segments": "felzenszwalb"}, "slic or quickshift"),
        ("rise", {"index": 3}, "has 3 channels"),
    ],
)
def test_bad_input_is_told(linear, method, options, words):
    with pytest.raises(ValueError, match=words):
        getattr(jaxvis, method)(*linear, WHITE, **{"index": 0, **options})
