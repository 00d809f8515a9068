"""The methods on a real network: SqueezeNet 1.1, converted, and photographs."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxvis
from weights_convert import convert

SIDE = 128
"""Pixels a side: SqueezeNet takes any size, and small ones keep these tests short."""


@pytest.fixture(scope="module")
def squeezenet(data_file, tmp_path_factory):
    """Returns SqueezeNet 1.1 with its real parameters."""
    source = data_file("weights/squeezenet_v1.1_f32.npz")
    out = tmp_path_factory.mktemp("real") / "squeezenet1_1.safetensors"
    convert([source], net="squeezenet1_1", out=out)
    return jaxvis.load("squeezenet1_1", weights=out)


@pytest.fixture(scope="module")
def dog(data_file):
    """Returns a photograph of a golden retriever (class 207), `[128, 128, 3]`."""
    path = next(data_file("images/imagenet_a").glob("207*.jpg"))
    photo = Image.open(path).convert("RGB").resize((SIDE, SIDE))
    return jnp.asarray(np.asarray(photo, np.float32) / 255)


def _best(net, params, image):
    return int(np.argmax(net.code(params, image, net.scores)))


@pytest.mark.slow
def test_pictures_of_classes_are_classified_as_such(squeezenet):
    net, params = squeezenet
    classes = (130, 985)  # flamingo, daisy
    run = jaxvis.maximize(net, params, index=classes, size=(160, 160), steps=48)
    assert run.image.shape == (2, 1, 160, 160, 3)
    assert [_best(net, params, image) for image in run.image[:, 0]] == list(classes)


@pytest.mark.slow
def test_a_photograph_is_recovered_from_an_early_layer(squeezenet, dog):
    net, params = squeezenet
    run = jaxvis.invert(net, params, dog, tap="relu_conv1", steps=80)
    assert run.facts["error"][0] < 0.2
    distance = np.sqrt(np.mean((run.image[0] - dog) ** 2))
    assert distance < 0.5 * float(jnp.std(dog))


@pytest.mark.slow
def test_a_deeper_code_is_met_too(squeezenet, dog):
    net, params = squeezenet
    run = jaxvis.invert(net, params, dog, tap="fire4/concat", steps=80)
    assert run.facts["error"][0] < 0.4
    first = np.sqrt(run.trace["objective"][0, 0] / 300)
    assert run.facts["error"][0] < 0.6 * first


@pytest.mark.slow
def test_a_caricature_excites_its_layer_more(squeezenet, dog):
    net, params = squeezenet
    tap = "fire8/concat"
    run = jaxvis.caricature(net, params, dog, tap=tap, steps=40)
    before = np.maximum(net.code(params, dog, tap), 0)
    after = net.code(params, run.image[0], tap)
    assert (before * after).sum() > 1.5 * (before**2).sum()


@pytest.mark.slow
def test_a_dream_amplifies_its_layer_and_keeps_the_photograph(squeezenet, dog):
    net, params = squeezenet
    tap = "fire6/concat"
    recipe = jaxvis.recipes.DreamRecipe(octaves=2, steps=8, jitter=16)
    run = jaxvis.dream(net, params, dog, tap=tap, recipe=recipe)
    before, after = (
        float(jnp.sum(net.code(params, image, tap) ** 2)) for image in (dog, run.image[0])
    )
    assert after > 1.5 * before
    assert np.abs(run.image[0] - dog).mean() < 0.15
