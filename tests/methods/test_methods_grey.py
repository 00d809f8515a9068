"""Every method on networks of one channel: grey pictures, as the network takes them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import photograph

import jaxvis
from jaxvis.generators.deep import DeepGenerator
from jaxvis.images import check_image
from jaxvis.methods.facets.find import find_facets
from jaxvis.methods.fast_style.perceptual import PerceptualLoss, build_given
from jaxvis.methods.preimage.peaks import measure_peaks
from jaxvis.methods.ranvgg.candidates import Distribution, draw_networks
from jaxvis.methods.ranvgg.reconstruct import Inversion, reconstruct
from jaxvis.methods.ranvgg.stack import StackRecipe, stack
from jaxvis.methods.style.feature_maps import rank_codes
from jaxvis.nets.random import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.wrappers.tiled import with_tiles
from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.recipes import (
    FAST_STYLES,
    DreamRecipe,
    GeneratorRecipe,
    LatentRecipe,
    MapRecipe,
    Natural,
    StyleRecipe,
    TextureRecipe,
)
from jaxvis.types import Status

SIDE = 16
PHOTO = photograph(SIDE)
OTHER = 1 - PHOTO[::-1]
PAINTED = ("relu1", "relu2")


def build(channels, *, side=SIDE):
    """Returns (net, params) of two convolutions and five scores, for images of any channels."""
    rows = (
        Layer("conv1", "conv", 4, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("conv2", "conv", 6, 3, stride=2, pad=1),
        Layer("relu2", "relu"),
        Layer("fc", "fc", 5),
    )
    net = build_network("tiny", rows, input_size=(side, side), scores="fc", channels=channels)
    return net, random_params(net, jax.random.key(2))


NET, PARAMS = build(1)


@pytest.fixture(autouse=True)
def compile_quickly():
    """Leaves most optimizations of the compiler out: two steps need none."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def draw_rgb(shared, z):
    """Draws an image `[16, 16, 3]` of 8 numbers."""
    return jax.nn.sigmoid(shared @ z).reshape(SIDE, SIDE, 3)


WEIGHTS = jax.random.normal(jax.random.key(1), (SIDE * SIDE * 3, 8))
TINY = DeepGenerator(start=(4, 4, 3), stages=((4, 2),))
WIDE = replace(TINY, wide=True, rectified_code=True, rectified=False)


RECIPES = ("robust", "plain", "maco", "mahendran")  # "lucid" has the canvas of "robust"
SLOW = ("maco", "generate", "reconstruct", "facets")
"""What takes seconds to compile."""
CALLS = {
    "maximize from a photograph": lambda: jaxvis.maximize(
        NET, PARAMS, tap="relu2", recipe="plain", start=PHOTO, steps=2
    ),
    "dream": lambda: jaxvis.dream(
        NET, PARAMS, PHOTO, tap="relu1", recipe=DreamRecipe(octaves=1, jitter=2), steps=2
    ),
    "invert": lambda: jaxvis.invert(
        NET, PARAMS, PHOTO, tap="relu2", recipe=Natural(second=2, jitter=3), steps=2
    ),
    "caricature": lambda: jaxvis.caricature(NET, PARAMS, PHOTO, tap="relu2", steps=2),
    "texture": lambda: jaxvis.texture(
        NET,
        PARAMS,
        PHOTO,
        recipe=TextureRecipe(PAINTED, "equal", optimizer="adam", histogram=True, tileable=True),
        steps=2,
    ),
    "style": lambda: jaxvis.style(
        NET,
        PARAMS,
        PHOTO,
        [OTHER, OTHER[..., :1]],
        recipe=StyleRecipe(("relu2",), PAINTED, optimizer="adam", gamma=1.0, denoise=0.1),
        steps=2,
    ),
    "feature_maps": lambda: jaxvis.feature_maps(
        NET, PARAMS, PHOTO, tap="relu1", index=[0, 1], recipe=MapRecipe("adam", denoise=0), steps=2
    ),
    "generate": lambda: jaxvis.generate(
        NET, PARAMS, index=2, recipe=GeneratorRecipe(TINY, gain=40.0), steps=2
    ),
    "latent": lambda: jaxvis.latent(
        NET, PARAMS, draw_rgb, WEIGHTS, shape=(8,), recipe=LatentRecipe(starts=1), steps=2
    ),
    "facets": lambda: jaxvis.facets(
        NET, PARAMS, np.stack([PHOTO, OTHER, PHOTO[::-1]]), index=1, count=1, steps=2
    ),
    "reconstruct": lambda: reconstruct(
        NET, PARAMS, PHOTO, tap="relu1", steps=2, inversion=Inversion(boxed=True)
    ),
}


