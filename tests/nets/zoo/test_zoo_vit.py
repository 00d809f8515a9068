"""Vision transformers: as many parameters as published, and methods that draw with them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.nets.random import random_params
from jaxvis.nets.registry import build
from jaxvis.nets.table.geometry import parameter_counts
from jaxvis.nets.table.layers import shapes
from jaxvis.nets.zoo.vit import VitShape, clip_vit, vit
from tests.tiny_nets import run_once

# Of the image towers alone, their projection included.
CLIP = {"clip_vit_b_16": 86_192_640, "clip_vit_b_32": 87_849_216}
TINY = VitShape(patch=8, width=8, depth=1, heads=2, hidden=12, embedding=6)


@functools.cache
def tiny():
    """Returns (net, params) of a transformer of one block and three classes."""
    net = vit("tiny_vit", TINY, input_size=(16, 16), classes=3)
    return net, random_params(net, jax.random.key(0), preprocess="imagenet")


@pytest.mark.parametrize("name", CLIP)
def test_clip_has_the_published_number_of_parameters(name):
    net = build(name)
    assert sum(parameter_counts(net).values()) == CLIP[name]
    assert net.taps[-1] == "proj" and net.scores is None
    assert shapes(net.rows, net.input_size)["proj"] == (512,)


def test_maps_have_the_sides_of_the_patches():
    at = shapes(build("vit_b_32", input_size=(224, 384)).rows, (224, 384))
    assert at["blocks.11"] == (7, 12, 768) and at["blocks.3.mlp.act"] == (7, 12, 3072)
    assert at["blocks.11.class"] == at["norm.class"] == (768,)


def test_classes_channels_and_head_are_options():
    net = build("vit_ti_16", classes=10, channels=1, head="relu")
    at = shapes(net.rows, net.input_size)
    assert at["input"] == (224, 224, 1) and at["head"] == at["relu_head"] == (10,)


def test_clip_norms_before_its_blocks():
    net = clip_vit("tiny_clip", TINY, input_size=(16, 16))
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    taps = run_once(net.apply, params, jax.random.uniform(jax.random.key(1), (16, 16, 3)))
    np.testing.assert_allclose(jnp.mean(taps["norm_pre"], axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(jnp.std(taps["norm_pre"], axis=-1), 1, atol=1e-2)
    assert taps["proj"].shape == (6,)


@pytest.mark.slow
def test_classes_are_maximised():
    net, params = tiny()
    run = jaxvis.maximize(net, params, index=range(3), recipe="plain", size=(24, 24), steps=12)
    assert run.image.shape == (3, 1, 24, 24, 3)
    # Each picture says more for its class than a grey one does.
    grey = net.code(params, jnp.full((24, 24, 3), 0.5), "head")
    for number in range(3):
        assert net.code(params, run.image[number, 0], "head")[number] > grey[number]


@pytest.mark.slow
def test_a_block_is_inverted():
    net, params = tiny()
    image = jax.random.uniform(jax.random.key(4), (16, 16, 3))
    run = jaxvis.invert(net, params, image, tap="blocks.0", steps=30)
    before, *_, after = np.ravel(run.trace["loss"])
    assert after < 0.5 * before


@pytest.mark.slow
@pytest.mark.parametrize("tap", ["blocks.0.mlp.act", "blocks.0.class"])
def test_patches_and_class_tokens_are_maximised(tap):
    net, params = tiny()
    run = jaxvis.maximize(net, params, tap=tap, index=range(2), steps=3, size=(24, 24))
    assert np.isfinite(run.image).all() and np.std(run.image) > 0


@pytest.mark.slow
def test_dreams_and_caricatures_are_drawn():
    net, params = tiny()
    image = jax.random.uniform(jax.random.key(4), (24, 24, 3))
    dreamy = jaxvis.recipes.DreamRecipe(octaves=2)
    run = jaxvis.dream(net, params, image, tap="blocks.0", recipe=dreamy, steps=2)
    assert np.abs(np.asarray(run.image) - np.asarray(image)).max() > 0.01
    run = jaxvis.caricature(net, params, image, tap="norm.class", steps=3)
    assert np.isfinite(run.image).all()
