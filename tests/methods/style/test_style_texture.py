"""Texture: the Gram matrices are met, from noise, at any size, on a torus too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, counted_net, photograph, relu_net

from jaxvis.loss.matching.statistics import measured
from jaxvis.loss.matching.transfer import BLOCKS
from jaxvis.methods.style.texture import PRESETS, rows, texture
from jaxvis.nets import build
from jaxvis.types import Status

TAPS = ("relu1", "relu2")
STEPS = 30  # one number: another one compiles again


@pytest.fixture(scope="module")
def net():
    """Returns (net, params) of two rectified convolutions."""
    return relu_net(SIDE, depth=2)


def _made(net, image, **options):
    options = {"taps": TAPS, "optimizer": "adam", "steps": STEPS} | options
    return texture(*net, image, **options)


def _distance(net, image, source):
    """Returns the largest relative distance of Gram matrices."""
    found, wanted = (measured(*net, x, TAPS, kind="gram") for x in (image, source))
    return max(
        float(jnp.linalg.norm(found[t] - wanted[t]) / jnp.linalg.norm(wanted[t])) for t in TAPS
    )


@pytest.fixture(scope="module")
def by_lbfgs(net):
    """Returns the run of two seeds by L-BFGS, at a size of their own."""
    return _made(net, photograph(SIDE), optimizer="lbfgs", steps=80, seeds=2, size=(12, 20))


def test_gram_matrices_are_met_at_any_size(net, by_lbfgs):
    assert by_lbfgs.image.shape == (2, 12, 20, 3)
    assert by_lbfgs.trace["loss"].shape == (2, 80)
    assert not np.any(by_lbfgs.trace["status"] == Status.FAILED)
    assert np.all(by_lbfgs.trace["loss"][:, -1] < 0.01 * by_lbfgs.trace["loss"][:, 0])
    for image in by_lbfgs.image:
        assert _distance(net, image, photograph(SIDE)) < 0.15
    assert np.abs(by_lbfgs.image[0] - by_lbfgs.image[1]).mean() > 0.01


def test_colours_keep_to_the_sources_range(net, by_lbfgs):
    source = np.asarray(photograph(SIDE))
    low, high = source.min((0, 1)), source.max((0, 1))
    assert np.all(by_lbfgs.image >= low - 1e-6)
    assert np.all(by_lbfgs.image <= high + 1e-6)
    free = _made(net, 0.4 + 0.1 * source, bounds="unit")
    assert free.image.min() < 0.4 or free.image.max() > 0.5


def test_a_texture_begun_as_its_source_has_loss_0(net):
    source = photograph(SIDE)
    run = _made(net, source, start=source)
    assert run.trace["loss"][0, 0] == pytest.approx(0, abs=1e-9)


def test_histograms_become_the_sources(net):
    source = np.asarray(photograph(SIDE))
    image = _made(net, source, histogram=True).image[0]
    np.testing.assert_allclose(np.sort(image, axis=None), np.sort(source, axis=None), atol=1e-5)


def _seam(image):
    """Returns the mean step across the edges over the mean step inside."""
    across = np.abs(image[0] - image[-1]).mean() + np.abs(image[:, 0] - image[:, -1]).mean()
    inside = np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean()
    return across / inside


def test_opposite_edges_of_a_tile_fit(net):
    # A smooth source: edges that have nothing to do with each other stand out.
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    source = 0.5 + 0.4 * np.sin(2 * np.pi * np.stack([x + y, x - y, y], -1))
    seams = {}
    for tileable in (False, True):
        run = _made(net, source.astype(np.float32), tileable=tileable)
        seams[tileable] = _seam(run.image[0])
    assert seams[True] < 1.3
    assert seams[True] < 0.7 * seams[False]


@pytest.mark.parametrize(
    "weights", ["normalised", "relative", "balanced", {"relu1": 1.0, "relu2": 0.1}]
)
def test_every_weighting_descends(weights, net):
    run = _made(net, photograph(SIDE), weights=weights)
    assert run.trace["loss"][0, -1] < 0.5 * run.trace["loss"][0, 0]


def test_presets_and_rows_name_taps_of_vgg19():
    vgg = build("vgg19", pool="avg")
    for preset in PRESETS.values():
        vgg.named(preset.taps)
    assert rows(1) == ("relu1_1",) and rows(5) == BLOCKS == vgg.named(BLOCKS)
    with pytest.raises(ValueError, match="blocks 1 to 5, not 6"):
        rows(6)


def test_a_second_call_compiles_nothing():
    net = counted_net()[:2]

    def again(seed):
        source = np.random.default_rng(seed).random((SIDE, SIDE, 3), np.float32)
        weights = jax.tree.map(lambda leaf: leaf * (1 + seed), net[1])
        run = texture(net[0], weights, source, taps=("map",), optimizer="adam", steps=2, key=seed)
        assert np.isfinite(run.trace["loss"]).all()

    assert compilations(lambda: again(0)) > 0
    assert compilations(lambda: again(1)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taps": ("relu9",)}, "no tap 'relu9'"),
        ({"taps": None}, "no tap 'relu1_1'"),
        ({"taps": None, "preset": "x"}, "preset is one of gatys, ranvgg"),
        ({"weights": "mine"}, "weights is one of equal, .* not 'mine'"),
        ({"weights": {"relu1": 1.0}}, "weights has none for 'relu2'"),
        ({"bounds": "wide"}, "bounds is one of source, unit, none"),
        ({"optimizer": "sgd"}, "optimizer is one of lbfgs, adam"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"start": np.zeros((4, 4, 3), np.float32)}, r"the start is \(4, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, net):
    with pytest.raises(ValueError, match=message):
        _made(net, photograph(SIDE), **options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 3), "1x1 pixels is too small for 'relu2'"),
        ((2, 40, 3), "2x40 pixels is too small for 'relu2'"),
        ((8, 8), "source image is grey"),
        ((8, 8, 4), "source image has a transparent"),
    ],
)
def test_sources_that_are_none_are_refused(shape, message, net):
    with pytest.raises(ValueError, match=message):
        _made(net, np.full(shape, 0.5, np.float32))


def test_flat_and_long_sources_are_taken(net):
    run = _made(net, np.full((5, 40, 3), 0.25, np.float32))
    assert np.isfinite(run.image).all() and run.image.shape == (1, 5, 40, 3)