def check_grey(run):
    """Checks that pictures are grey, finite, varied, and in the unit range."""
    image = np.asarray(run.image)
    assert image.shape[-1] == 1 and np.isfinite(image).all() and np.ptp(image) > 0
    assert 0 <= image.min() and image.max() <= 1
    assert np.isin(run.status, (Status.DONE, Status.CONVERGED, Status.STALLED)).all()
    assert np.isfinite(run.trace["loss"]).all()


def mark_slow(names):
    """Returns the names as parameters, the slow ones marked."""
    return [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in names]


@pytest.mark.slow
@pytest.mark.parametrize("name", mark_slow(CALLS))
def test_methods_make_grey_pictures(name):
    run = CALLS[name]()
    check_grey(run)
    side = TINY.size[0] if name == "generate" else SIDE
    assert run.image.shape[-3:] == (side, side, 1)


@pytest.mark.parametrize("name", mark_slow(RECIPES))
def test_every_recipe_has_a_grey_canvas(name):
    options = {"tap": "conv2", "index": 1} if name == "mahendran" else {"index": 1}
    run = jaxvis.maximize(NET, PARAMS, recipe=name, steps=2, **options)
    check_grey(run)
    assert run.image.shape[:2] == (1, 1)


def look(params, x):
    maps = jnp.tanh(x @ params["mix"]) * jnp.linspace(-1, 1, x.shape[1])[:, None]
    return {"maps": maps, "output": maps.mean((0, 1))}


def test_an_adapted_network_of_one_channel_has_grey_pictures():
    net, params = jaxvis.from_function(
        look, {"mix": jnp.ones((1, 4))}, input_size=(SIDE, SIDE), channels="grey", mean=0.5
    )
    assert net.channels == 1
    check_grey(jaxvis.maximize(net, params, index=2, recipe="plain", steps=2))
    check_grey(jaxvis.caricature(net, params, PHOTO, tap="maps", steps=2))


