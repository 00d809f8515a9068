"""DeepDream: octaves, steps of a known length, and what it amplifies."""

import importlib
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, conv_net, counted_net, fc_net, photograph

from jaxvis import dream
from jaxvis.loss.objectives import Amplify, Excite
from jaxvis.recipes import DreamRecipe
from jaxvis.types import Interrupted, Status

METHOD = importlib.import_module("jaxvis.methods.dream")
OPTIONS = {"recipe": DreamRecipe(octaves=2, steps=4, jitter=2)}


@pytest.fixture(scope="module")
def run():
    """Returns two dreams of a photograph."""
    net, params = conv_net()
    return dream(net, params, photograph(SIDE), tap="relu2", seeds=2, **OPTIONS)


@pytest.mark.slow
def test_run_has_the_seeds_axis_and_all_octaves_in_its_trace(run):
    assert run.image.shape == (2, SIDE, SIDE, 3)
    assert run.trace["loss"].shape == run.trace["objective"].shape == (2, 8)
    np.testing.assert_array_equal(run.status, [Status.DONE, Status.DONE])
    np.testing.assert_array_equal(run.facts["steps"], [8, 8])
    assert 0 <= run.image.min() < run.image.max() <= 1
    np.testing.assert_allclose(run.image, run.z, atol=1e-6)


def test_what_the_layer_sees_is_amplified_and_the_photograph_remains(run):
    net, params = conv_net()
    photo = photograph(SIDE)
    before, after = (
        float(jnp.sum(net.code(params, image, "relu2") ** 2)) for image in (photo, run.image[0])
    )
    assert after > 1.1 * before
    assert 0.01 < np.abs(run.image - photo).mean() < 0.1
    for octave in np.split(run.trace["loss"], 2, axis=1):
        assert np.all(octave[:, -1] < octave[:, 0])


def test_seeds_differ_and_same_key_same_dream(run):
    net, params = conv_net()
    assert np.abs(run.image[0] - run.image[1]).max() > 1e-3
    photo = photograph(SIDE)
    again = dream(net, params, photo, tap="relu2", seeds=2, key=0, **OPTIONS)
    np.testing.assert_array_equal(again.image, run.image)


@pytest.mark.slow
def test_one_step_moves_by_its_size_on_average():
    net, params = conv_net()
    photo = 0.25 + 0.5 * photograph(SIDE)  # away from black and white: no clipping
    for size in (1.5, 4.0):
        run = dream(net, params, photo, tap="relu2", recipe=DreamRecipe(1, steps=1, step_size=size))
        moved = np.abs(run.image[0] - photo).mean() * 255
        assert moved == pytest.approx(size, rel=1e-2)


@pytest.mark.slow
def test_step_follows_the_gradient_of_half_the_squared_activations():
    net, params = conv_net()
    photo = 0.25 + 0.5 * photograph(SIDE)
    run = dream(net, params, photo, tap="relu2", recipe=DreamRecipe(1, steps=1, jitter=0))
    grad = jax.grad(
        lambda image: jnp.sum(net.apply(params, image, stop="relu2")["relu2"] ** 2) / 2
    )(photo)
    expected = photo + 1.5 / 255 * grad / jnp.mean(jnp.abs(grad))
    np.testing.assert_allclose(run.image[0], expected, atol=1e-5)


def test_octaves_grow_by_their_scale_to_the_full_size():
    assert METHOD._octave_sizes((100, 50), 3, 1.4) == [(51, 26), (71, 36), (100, 50)]
    assert METHOD._octave_sizes((3, 3), 3, 4.0) == [(1, 1), (1, 1), (3, 3)]


@pytest.mark.slow
def test_details_of_small_octaves_are_carried_up(monkeypatch):
    net, params = conv_net()
    starts, solve = [], METHOD.solve

    def watched(problem, params, items, key, *, start, **rest):
        starts.append(np.asarray(start))
        return solve(problem, params, items, key, start=start, **rest)

    monkeypatch.setattr(METHOD, "solve", watched)
    photo = photograph(SIDE)
    dream(net, params, photo, tap="relu2", recipe=DreamRecipe(3, steps=2, jitter=0))
    assert [start.shape[1] for start in starts] == [8, 11, 16]
    small = jax.image.resize(photo, (8, 8, 3), "linear")
    np.testing.assert_allclose(starts[0][0], small, atol=1e-5)
    added = np.abs(starts[2][0] - photo).mean() * 255
    assert 1 < added < 2 * 2 * 1.5


@pytest.mark.slow
def test_objective_instead_of_a_tap():
    net, params = conv_net()
    photo = photograph(SIDE)
    by_tap, named, channel = (
        dream(net, params, photo, **what, **OPTIONS).image
        for what in (
            {"tap": "relu2"},
            {"objective": Amplify("relu2")},
            {"objective": Excite("relu2", 3)},
        )
    )
    np.testing.assert_array_equal(by_tap, named)
    assert np.abs(by_tap - channel).max() > 1e-3
    before, after = (
        float(jnp.mean(net.code(params, image, "relu2")[..., 3])) for image in (photo, channel[0])
    )
    assert after > before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "pass either tap= or objective="),
        ({"tap": "relu2", "objective": Amplify("relu2")}, "pass either"),
        ({"tap": "relu9"}, "no tap 'relu9'; its taps are input, conv1"),
        ({"objective": Excite("relu9", 0)}, "no tap 'relu9'"),
        ({"tap": "relu2", "recipe": "nightmare"}, "recipe must be one of deepdream, or a Dream"),
        ({"tap": "relu2", "steps": 0}, "steps must be at least 1"),
        ({"tap": "relu2", "seeds": 0}, "at least 1"),
        ({"tap": "relu2", "recipe": DreamRecipe(12)}, "too small"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    net, params = conv_net()
    with pytest.raises(ValueError, match=message):
        dream(net, params, photograph(SIDE), **options)


def test_octaves_without_a_meaning_are_refused():
    for options in ({"octaves": 0}, {"octave_scale": 1.0}):
        with pytest.raises(ValueError, match="octaves must be at least 1 and octave_scale above"):
            DreamRecipe(**options)


def test_octaves_that_a_fully_connected_layer_cannot_take_are_refused():
    net, params = fc_net()
    with pytest.raises(ValueError, match="'fc' takes images of 16x16"):
        dream(net, params, photograph(SIDE), tap="fc", recipe=DreamRecipe(2))


def test_an_interruption_keeps_the_octaves_so_far(monkeypatch):
    net, params = conv_net()
    solve, calls = METHOD.solve, []

    def interrupt(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise Interrupted
        return solve(*arguments, **options)

    monkeypatch.setattr(METHOD, "solve", interrupt)
    with pytest.raises(Interrupted) as stop:
        dream(net, params, photograph(SIDE), tap="relu2", seeds=2, **OPTIONS)
    run = stop.value.run
    np.testing.assert_array_equal(run.status, [Status.UNFINISHED, Status.UNFINISHED])
    np.testing.assert_array_equal(run.facts["steps"], [4, 4])
    assert run.image.shape == (2, 11, 11, 3)  # the first octave's


@pytest.mark.slow
def test_a_second_call_compiles_nothing():
    net, params, _ = counted_net()

    def again(seed, step_size, steps):
        image = np.random.default_rng(seed).random((SIDE, SIDE, 3))
        recipe = replace(OPTIONS["recipe"], step_size=step_size)
        dream(net, params, image, tap="map", key=seed, seeds=2, recipe=recipe, steps=steps)

    assert compilations(lambda: again(0, 1.5, 4)) > 0
    assert compilations(lambda: again(1, 3.0, 2)) == 0
