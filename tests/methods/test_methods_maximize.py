"""Maximise: shapes, presets, what is refused, and pictures with known answers."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny_nets import SIDE, compilations, conv_net, counted_net, fc_net, relu_net

import jaxvis
from jaxvis import maximize
from jaxvis.loss.objectives import Amplify, CrossEntropy, Direction, Excite
from jaxvis.nets import from_nnx
from jaxvis.nets.demo.images import CLASSES
from jaxvis.optimize import step_programs
from jaxvis.optimize.rules.first_order import adam
from jaxvis.types import Status
from tests.demo_answers import matches

METHOD = importlib.import_module("jaxvis.methods.maximize")
STEPS = 3
SWEEP = {"tap": "relu2", "index": [0, 3], "seeds": 2, "steps": STEPS}
# The cheapest preset to compile, where any would do.
PLAIN = {"preset": "plain", "steps": STEPS}


@pytest.fixture(scope="module")
def swept():
    """Returns the run of two channels and two seeds, on the default preset."""
    net, params = conv_net()
    return maximize(net, params, **SWEEP)


def test_run_has_an_axis_for_indices_and_one_for_seeds(swept):
    assert swept.image.shape == (2, 2, SIDE, SIDE, 3)
    assert swept.trace["loss"].shape == (2, 2, STEPS)
    assert swept.trace["status"].shape == (2, 2)
    assert np.all(swept.trace["status"] == Status.DONE)
    assert 0 <= swept.image.min() < swept.image.max() <= 1


def test_seeds_and_indices_give_different_pictures(swept):
    flat = swept.image.reshape(4, -1)
    apart = np.abs(flat[:, None] - flat[None]).max(-1) + np.eye(4)
    assert apart.min() > 1e-3


def test_same_key_same_pictures(swept):
    net, params = conv_net()
    for key in (0, jax.random.key(0)):
        again = maximize(net, params, key=key, **SWEEP)
        np.testing.assert_array_equal(again.image, swept.image)
    other = maximize(net, params, key=1, **SWEEP)
    assert np.abs(other.image - swept.image).max((2, 3, 4)).min() > 1e-3


def test_one_index_still_has_both_axes():
    net, params = conv_net()
    run = maximize(net, params, tap="relu2", index=3, **PLAIN)
    assert run.image.shape == (1, 1, SIDE, SIDE, 3)


def test_chunks_and_their_callback_cover_every_picture():
    net, params = conv_net()
    seen = []
    run = maximize(
        net,
        params,
        tap="relu2",
        index=[0, 3, 5],
        seeds=2,
        chunk=4,
        **PLAIN,
        on_chunk=lambda where, part: seen.append((where, part.image.shape)),
    )
    assert run.image.shape == (3, 2, SIDE, SIDE, 3)
    assert seen == [
        (range(0, 4), (4, SIDE, SIDE, 3)),
        (range(4, 6), (2, SIDE, SIDE, 3)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("preset", METHOD.RECIPES)
def test_every_preset_excites_its_channel_and_compiles_once(preset):
    net, params = conv_net()
    options = {"tap": "relu2", "preset": preset, "steps": 60}
    run = maximize(net, params, index=[1, 6], **options)
    assert run.image.shape == (2, 1, SIDE, SIDE, 3)
    assert 0 <= run.image.min() < run.image.max() <= 1
    codes = [np.asarray(net.code(params, image, "relu2")).mean((0, 1)) for image in run.image[:, 0]]
    assert codes[0][1] > codes[1][1]
    assert codes[1][6] > codes[0][6]
    terms = run.trace["objective"][:, 0]
    assert np.all(terms[:, -15:].mean(1) < terms[:, :5].mean(1))

    programs = (step_programs.begin, step_programs.step_once, step_programs.finish)
    before = [program._cache_size() for program in programs]
    weights = jax.tree.map(lambda leaf: 0.5 * leaf, params)
    maximize(net, weights, index=[2, 4], key=5, **options)
    assert [program._cache_size() for program in programs] == before


def test_pictures_have_the_size_asked_for():
    net, params = conv_net()
    run = maximize(net, params, tap="relu2", size=(20, 24), **PLAIN)
    assert run.image.shape == (1, 1, 20, 24, 3)


def test_plain_starts_at_the_mean_colour():
    net, params = conv_net()
    still = maximize(net, params, tap="relu2", preset="plain", steps=1, optimizer=adam(0.0))
    np.testing.assert_allclose(still.image[0, 0, 3, 3], (0.485, 0.456, 0.406), atol=1e-6)


@pytest.mark.parametrize("position", ["centre", (1, 6)])
def test_position_excites_one_neuron(position):
    net, params = conv_net()
    run = maximize(net, params, tap="conv2", index=2, position=position, preset="plain", steps=20)
    code = np.asarray(net.code(params, run.image[0, 0], "conv2"))[..., 2]
    assert np.unravel_index(code.argmax(), code.shape) == (
        (4, 4) if position == "centre" else position
    )


def test_class_scores_are_the_default():
    net, params = conv_net()
    run = maximize(net, params, index=range(5), **PLAIN)
    assert run.image.shape == (5, 1, SIDE, SIDE, 3)
    both = [Excite("fc", i) + CrossEntropy("fc", i) for i in range(5)]
    named = maximize(net, params, objective=both, **PLAIN)
    np.testing.assert_array_equal(run.image, named.image)


def test_fully_connected_networks_are_shown_their_own_size():
    net, params = fc_net()
    run = maximize(net, params, index=[1], steps=STEPS, size=(24, 24))
    assert run.image.shape == (1, 1, 24, 24, 3)
    assert np.all(run.trace["status"] == Status.DONE)


def test_objectives_of_ones_own_are_swept_too():
    net, params = conv_net()
    vectors = jnp.eye(8)[:3]
    directions = [Direction("relu2", vector) for vector in vectors]
    run = maximize(net, params, objective=directions, seeds=2, **PLAIN)
    assert run.image.shape == (3, 2, SIDE, SIDE, 3)
    # A direction along one axis is that channel.
    channels = maximize(net, params, tap="relu2", index=range(3), seeds=2, **PLAIN)
    np.testing.assert_allclose(run.image, channels.image, atol=1e-4)


def test_one_objective_is_one_picture():
    net, params = conv_net()
    both = Excite("relu2", 1) - 0.5 * Excite("relu1", 2) + 1e-3 * Amplify("relu2")
    run = maximize(net, params, objective=both, **PLAIN)
    assert run.image.shape == (1, 1, SIDE, SIDE, 3)
    assert np.all(run.trace["status"] == Status.DONE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": "relu9"}, r"no tap 'relu9'; its taps are input, conv1, relu1"),
        ({"tap": "relu2", "index": 8}, r"'relu2' of tiny_conv has 8 channels, 0..7"),
        ({"index": -1}, r"'fc' of tiny_conv has 5 channels, 0..4; got index -1"),
        ({"index": []}, "has 5 channels"),
        (
            {"preset": "sharp"},
            "preset is one of robust, lucid, plain, maco, mahendran, not 'sha",
        ),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"tap": "relu2", "position": (8, 0)}, r"8x8 cells of 'relu2', not \(8, 0\)"),
        ({"objective": Excite("nowhere", 1)}, "no tap 'nowhere'"),
        ({"position": "centre"}, "pass tap= too"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_refused(options, message):
    net, params = conv_net()
    with pytest.raises(ValueError, match=message):
        maximize(net, params, **{**PLAIN, **options})


def test_a_picture_that_a_fully_connected_layer_cannot_take_is_refused():
    net, params = fc_net()
    with pytest.raises(ValueError, match="'fc' takes images of 16x16"):
        maximize(net, params, preset="plain", size=(20, 20), steps=STEPS)


def test_a_network_without_scores_asks_for_a_tap():
    net, params = relu_net(SIDE)
    with pytest.raises(ValueError, match="names no class scores: pass tap="):
        maximize(net, params, steps=STEPS)


def test_a_second_call_compiles_nothing():
    net, params, _ = counted_net()

    def again(index, seed):
        weights = jax.tree.map(lambda leaf: leaf * (1 + seed), params)
        maximize(net, weights, index=index, seeds=2, key=seed, **PLAIN)

    assert compilations(lambda: again([0, 1], 0)) > 0
    assert compilations(lambda: again([2, 3], 1)) == 0


def test_a_function_of_ones_own_is_maximised():
    net, params, _ = counted_net()
    run = maximize(net, params, index=[0, 3], preset="plain", steps=20)
    assert run.image.shape == (2, 1, SIDE, SIDE, 3)
    assert np.all(run.trace["objective"][..., -1] < run.trace["objective"][..., 0])


def test_an_nnx_module_of_ones_own_is_maximised():
    class Small(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)

        def __call__(self, x):
            return jnp.mean(nnx.relu(self.conv(x)), axis=(1, 2))

    net, params = from_nnx(Small(nnx.Rngs(0)), input_size=(SIDE, SIDE))
    run = maximize(net, params, tap="conv", index=[0, 1], preset="plain", steps=20)
    assert run.image.shape == (2, 1, SIDE, SIDE, 3)
    assert np.all(run.trace["objective"][..., -1] < run.trace["objective"][..., 0])


@pytest.mark.slow
def test_pictures_of_the_demo_networks_classes_show_the_known_answers():
    net, params = jaxvis.load("demo")
    asked = list(range(0, len(CLASSES), 4))
    run = maximize(net, params, index=asked)
    shown, _ = METHOD._seen(net, params, Excite("fc8", 0), net.input_size)
    zoom = net.input_size[0] / shown
    wrong = [
        label
        for label, image in zip(CLASSES[::4], run.image[:, 0], strict=True)
        if not matches(label, image, zoom=zoom)
    ]
    assert not wrong
    scores = jax.vmap(lambda x: net.apply(params, x, stop="fc8")["fc8"])
    np.testing.assert_array_equal(np.argmax(scores(run.image[:, 0]), axis=1), asked)