def test_a_photograph_counts_by_its_luminance():
    grey = check_image(PHOTO, "the photograph", channels=1)
    codes = [NET.code(PARAMS, check_image(one, "it", channels=1), "relu2") for one in (PHOTO, grey)]
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-6)
    peaks = [measure_peaks(NET, PARAMS, [one], tap="relu2") for one in (PHOTO, grey)]
    np.testing.assert_allclose(peaks[0], peaks[1], atol=1e-6)
    assert np.array_equal(peaks[0], codes[0].max((0, 1)))
    found = [
        find_facets(NET, PARAMS, np.stack([one, one]), index=0, facets=1).mean
        for one in (PHOTO, grey)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert found[0].shape == (1, SIDE, SIDE, 1)


def test_a_check_knows_that_the_network_takes_grey():
    found = jaxvis.check(NET, PARAMS, PHOTO)
    assert len(found.channels) == 1 and "1" in repr(found)
    assert {"values from 0 to 255, dark for light"} <= {one.how for one in found.readings}


@pytest.mark.slow
def test_codes_are_inverted_in_grey():
    options = {"tap": "relu1", "recipe": MapRecipe("adam", denoise=0), "steps": 2}
    check_grey(rank_codes(NET, PARAMS, PHOTO, [OTHER], **options))


@pytest.mark.slow
def test_random_networks_are_stacked_on_a_grey_image():
    recipe = StackRecipe(2, steps=2, distribution=Distribution("unit"))
    found = stack(NET, PHOTO, stop="relu1", recipe=recipe)
    assert found.params["conv1"]["kernel"].shape == (1, 3, 3, 1, 4)
    assert np.isfinite(found.losses["relu1"]).all()
    many = draw_networks(NET, PHOTO, distribution=Distribution("unit"), stop="relu2")
    assert many["conv1"]["kernel"].shape == (1, 3, 3, 1, 4)


@pytest.mark.slow
def test_a_decoder_of_colours_is_shown_in_grey():
    decoder = {**WIDE.init(jax.random.key(3), alpha=1.0), "code": jnp.ones(WIDE.code)}
    recipe = GeneratorRecipe(WIDE, gain=40.0)
    check_grey(jaxvis.generate(NET, PARAMS, decoder=decoder, recipe=recipe, steps=2))
    net, params = build(2)
    with pytest.raises(ValueError, match="draws images of 3 channels, and tiny takes 2: leave"):
        jaxvis.generate(net, params, decoder=decoder, recipe=recipe)


def test_a_style_network_is_judged_by_luminance():
    recipe = replace(FAST_STYLES["johnson"], content_taps=("relu2",), style_taps=PAINTED)
    painter = build_style_net("transform_same", width=2, blocks=1)
    params = random_params(painter, jax.random.key(0))
    given = build_given(NET, PARAMS, recipe, (SIDE, SIDE), [PHOTO])
    loss = PerceptualLoss(painter, NET, ("relu2",), PAINTED, 1)
    photos = jnp.stack([PHOTO, OTHER])
    own = {"input": params["input"], **given}
    terms = jax.eval_shape(loss, params, photos, jax.random.key(1), own)
    assert {name: term.shape for name, term in terms.items()} == dict.fromkeys(
        ("loss", "style", "content", "variation"), ()
    )


def test_a_grey_image_is_seen_in_tiles():
    grey = check_image(PHOTO, "the photograph", channels=1)
    tiled = with_tiles(NET, ("relu2",), tile=8).apply(PARAMS, grey, stop="relu2")["relu2"]
    np.testing.assert_allclose(tiled, NET.code(PARAMS, grey, "relu2"), atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4, 12])
def test_images_of_other_channels_are_made_and_shown_as_strips(channels):
    net, params = build(channels, side=8)
    start = np.random.default_rng(0).random((8, 8, channels), np.float32)
    run = jaxvis.maximize(net, params, index=3, recipe="plain", start=start, steps=1)
    assert run.image.shape == (1, 1, 8, 8, channels)
    assert run.status.tolist() == [[Status.DONE]]
    assert run._repr_png_()[:4] == b"\x89PNG"
    jaxvis.plot.grid(run)
    with pytest.raises(ValueError, match=rf"the image must be one image \[H, W, {channels}\]"):
        jaxvis.invert(net, params, PHOTO, tap="relu1")


def test_colours_are_refused_where_there_are_none():
    for colour in ("histogram", "luminance"):
        recipe = StyleRecipe(("relu2",), PAINTED, colour=colour)
        with pytest.raises(
            ValueError, match="tiny takes images of 1 channels, which have none: leave"
        ):
            jaxvis.style(NET, PARAMS, PHOTO, OTHER, recipe=recipe)


def test_a_canvas_of_other_channels_is_refused_with_a_cure():
    with pytest.raises(ValueError, match="canvas of your own takes channels=1"):
        jaxvis.maximize(NET, PARAMS, canvas=jaxvis.canvases.Tanh((SIDE, SIDE)), steps=1)
