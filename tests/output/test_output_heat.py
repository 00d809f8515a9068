"""Heatmaps as pictures."""

import numpy as np
import pytest

from jaxvis.output.heat import colour_heat, describe_colours, lay_over, scale_heat


def test_heat_is_scaled_by_its_percentile_and_keeps_its_sign():
    heat = np.array([[0.0, 1.0], [-2.0, 4.0]])
    assert scale_heat(heat, percentile=100).tolist() == [[0, 0.25], [-0.5, 1]]
    # Of |heat| = 0, 1, 2, 4 the median is 1.5, and what lies beyond it is clipped.
    np.testing.assert_allclose(scale_heat(heat, percentile=50), [[0, 1 / 1.5], [-1, 1]])


def test_flat_and_broken_maps_have_defined_colours():
    assert not np.any(scale_heat(np.zeros((2, 3))))
    flat = colour_heat(np.zeros((2, 3)))
    assert np.all(flat == flat[0, 0]) and describe_colours(np.zeros((2, 3))) == "no heat anywhere"
    one = np.zeros((40, 40))
    one[3, 4] = 5  # less than the percentile leaves: it must be seen all the same
    assert scale_heat(one)[3, 4] == 1
    broken = colour_heat(np.array([[np.nan, 1.0]]))
    assert broken[0, 0].tolist() == [1, 0, 1] and np.all(np.isfinite(broken))


def test_red_is_for_and_blue_is_against():
    picture = colour_heat(np.array([[-1.0, 0.0, 1.0]]))
    assert picture[0, 0, 2] > picture[0, 0, 0] and picture[0, 2, 0] > picture[0, 2, 2]
    assert np.ptp(picture[0, 1]) < 0.01 and picture[0, 1, 0] > 0.9
    assert "red for, blue against" in describe_colours(np.array([[-1.0, 1.0]]))
    assert "percentile 99.5" in describe_colours(np.array([[0.0, 1.0]]))


def test_maps_far_from_zero_begin_at_their_least_heat():
    heat = np.array([[3.0, 4.0], [5.0, np.nan]])
    assert scale_heat(heat, percentile=100).tolist() == [[0, 0.5], [1, 0]]
    np.testing.assert_array_equal(
        colour_heat(heat, percentile=100)[0], colour_heat(heat - 3, percentile=100)[0]
    )
    assert describe_colours(heat, percentile=100) == "dark is 3"
    below = -heat  # all negative: the least is -5
    assert describe_colours(below, percentile=100) == "dark is -5"
    np.testing.assert_allclose(scale_heat(below, percentile=100)[0], [1, 0.5])
    near = np.array([[0.5, 4.0]])  # near enough to 0 to be drawn from there
    assert scale_heat(near, percentile=100).tolist() == [[0.125, 1]]
    # A map of one value has heat everywhere.
    assert scale_heat(np.full((2, 2), 7.0)).tolist() == [[1, 1], [1, 1]]
    assert describe_colours(np.full((2, 2), 7.0)) == "clipped at percentile 99.5"


def test_sequential_colours_grow_lighter():
    picture = colour_heat(np.linspace(0, 1, 50)[None], percentile=100)
    light = picture[0] @ np.array([0.299, 0.587, 0.114])
    assert np.all(np.diff(light) > 0)


def test_a_photograph_shows_through_where_there_is_no_heat():
    photo = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    heat = np.zeros((4, 4))
    assert np.allclose(lay_over(photo, heat), photo.mean(-1, keepdims=True), atol=1e-6)
    heat[0, 0] = 1
    over = lay_over(photo, heat)
    assert over.shape == (8, 8, 3) and 0 <= over.min() and over.max() <= 1
    assert np.abs(over[0, 0] - photo[0, 0].mean()).max() > 0.2
    assert np.allclose(over[7, 7], photo[7, 7].mean(), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"percentile": 0}, "percentile lies above 0"), ({"colours": "jet"}, "colours is one of")],
)
def test_what_cannot_be_drawn_is_told(options, words):
    with pytest.raises(ValueError, match=words):
        colour_heat(np.ones((2, 2)), **options)
    with pytest.raises(ValueError, match=r"a heatmap is \[H, W\]"):
        colour_heat(np.ones((2, 2, 3)))
