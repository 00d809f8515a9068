"""Judges of heatmaps, by hand on sums of pixels."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.evaluate.heatmaps.judging import rank_pixels
from jaxvis.nets.adapters import from_function

SIDE = 4
WEIGHTS = np.arange(1.0, 17.0, dtype=np.float32).reshape(SIDE, SIDE)
WHITE = np.ones((SIDE, SIDE, 3), np.float32)


def add_up(params, image):
    total = jnp.sum(params["sum"]["weights"] * jnp.mean(image, axis=-1))
    return {"total": total[None], "scores": jnp.stack([total / 16, 4.0 + 0 * total])}


@pytest.fixture(scope="module")
def linear():
    """Returns (net, params) of a sum of weighted pixels, alone and as one of two classes."""
    params = {"sum": {"weights": jnp.asarray(WEIGHTS)}}
    return from_function(add_up, params, input_size=(SIDE, SIDE), scores="scores")


def test_ranks_begin_with_the_hottest_and_ties_follow_row_by_row():
    ranks = rank_pixels(np.array([[1.0, 3.0], [3.0, 2.0]]))
    assert ranks.tolist() == [[3, 0], [1, 2]]


def test_deletion_and_insertion_of_a_sum_by_hand(linear):
    options = {"tap": "total", "index": 0, "steps": 4, "baseline": "zero"}
    down = jaxvis.deletion(*linear, WHITE, WEIGHTS, **options)
    # 16 + 15 + 14 + 13 = 58 go first.
    np.testing.assert_allclose(down.scores, [136, 78, 36, 10, 0], atol=1e-3)
    np.testing.assert_allclose(down.area, (136 / 2 + 78 + 36 + 10) / 4, rtol=1e-5)
    up = jaxvis.insertion(*linear, WHITE, WEIGHTS, **options)
    np.testing.assert_allclose(up.scores, [0, 58, 100, 126, 136], atol=1e-3)
    np.testing.assert_allclose(down.parts, [0, 0.25, 0.5, 0.75, 1])


def test_each_map_of_several_is_followed(linear):
    maps = np.stack([WEIGHTS, -WEIGHTS])
    photos = np.stack([WHITE, WHITE / 2])
    both = jaxvis.deletion(*linear, photos, maps, tap="total", index=0, steps=2, baseline="zero")
    np.testing.assert_allclose(both.scores, [[136, 36, 0], [68, 50, 0]], atol=1e-3)
    lists = jaxvis.deletion(
        *linear, photos, maps[:, None], tap="total", index=[0], steps=2, baseline="zero", chunk=1
    )
    np.testing.assert_allclose(lists.scores[:, 0], both.scores)


def test_classes_are_judged_by_their_probability(linear):
    curve = jaxvis.deletion(*linear, WHITE, WEIGHTS, index=0, steps=1, baseline="zero")
    wanted = [1 / (1 + np.exp(4 - 136 / 16)), 1 / (1 + np.exp(4))]
    np.testing.assert_allclose(curve.scores, wanted, rtol=1e-4)
    best = jaxvis.deletion(*linear, WHITE, WEIGHTS, steps=1, baseline="zero")
    np.testing.assert_allclose(best.scores, curve.scores, rtol=1e-6)


def test_drop_and_increase_by_hand(linear):
    maps = np.stack([np.ones((SIDE, SIDE)), np.eye(SIDE), -np.eye(SIDE)])
    photos = np.stack([WHITE] * 3)
    options = {"tap": "total", "index": 0, "baseline": "zero"}
    drops = jaxvis.average_drop(*linear, photos, maps, **options)
    on_diagonal = (1 + 6 + 11 + 16) / 136
    # The flat map hides everything.
    np.testing.assert_allclose(drops, [1, 1 - on_diagonal, on_diagonal], rtol=1e-5)
    assert not jaxvis.average_increase(*linear, photos, maps, **options).any()
    other = jaxvis.average_increase(*linear, WHITE, np.eye(SIDE), index=1, baseline="zero")
    assert other.shape == () and other


@pytest.mark.parametrize("change", ["square", pytest.param("noise", marks=pytest.mark.slow)])
def test_gradient_times_input_is_faithful_to_a_sum_and_other_maps_are_not(linear, change):
    maps = np.stack([WEIGHTS, 2 * WEIGHTS, np.ones((SIDE, SIDE))])
    photos = np.stack([WHITE] * 3)
    options = {"tap": "total", "index": 0, "change": change, "samples": 40}
    found = jaxvis.infidelity(*linear, photos, maps, **options)
    assert found[0] < 1e-6 and found[1] > 1 and found[2] > 1
    scaled = jaxvis.infidelity(*linear, photos, maps, normalise=True, **options)
    assert scaled[1] < 1e-6 and 0.1 < scaled[2] < found[2]


def test_sensitivity_of_a_map_that_is_the_image_itself():
    def explain(images):
        return np.asarray(images).mean(-1)

    grey = np.full((8, 8, 3), 0.5, np.float32)
    found = jaxvis.max_sensitivity(explain, grey, radius=0.1, samples=5)
    # The mean of three uniform numbers has a third of their variance, 0.1^2 / 3.
    np.testing.assert_allclose(found, 0.1 / 3 / 0.5, rtol=0.3)
    several = jaxvis.max_sensitivity(lambda x: np.zeros((len(x), 2, 8, 8)), grey[None])
    assert several.tolist() == [[0.0, 0.0]]
    with pytest.raises(ValueError, match="takes images"):
        jaxvis.max_sensitivity(lambda x: np.zeros((8, 8)), grey)


def test_gini_of_known_maps():
    one = np.zeros((4, 4))
    one[1, 2] = -3
    maps = np.stack([one, np.ones((4, 4)), np.zeros((4, 4))])
    np.testing.assert_allclose(jaxvis.sparseness(maps), [1 - 1 / 16, 0, 0], atol=1e-12)
    np.testing.assert_allclose(jaxvis.sparseness([[1.0, 3.0]]), 0.25)


def test_the_pointing_game():
    heat = np.zeros((3, 20, 20))
    heat[0, 5, 5] = heat[1, 5, 12] = 1
    box = (4, 4, 8, 8)
    assert jaxvis.pointing_game(heat, boxes=box, tolerance=0).tolist() == [True, False, False]
    assert jaxvis.pointing_game(heat, boxes=box, tolerance=5).tolist() == [True, True, False]
    mask = np.zeros((20, 20), bool)
    mask[4:8, 4:8] = True
    for tolerance in (0, 4, 5):
        by_box = jaxvis.pointing_game(heat, boxes=[box] * 3, tolerance=tolerance)
        by_mask = jaxvis.pointing_game(heat, masks=mask, tolerance=tolerance)
        assert by_box.tolist() == by_mask.tolist()


def test_effort_is_less_than_that_of_random_maps(linear):
    maps = np.stack([WEIGHTS, -WEIGHTS])
    photos = np.stack([WHITE] * 2)
    for effort in ("area", "flip"):
        found = jaxvis.effort_ratio(
            *linear, photos, maps, index=0, effort=effort, steps=16, baseline="zero"
        )
        assert found[0] < 1 < found[1]


def test_a_class_flips_by_hand(linear):
    # 136 - 16 - 15 - 14 - 13 = 78 > 64, and without 12 also it is 66, without 11 too 55.
    own = jaxvis.effort_ratio(
        *linear, WHITE, WEIGHTS, index=0, effort="flip", steps=16, baseline="zero", randoms=3
    )
    less = jaxvis.effort_ratio(
        *linear, WHITE, -WEIGHTS, index=0, effort="flip", steps=16, baseline="zero", randoms=3
    )
    # From the other end 1 + ... + 11 = 66 leave 70, and 12 more leave 58.
    np.testing.assert_allclose(own / less, 6 / 12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net: jaxvis.deletion(*net, WHITE, np.ones((3, 3)), index=0), "have the shape"),
        (lambda net: jaxvis.deletion(*net, WHITE, WEIGHTS, index=2), "has 2 channels"),
        (lambda net: jaxvis.deletion(*net, WHITE, WEIGHTS, index=0, steps=17), "at most 16"),
        (lambda net: jaxvis.deletion(*net, WHITE, np.nan * WEIGHTS, index=0), "NaN"),
        (lambda net: jaxvis.infidelity(*net, WHITE, WEIGHTS, index=0, change="x"), "square or"),
        (lambda net: jaxvis.effort_ratio(*net, WHITE, WEIGHTS, effort="x"), "area or flip"),
        (lambda net: jaxvis.pointing_game(WEIGHTS), "either boxes= or masks="),
        (lambda net: jaxvis.pointing_game(WEIGHTS, boxes=(1, 2)), r"boxes are \[..., 4\]"),
        (lambda net: jaxvis.pointing_game(WEIGHTS, boxes=np.zeros((3, 4))), "leading axes"),
        (lambda net: jaxvis.sparseness(np.ones(4)), "heatmaps are"),
        (lambda net: jaxvis.max_sensitivity(len, WHITE, radius=0), "radius is a number above 0"),
    ],
)
def test_bad_input_is_told(linear, call, words):
    with pytest.raises(ValueError, match=words):
        call(linear)
