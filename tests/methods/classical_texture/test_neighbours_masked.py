"""Masked distances against loops over pixels, and the random choice among places."""

import numpy as np
import pytest

from jaxvis.methods.classical_texture.neighbours.masked import (
    MOST,
    compute_distances,
    gaussian_window,
    list_neighbourhoods,
    pick,
)


def by_loops(texture, patch, weights):
    """Returns one patch's distances to the texture, pixel by pixel."""
    side = len(patch)
    height, width = (length - side + 1 for length in texture.shape[:2])
    out = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            total, weight = 0.0, 0.0
            for a in range(side):
                for b in range(side):
                    if weights[a, b] == 0:
                        continue
                    for c in range(texture.shape[2]):
                        difference = float(patch[a, b, c]) - texture[i + a, j + b, c]
                        total += weights[a, b] * difference**2
                        weight += weights[a, b]
            out[i, j] = total / weight
    return out


@pytest.mark.parametrize("channels", [1, 3])
def test_masked_distances_equal_the_loops(channels):
    rng = np.random.default_rng(channels)
    texture = rng.normal(size=(9, 11, channels)).astype(np.float32)
    patches = rng.normal(size=(3, 5, 5, channels)).astype(np.float32)
    weights = rng.random((3, 5, 5)) * (rng.random((3, 5, 5)) < 0.5)
    weights[2] = 0
    weights[2, 4, 1] = 0.25  # one known pixel is enough
    for values in (texture, list_neighbourhoods(texture, 5)):
        found = compute_distances(values, patches, weights.astype(np.float32))
        assert found.shape == (5, 7, 3)
        for number in range(3):
            expected = by_loops(texture, patches[number], weights[number])
            np.testing.assert_allclose(found[..., number], expected, rtol=2e-5, atol=2e-6)


def test_neighbourhoods_are_listed_with_their_squares_unless_they_are_too_many():
    texture = np.random.default_rng(0).normal(size=(6, 7, 2)).astype(np.float32)
    listed = list_neighbourhoods(texture, 3)
    assert listed.shape == (4, 5, 27) and listed.flags.c_contiguous
    there = listed[2, 1].reshape(3, 3, 3)
    np.testing.assert_array_equal(there[..., :2], texture[2:5, 1:4])
    np.testing.assert_allclose(there[..., 2], (texture[2:5, 1:4] ** 2).sum(-1), rtol=1e-6)
    side = int((MOST / (15 * 15 * 2)) ** 0.5) + 15
    large = np.zeros((side, side, 1), np.float32)
    assert list_neighbourhoods(large, 15) is large


def test_a_patch_of_the_texture_has_distance_zero_where_it_is_from():
    texture = np.random.default_rng(0).normal(size=(12, 12, 3)).astype(np.float32)
    patch = texture[3:8, 6:11]
    distances = np.asarray(
        compute_distances(texture, patch[None], np.ones((1, 5, 5), np.float32))[..., 0]
    )
    assert distances.min() == distances[3, 6] < 1e-6
    assert np.sort(distances.ravel())[1] > 0.5


def test_values_of_weight_zero_are_not_looked_at():
    rng = np.random.default_rng(1)
    texture = rng.normal(size=(8, 8, 1)).astype(np.float32)
    patch, weights = rng.normal(size=(1, 3, 3, 1)), np.ones((1, 3, 3))
    weights[0, 0] = 0
    other = patch.copy()
    other[0, 0] = 100
    first, second = (
        compute_distances(texture, x.astype(np.float32), weights.astype(np.float32))
        for x in (patch, other)
    )
    np.testing.assert_array_equal(first, second)


def test_gaussian_window_falls_by_its_sigma():
    weights = gaussian_window(7, 1.5)
    assert weights.shape == (7, 7) and weights[3, 3] == 1
    assert weights[3, 6] == weights[0, 3] == pytest.approx(np.exp(-2))
    assert weights[2, 2] == pytest.approx(np.exp(-2 / 4.5))


def test_pick_takes_every_allowed_place_equally_often():
    allowed = np.zeros((4, 6), bool)
    places = [(0, 5), (1, 0), (1, 1), (3, 2), (3, 5)]
    for place in places:
        allowed[place] = True
    uniform = (np.arange(100) + 0.5) / 100
    found = np.asarray(pick(np.broadcast_to(allowed[..., None], (4, 6, 100)), uniform))
    assert [tuple(map(int, row)) for row in found[::20]] == places
    _, counts = np.unique(found, axis=0, return_counts=True)
    np.testing.assert_array_equal(counts, [20] * 5)


def test_pick_stays_inside_at_both_ends():
    allowed = np.zeros((3, 3, 2), bool)
    allowed[2, 2, 0] = allowed[0, 0, 1] = True
    for uniform in (0.0, 1 - 2**-24):
        found = pick(allowed, np.full(2, uniform, np.float32))
        np.testing.assert_array_equal(found, [(2, 2), (0, 0)])
