"""Inversion: the code is met, the loss is the paper's, nothing compiles twice."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import (
    SIDE,
    compilations,
    conv_net,
    counted_net,
    fc_net,
    photograph,
    relu_net,
)

from jaxvis import invert
from jaxvis.recipes import Natural
from jaxvis.types import Status

METHOD = importlib.import_module("jaxvis.methods.preimage.invert")


@pytest.fixture(scope="module")
def shallow():
    """Gives the net, the photograph and the run of inverting its first layer."""
    net, params = relu_net(SIDE)
    image = photograph(SIDE)
    return net, params, image, invert(net, params, image, tap="relu1", seeds=2)


def _asked(monkeypatch, *arguments, **options):
    """Gives (problem, params, first item) that the method hands to the solver."""
    asked = []

    def note(net, recipes, params, items, keys, **rest):
        first = jax.tree.map(lambda leaf: leaf[0], items)
        asked.append((recipes[0].problem(net), params, first))
        raise StopIteration

    monkeypatch.setattr(METHOD, "solve_stages", note)
    with pytest.raises(StopIteration):
        invert(*arguments, **options)
    return asked[0]


def test_run_has_the_seeds_axis(shallow):
    _, _, _, run = shallow
    assert run.image.shape == (2, SIDE, SIDE, 3)
    assert set(run.trace) == {
        "loss",
        "objective",
        "bounded_range",
        "total_variation",
    }
    assert set(run.facts) == {"steps", "chunk", "error", "code_error"}
    np.testing.assert_array_equal(run.facts["steps"], 300)
    assert run.trace["loss"].shape == (2, 300)
    assert run.facts["error"].shape == run.status.shape == (2,)
    assert np.all(run.status == Status.DONE)
    assert 0 <= run.image.min() < run.image.max() <= 1


def test_code_of_a_shallow_layer_is_met(shallow):
    net, params, image, run = shallow
    first = np.sqrt(run.trace["objective"][:, 0] / 300)
    assert np.all(run.facts["error"] < np.minimum(0.25, first / 3))
    target = np.asarray(net.code(params, image, "relu1"))
    for seed in range(2):
        found = np.asarray(net.code(params, run.image[seed], "relu1"))
        error = np.linalg.norm(found - target) / np.linalg.norm(target)
        assert run.facts["error"][seed] == pytest.approx(error, rel=1e-3)
    # The last step's data term is the error's square, times C.
    last = np.sqrt(run.trace["objective"][:, -1] / 300)
    np.testing.assert_allclose(last, run.facts["error"], rtol=0.1)


def test_image_itself_is_recovered_from_a_shallow_layer(shallow):
    _, _, image, run = shallow
    distance = np.sqrt(np.mean((run.image - image) ** 2, axis=(1, 2, 3)))
    assert distance.max() < 0.5 * float(jnp.std(image))


def test_seeds_start_apart_and_same_key_same_image(shallow):
    net, params, image, run = shallow
    assert abs(run.trace["loss"][0, 0] / run.trace["loss"][1, 0] - 1) > 1e-4
    again = invert(net, params, image, tap="relu1", seeds=2, key=0)
    np.testing.assert_array_equal(again.image, run.image)


def test_loss_at_the_image_itself_is_the_priors_alone(monkeypatch, key):
    net, params = relu_net(SIDE)
    image = photograph(SIDE)
    problem, params, item = _asked(monkeypatch, net, params, image, tap="relu2")
    z = problem.canvas.encode(image)
    loss, terms, _ = problem.loss(params, z, item, key)
    assert float(terms["objective"]) == pytest.approx(0, abs=1e-6)
    assert float(loss) == pytest.approx(
        float(terms["bounded_range"] + terms["total_variation"]), rel=1e-5
    )
    assert problem.projection.radius == 160
    # With no code at all the data term is C.
    dead = jax.tree.map(jnp.zeros_like, params)
    _, terms, _ = problem.loss(dead, z, item, key)
    assert float(terms["objective"]) == pytest.approx(300)


@pytest.mark.parametrize(("fidelity", "expected"), [(None, 300.0), (7.0, 7.0), (1, 1.0)])
def test_fidelity_weighs_the_data_term(fidelity, expected, monkeypatch, key):
    net, params = relu_net(SIDE)
    image = photograph(SIDE)
    problem, params, item = _asked(monkeypatch, net, params, image, tap="relu2", fidelity=fidelity)
    dead = jax.tree.map(jnp.zeros_like, params)
    _, terms, _ = problem.loss(dead, problem.canvas.encode(image), item, key)
    assert float(terms["objective"]) == pytest.approx(expected)


def test_mask_leaves_the_rest_free():
    net, params = relu_net(SIDE)
    image = photograph(SIDE)
    mask = np.zeros((SIDE, SIDE, 1), np.float32)
    mask[: SIDE // 2] = 1
    run = invert(net, params, image, tap="relu1", mask=mask, steps=100)
    distance = np.abs(run.image[0] - image).mean((1, 2))
    assert distance[: SIDE // 2 - 1].mean() < 0.5 * distance[SIDE // 2 + 1 :].mean()
    code = np.asarray(net.code(params, run.image[0], "relu1"))
    wanted = np.asarray(net.code(params, image, "relu1"))
    error = np.linalg.norm(mask * (code - wanted)) / np.linalg.norm(mask * wanted)
    assert run.facts["error"][0] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": "relu9"}, "no tap 'relu9'; its taps are input, conv1"),
        ({"tap": "relu1", "mask": 0.0}, "'relu1' is zero or not finite"),
        ({"tap": "relu1", "steps": 0}, "steps must be at least 1"),
        ({"tap": "relu1", "seeds": 0}, "at least 1"),
        ({"tap": "relu1", "chunk": 0}, "chunk must be at least 1"),
        ({"tap": "relu1", "recipe": "long"}, "recipe must be one of short, mahendran"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    net, params = relu_net(SIDE)
    with pytest.raises(ValueError, match=message):
        invert(net, params, photograph(SIDE), **options)


def test_a_dead_code_is_refused():
    net, params = relu_net(SIDE)
    dead = jax.tree.map(jnp.zeros_like, params)
    with pytest.raises(ValueError, match="choose an earlier tap or another image"):
        invert(net, dead, photograph(SIDE), tap="relu1")
    bias = jnp.full_like(params["conv1"]["bias"], jnp.nan)
    broken = {**params, "conv1": {**params["conv1"], "bias": bias}}
    with pytest.raises(ValueError, match="zero or not finite"):
        invert(net, broken, photograph(SIDE), tap="relu1")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (jnp.full((SIDE, SIDE, 3), jnp.nan), "the image has values that are NaN or infinite"),
        (255 * photograph(SIDE), "divide by 255"),
        ([photograph(SIDE), photograph(SIDE + 1)], "different sizes"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    net, params = relu_net(SIDE)
    with pytest.raises(ValueError, match=message):
        invert(net, params, image, tap="relu1")


def test_images_of_bytes_are_the_same_images():
    net, params = relu_net(SIDE)
    image = np.round(255 * np.asarray(photograph(SIDE))).astype(np.uint8)
    one, other = (
        invert(net, params, value, tap="relu1", steps=2)
        for value in (image, image.astype(np.float32) / np.float32(255))
    )
    np.testing.assert_array_equal(one.image, other.image)


def test_an_image_that_the_network_cannot_take_is_refused():
    net, params = fc_net()
    with pytest.raises(ValueError, match="'fc' takes images of 16x16"):
        invert(net, params, photograph(20), tap="fc")
    with pytest.raises(ValueError, match=r"one image \[H, W, 3\]"):
        invert(net, params, photograph(SIDE)[None, None], tap="relu1")


def test_deep_taps_and_scores_are_inverted_too():
    net, params = conv_net()
    run = invert(net, params, photograph(SIDE), tap="fc", steps=60)
    assert run.trace["objective"][0, -1] < 0.2 * run.trace["objective"][0, 0]


@pytest.mark.slow
def test_a_second_call_compiles_nothing():
    net, params, _ = counted_net()

    def again(seed):
        weights = jax.tree.map(lambda leaf: leaf * (1 + seed), params)
        run = invert(
            net,
            weights,
            np.random.default_rng(seed).random((SIDE, SIDE, 3)),
            tap="map",
            seeds=2,
            key=seed,
            fidelity=2.0 + seed,
            mask=1.0 - 0.1 * seed,
            recipe=Natural(rate=1e3 * (1 + seed), prior=1.0 + seed, second=8 + seed),
            steps=8 + seed,
        )
        assert np.all(run.status == Status.DONE)

    assert compilations(lambda: again(0)) > 0
    assert compilations(lambda: again(1)) == 0


@pytest.mark.slow
def test_a_seed_is_the_same_alone_and_among_others():
    net, params = relu_net(SIDE)
    photo = np.asarray(photograph(SIDE))
    options = {"tap": "relu1", "steps": 2, "recipe": Natural(second=0)}
    alone = invert(net, params, photo, **options)
    among = invert(
        net, params, np.stack([photo[::-1], photo]), seeds=2, fidelity=[3.0, 300.0], **options
    )
    # Other items stand beside it, in another program: only the rounding differs.
    np.testing.assert_allclose(among.image[1, 1, 0], alone.image[0], atol=1e-4)
    np.testing.assert_allclose(among.trace["loss"][1, 1, 0], alone.trace["loss"][0], rtol=1e-4)


def test_a_function_of_ones_own_is_inverted():
    net, params, _ = counted_net()
    image = photograph(SIDE)
    run = invert(net, params, image, tap="map", steps=100)
    assert run.facts["error"][0] < 0.3
