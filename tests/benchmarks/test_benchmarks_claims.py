"""The measures of the papers' claims, on arrays whose answers are known."""

import numpy as np
import pytest

from benchmarks.harness.statistics import measure_mean, share_of_kin
from benchmarks.papers.lecture_claims import summarise
from benchmarks.papers.ranvgg_textures import shuffle_pixels
from benchmarks.papers.xia_claims import (
    compare_edges,
    count_colours,
    count_matches,
    shift_colour,
)


@pytest.fixture
def image():
    return np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)


def test_rows_match_where_their_own_are_nearest():
    rows = np.eye(4)
    assert count_matches(rows, rows + 0.1) == 8
    assert count_matches(rows, rows[[1, 0, 2, 3]]) == 4


def test_colours_are_counted_by_their_shares(image):
    assert count_colours(np.full((8, 8, 3), 1.0)) == 1
    half = np.zeros((8, 8, 3))
    half[:4] = 0.5
    assert count_colours(half) == pytest.approx(2)
    assert 200 < count_colours(image) <= 256


def test_edges_and_colours_of_a_picture_are_its_own(image):
    assert compare_edges(image, image + 0.2) == pytest.approx(1, abs=1e-5)
    assert abs(compare_edges(image, shuffle_pixels(image))) < 0.5  # borders are alike
    assert shift_colour(image, image) == 0
    assert shift_colour(image, image + 10 / 255) == pytest.approx(10, abs=1e-3)


def test_kin_are_found_among_the_others():
    points, owners = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]]), np.array([0, 0, 1, 1, 1])
    assert share_of_kin(points, owners).tolist() == [1, 1, 1, 1, 1]
    assert share_of_kin(points, owners, near=2).tolist() == [0.5, 0.5, 1, 1, 1]


def test_shuffled_pixels_are_the_same_pixels(image):
    other = shuffle_pixels(image)
    assert not np.array_equal(other, image)
    assert np.array_equal(np.sort(other.ravel()), np.sort(image.ravel()))


def test_a_mean_has_the_error_of_independent_values():
    assert summarise(np.array([1.0, 3.0])) == [2.0, 1.0]
    mean, error = measure_mean([2.0])
    assert mean == 2 and np.isnan(error)
