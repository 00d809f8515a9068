"""Pictures rounded to the levels of a file stay inside their ball."""

import numpy as np
import pytest

from jaxvis.attacks.rounding import measure_perturbation, round_to_levels


def test_a_value_goes_to_its_nearest_level():
    original = np.full((1, 1, 2, 1), 100 / 255)
    image = original + np.array([1.4, -2.6]).reshape(1, 1, 2, 1) / 255
    found = round_to_levels(image, original, epsilon=3 / 255, norm="linf")
    np.testing.assert_allclose(255 * found.ravel(), [101, 97], atol=1e-4)


def test_a_value_that_would_leave_the_ball_goes_towards_the_original():
    original = np.full((2, 1, 1, 1), 100 / 255)
    image = original + 2.7 / 255
    found = round_to_levels(image, original, epsilon=[2.7 / 255, 3 / 255], norm="linf")
    np.testing.assert_allclose(255 * found.ravel(), [102, 103], atol=1e-4)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
@pytest.mark.parametrize("levels", [255, 65535])
def test_rounded_pictures_are_whole_levels_inside_the_ball(norm, levels):
    draws = np.random.default_rng(3)
    original = np.rint(draws.uniform(size=(20, 4, 5, 3)) * levels) / levels
    delta = draws.normal(size=original.shape) * draws.uniform(0, 3, (20, 1, 1, 1)) / levels
    image = np.clip(original + delta, 0, 1)
    radius = measure_perturbation(image - original, norm)
    found = round_to_levels(image, original, epsilon=radius, norm=norm, levels=levels)
    assert found.min() >= 0 and found.max() <= 1
    np.testing.assert_allclose(found * levels, np.rint(found * levels), atol=0.01)
    whole = np.rint(found.astype(float) * levels) / levels
    assert np.all(measure_perturbation(whole - original, norm) <= radius + 1e-9)


def test_norms_of_a_perturbation_by_hand():
    delta = np.array([[[0.3, -0.4], [0.0, 0.0]]])[None]
    for norm, value in (("linf", 0.4), ("l2", 0.5), ("l1", 0.7), ("l0", 1.0)):
        np.testing.assert_allclose(measure_perturbation(delta, norm), [value])
