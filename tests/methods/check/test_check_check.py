"""The check of a network: what it sees, layers that say nothing, other preprocessings."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.images import MEAN
from jaxvis.methods.check.conventions import measure_input, see
from jaxvis.methods.check.taps import find_faults
from jaxvis.nets.demo.images import CLASSES, draw

SIZE = (64, 64)
RED, BLUE = CLASSES.index("red"), CLASSES.index("blue")


@functools.cache
def demo():
    return jaxvis.load("demo")


@functools.cache
def picture(label):
    return jax.jit(lambda: draw(jax.random.key(4), CLASSES.index(label)))()


def misread(make_rgb, **options):
    """Returns the trained network, which takes RGB in [0, 1], as a user misunderstands it.

    Args:
      make_rgb: of what the network is given: the truth.
      **options: of from_function: what the user believes.
    """
    net, trained = demo()

    def front(params, x):
        taps = net.apply(params, make_rgb(x))
        return {"relu2_1": taps["relu2_1"], "scores": taps[net.scores]}

    return jaxvis.from_function(front, trained, input_size=SIZE, scores="scores", **options)


@pytest.mark.slow
@pytest.mark.parametrize("label", ["red", "blue", "rings", "checkers"])
def test_a_network_that_is_read_rightly_has_nothing_wrong(label):
    found = jaxvis.check(*demo(), picture(label), labels=CLASSES, shows=CLASSES.index(label))
    assert found.warnings == ()
    assert found.top[0][0] == CLASSES.index(label) and found.top[0][1] > 0.9
    assert [p for _, p in found.top] == sorted((p for _, p in found.top), reverse=True)
    assert found.readings[0].how == "as it is now" and len(found.readings) > 5
    text = str(found)
    assert f"{CLASSES.index(label)} {label}" in text and text.endswith("Nothing looks wrong.")


@pytest.mark.slow
def test_the_numbers_that_enter_the_first_layer_are_shown():
    net, params = demo()
    image = picture("rings")
    seen = np.asarray(net.apply(params, image, stop="input")["input"])
    wanted = [(seen[..., c].min(), seen[..., c].max(), seen[..., c].mean()) for c in range(3)]
    np.testing.assert_allclose(jaxvis.check(net, params, image).channels, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("make_rgb", "options", "cure"),
    [
        (lambda x: x / 255, {}, "values from 0 to 255, RGB"),
        (lambda x: x, {"range": (0, 255)}, "values from 0 to 1, RGB"),
        (lambda x: (x + 1) / 2, {"range": (0, 255)}, "values from -1 to 1, RGB"),
    ],
    ids=["1 for 255", "255 for 1", "255 for -1..1"],
)
def test_values_on_a_wrong_scale_are_found_and_the_right_one_is_named(make_rgb, options, cure):
    found = jaxvis.check(*misread(make_rgb, **options), picture("red"), shows=RED)
    assert any("recognised with " in w and cure in w for w in found.warnings)
    best = next(one for one in found.readings if one.how == cure)
    assert best.number == RED and best.probability > 0.9
    assert "WARNING" in str(found) and "Nothing looks wrong" not in str(found)


def test_an_answer_that_hardly_depends_on_the_picture_is_told():
    found = jaxvis.check(*misread(lambda x: x / 255), picture("red"))
    assert any("hardly depends on the picture" in warning for warning in found.warnings)


@pytest.mark.parametrize(("white", "step"), [(65025, "6.5e+04"), (1 / 255, "0.00392")])
def test_a_scale_that_no_network_has_is_told_whatever_it_answers(white, step):
    """A network of ReLUs answers to images that are 255 times as bright nearly as before."""
    net, params = misread(lambda x: x / white, range=(0, white))
    (warning,) = jaxvis.check(net, params, picture("red"), shows=RED).warnings
    assert warning.startswith(f"from black to white is a step of {step} for the first layer")


def test_red_for_blue_is_found_where_it_is_said_what_the_photograph_shows():
    net, params = misread(lambda x: x[..., ::-1])
    found = jaxvis.check(net, params, picture("red"), shows=RED)
    assert found.top[0][0] == BLUE
    assert any("recognised" in w and "values from 0 to 1, BGR" in w for w in found.warnings)
    net, params = misread(lambda x: x[..., ::-1], channels="BGR")
    assert jaxvis.check(net, params, picture("red"), shows=RED).warnings == ()


def scores_of(function, **options):
    return jaxvis.from_function(function, {}, input_size=SIZE, scores="scores", **options)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p, x: {"maps": 0 * x, "scores": x[0, :, 0]}, "maps is all zero"),
        (lambda p, x: {"maps": x / 0, "scores": x[0, :, 0]}, r"maps is not finite \(NaN"),
        (lambda p, x: {"maps": 0 * x + 3, "scores": x[0, :, 0]}, "maps is constant"),
        (
            lambda p, x: {"maps": jnp.tanh(1e6 * (x - 0.5)), "scores": x[0, :, 0]},
            "maps is saturated",
        ),
        (lambda p, x: {"scores": jnp.full(9, jnp.nan) * x.mean()}, "scores are not finite"),
        (lambda p, x: {"scores": 1e-3 * x[0, :, 0]}, "all 64 classes are nearly as probable"),
        (lambda p, x: {"scores": jnp.arange(9.0) + 0 * x.mean()}, "hardly depends on the picture"),
        (lambda p, x: {"scores": jax.nn.softmax(x[0, :, 0])}, "they are probabilities already"),
    ],
    ids=["zero", "nan", "constant", "saturated", "nan scores", "uniform", "same", "softmax"],
)
def test_layers_and_answers_that_say_nothing_are_told(function, message):
    found = jaxvis.check(*scores_of(function), picture("rings"))
    assert any(re.search(message, warning) for warning in found.warnings)


def test_a_relu_is_not_saturated_and_one_sentence_tells_of_all_layers():
    def rectify(params, x):
        maps = jax.nn.relu(x - 0.7)
        return {"maps": maps, "one": 0 * maps, "two": 0 * maps, "scores": maps.mean((0, 1))}

    net, params = scores_of(rectify)
    faults = find_faults(net, params, picture("rings"))
    assert faults == ["the activation of one is all zero, and so are 1 further layers of 4"]


def test_a_network_without_class_scores_is_checked_by_its_layers():
    net, params = jaxvis.from_function(
        lambda p, x: {"maps": 2 * x}, {}, input_size=SIZE, range=(-1, 1)
    )
    found = jaxvis.check(net, params, picture("rings"))
    assert found.top == found.readings == found.warnings == ()
    assert all(-1 <= low < high <= 1 for low, high, _ in found.channels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ("a", "b")}, "2 labels came for the 20 classes"),
        ({"shows": 20}, "shows= is a class of demo, from 0 to 19, not 20"),
        ({"shows": -1}, "from 0 to 19"),
    ],
)
def test_labels_and_classes_that_the_network_does_not_have_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jaxvis.check(*demo(), picture("red"), **options)


@pytest.mark.parametrize(
    ("options", "matrix", "shift", "words"),
    [
        ({}, np.eye(3), [0, 0, 0], "RGB"),
        ({"range": (0, 255), "mean": (1, 2, 3)}, 255 * np.eye(3), [-1, -2, -3], "RGB"),
        (
            {"channels": "BGR", "range": (-1, 1), "std": (1, 2, 4)},
            [[0, 0, 0.5], [0, 1, 0], [2, 0, 0]],
            [-1, -0.5, -0.25],
            "BGR",
        ),
        ({"channels": "grey", "range": (0, 10), "mean": 2}, [[10]], [-2], "grey"),
    ],
)
def test_what_a_network_makes_of_colours_is_measured(options, matrix, shift, words):
    net, params = jaxvis.from_function(lambda p, x: {"maps": x}, {}, input_size=(8, 8), **options)
    known = measure_input(net, params, (8, 8))
    np.testing.assert_allclose(known.matrix, matrix, atol=1e-4)
    np.testing.assert_allclose(known.shift, shift, atol=1e-4)
    assert known.words == words
    image = jnp.asarray(np.random.default_rng(0).random((8, 8, net.channels)), jnp.float32)
    for _, values in known.list_others(image, see(net, params, image)):
        again = see(net, params, known.undo(values))
        np.testing.assert_allclose(again, values, rtol=1e-3, atol=2e-3)


def test_other_preprocessings_are_the_common_ones_but_the_networks_own():
    net, params = jaxvis.from_function(
        lambda p, x: {"maps": x},
        {},
        input_size=(8, 8),
        channels="BGR",
        range=(0, 255),
        mean=(104, 117, 123),
    )
    image = jnp.asarray(np.random.default_rng(0).random((8, 8, 3)), jnp.float32)
    known = measure_input(net, params, (8, 8))
    others = dict(known.list_others(image, see(net, params, image)))
    assert "values from 0 to 255 less ImageNet's mean, BGR" not in others and len(others) == 9
    wanted = 255 * (image - jnp.array(MEAN))
    np.testing.assert_allclose(
        others["values from 0 to 255 less ImageNet's mean, RGB"], wanted, atol=1e-3
    )
    np.testing.assert_allclose(others["values from -1 to 1, BGR"], (2 * image - 1)[..., ::-1])


def test_a_front_that_is_no_matrix_and_shift_is_left_alone():
    net, params = jaxvis.load("hogb")
    assert jaxvis.check(net, params, picture("rings")).readings == ()
