"""Segments of maps whose parts are known."""

import sys

import numpy as np
import pytest

from jaxvis.analysis.segment import grab_cut, threshold_segment


def draw_disc(side=48, radius=12):
    y, x = np.mgrid[:side, :side] - side / 2
    return y**2 + x**2 < radius**2


def test_otsu_separates_two_parts_and_flat_maps_have_none():
    disc, noise = draw_disc(), np.random.default_rng(0).normal(size=(48, 48)) / 20
    np.testing.assert_array_equal(threshold_segment(disc + noise), disc)
    both = threshold_segment(np.stack([disc + noise, 5 - 3 * disc + noise]))
    np.testing.assert_array_equal(both[1], ~disc)
    assert not threshold_segment(np.ones((4, 4))).any()
    assert not threshold_segment(np.zeros((4, 4)), share=0.5).any()


def test_otsu_is_that_of_scikit_image():
    peer = pytest.importorskip("skimage.filters", reason="needs scikit-image")
    heat = np.random.default_rng(1).gamma(2, size=(40, 40))
    wanted = heat > peer.threshold_otsu(heat)
    assert np.mean(threshold_segment(heat) == wanted) > 0.99


def test_a_share_keeps_the_largest_values():
    heat = np.random.default_rng(0).random((10, 10))
    found = threshold_segment(heat, share=0.2)
    assert found.sum() == 20 and heat[found].min() > heat[~found].max()
    with pytest.raises(ValueError, match="between 0 and 1"):
        threshold_segment(heat, share=1.5)
    with pytest.raises(ValueError, match="finite"):
        threshold_segment(np.full((2, 2), np.nan))


def test_grab_cut_finds_the_object_around_a_rough_map():
    pytest.importorskip("cv2", reason="needs jaxvis[analysis]")
    disc = draw_disc()
    noise = np.random.default_rng(0).normal(size=(48, 48, 3)) / 30
    image = np.where(disc[..., None], [0.9, 0.2, 0.1], [0.1, 0.4, 0.8]) + noise
    y, x = np.mgrid[:48, :48]
    heat = np.exp(-((y - 22.0) ** 2 + (x - 26.0) ** 2) / 60)  # smaller than it, and beside it
    found = grab_cut(np.clip(image, 0, 1).astype(np.float32), heat)
    assert (found & disc).sum() / (found | disc).sum() > 0.97
    assert not grab_cut(np.full((48, 48, 3), 0.5), np.ones((48, 48))).any()


def test_single_hot_pixels_are_joined_by_smoothing():
    disc, draw = draw_disc(), np.random.default_rng(0)
    dots = np.where(disc, draw.random((48, 48)) < 0.3, draw.random((48, 48)) < 0.01).astype(float)
    plain, smooth = (threshold_segment(dots, smooth=one) for one in (0.0, 0.05))
    shares = [(one & disc).sum() / (one | disc).sum() for one in (plain, smooth)]
    assert shares[0] < 0.35 and shares[1] > 0.85
    flat = np.full((4, 4), 0.3)
    assert not threshold_segment(flat, smooth=0.3).any()
    with pytest.raises(ValueError, match="a share of the longer side"):
        threshold_segment(flat, smooth=-1)


def test_grab_cut_leaves_no_dots_far_from_the_object():
    pytest.importorskip("cv2", reason="needs jaxvis[analysis]")
    disc, draw = draw_disc(), np.random.default_rng(0)
    image = (
        np.where(disc[..., None], [0.9, 0.2, 0.1], [0.1, 0.4, 0.8])
        + draw.normal(size=(48, 48, 3)) / 30
    )
    heat = draw.random((48, 48)) * np.where(disc, 1.0, 0.2)
    heat[2, 2] = heat[45, 3] = 2  # single pixels
    found = grab_cut(np.clip(image, 0, 1).astype(np.float32), heat)
    assert not found[2, 2] and not found[45, 3]
    assert (found & disc).sum() / (found | disc).sum() > 0.95


def test_grab_cut_says_what_is_wrong(monkeypatch):
    image = np.full((8, 8, 3), 0.5, np.float32)
    with pytest.raises(ValueError, match="the map is"):
        grab_cut(image, np.ones((4, 4)))
    with pytest.raises(ValueError, match="leave pixels"):
        grab_cut(image, np.ones((8, 8)), inside=0.8)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match=r"jaxvis\[analysis\]"):
        grab_cut(image, np.ones((8, 8)))
