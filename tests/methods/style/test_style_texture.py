"""Texture: the Gram matrices are met, from noise, at any size, on a torus too."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, counted_net, photograph, relu_net

from jaxvis.loss.matching.statistics import measure
from jaxvis.methods.style import texture as module
from jaxvis.methods.style.texture import texture
from jaxvis.optimize.rules import adam
from jaxvis.recipes.styles import TextureRecipe
from jaxvis.types import Interrupted, Status

TAPS = ("relu1", "relu2")
RECIPE = TextureRecipe(TAPS, "relative", optimizer="adam", steps=30)


@pytest.fixture(scope="module")
def net():
    """Returns (net, params) of two rectified convolutions."""
    return relu_net(SIDE, depth=2)


def make_texture(net, image, changes=(), **options):
    return texture(*net, image, recipe=replace(RECIPE, **dict(changes)), **options)


def compute_distance(net, image, source):
    """Returns the largest relative distance of Gram matrices."""
    found, wanted = (measure(*net, x, TAPS, kind="gram") for x in (image, source))
    return max(
        float(jnp.linalg.norm(found[t] - wanted[t]) / jnp.linalg.norm(wanted[t])) for t in TAPS
    )


@pytest.fixture(scope="module")
def by_lbfgs(net):
    """Returns the run of two seeds by L-BFGS, at a size of their own."""
    changes = {"optimizer": "lbfgs", "steps": 60}
    return make_texture(net, photograph(SIDE), changes, seeds=2, size=(12, 20))


@pytest.mark.slow
def test_gram_matrices_are_met_at_any_size(net, by_lbfgs):
    assert by_lbfgs.image.shape == (2, 12, 20, 3)
    assert by_lbfgs.trace["loss"].shape == (2, 60)
    assert not np.any(np.isin(by_lbfgs.status, (Status.FAILED, Status.DEAD)))
    assert np.all(by_lbfgs.trace["loss"][:, -1] < 0.01 * by_lbfgs.trace["loss"][:, 0])
    for image in by_lbfgs.image:
        assert compute_distance(net, image, photograph(SIDE)) < 0.15
    assert np.abs(by_lbfgs.image[0] - by_lbfgs.image[1]).mean() > 0.01


def test_colours_keep_to_the_sources_range(net, by_lbfgs):
    source = np.asarray(photograph(SIDE))
    low, high = source.min((0, 1)), source.max((0, 1))
    assert np.all(by_lbfgs.image >= low - 1e-6)
    assert np.all(by_lbfgs.image <= high + 1e-6)
    free = make_texture(net, 0.4 + 0.1 * source, {"bounds": "unit"})
    assert free.image.min() < 0.4 or free.image.max() > 0.5


def test_a_texture_begun_as_its_source_has_loss_0(net):
    source = photograph(SIDE)
    run = make_texture(net, source, start=source, steps=2)
    # Gram matrices relative to their own size, computed twice in float32: 1e-7 squared.
    assert run.trace["loss"][0, 0] == pytest.approx(0, abs=1e-9)


def test_histograms_become_the_sources(net):
    source = np.asarray(photograph(SIDE))
    image = make_texture(net, source, {"histogram": True}, steps=5).image[0]
    np.testing.assert_allclose(np.sort(image, axis=None), np.sort(source, axis=None), atol=1e-5)


def measure_seam(image):
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
        run = make_texture(net, source.astype(np.float32), {"tileable": tileable})
        seams[tileable] = measure_seam(run.image[0])
    assert seams[True] < 1.3
    assert seams[True] < 0.7 * seams[False]


@pytest.mark.parametrize(
    "weights", ["normalised", "relative", "balanced", {"relu1": 1.0, "relu2": 0.1}]
)
def test_every_weighting_descends(weights, net):
    run = make_texture(net, photograph(SIDE), {"weights": weights})
    assert run.trace["loss"][0, -1] < 0.5 * run.trace["loss"][0, 0]


def test_two_seeds_extend_one(net, monkeypatch):
    starts = []

    def keep_start(*arguments, start, **options):
        starts.append(np.asarray(start))
        raise Interrupted

    monkeypatch.setattr(module, "solve", keep_start)
    for seeds in (1, 2):
        with pytest.raises(Interrupted):
            make_texture(net, photograph(SIDE), seeds=seeds)
    one, two = starts
    # The random bits are the same; sums in the two programs may round differently.
    np.testing.assert_allclose(two[:1], one, atol=1e-5)
    assert np.abs(two[0] - two[1]).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("search", [False, True])
def test_a_second_call_compiles_nothing(search):
    net = counted_net()[:2]

    def call(number):
        source = np.random.default_rng(number).random((SIDE, SIDE, 3), np.float32)
        weights = jax.tree.map(lambda leaf: leaf * (1 + number), net[1])
        recipe = replace(
            RECIPE,
            taps=("map",),
            weights={"map": 1.0 + number},
            optimizer="lbfgs" if search else adam(0.01 * (1 + number)),
            steps=2 + number,
        )
        run = texture(net[0], weights, source, recipe=recipe, key=number)
        assert np.isfinite(run.trace["loss"]).all()

    assert compilations(lambda: call(0)) > 0
    assert compilations(lambda: call(1)) == 0


@pytest.mark.slow
def test_an_interrupted_texture_is_shown_as_a_finished_one(net, monkeypatch):
    source = 0.4 + 0.1 * np.asarray(photograph(SIDE))
    solve = module.solve

    def interrupt(*arguments, **options):
        raise Interrupted(solve(*arguments, **options))

    whole = make_texture(net, source, steps=2)
    monkeypatch.setattr(module, "solve", interrupt)
    with pytest.raises(Interrupted) as stop:
        make_texture(net, source, steps=2)
    np.testing.assert_allclose(stop.value.run.image, whole.image, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"taps": ("relu9",)}, {}, "no tap 'relu9'"),
        ({"weights": "mine"}, {}, "weights .* one of equal, .* not 'mine'"),
        ({"weights": {"relu1": 1.0}}, {}, "weights has none for 'relu2'"),
        ({"bounds": "wide"}, {}, "bounds must be one of source, unit, none"),
        ({"optimizer": "sgd"}, {}, "optimizer must be one of lbfgs, adam"),
        ({}, {"seeds": 0}, "seeds must be at least 1"),
        ({}, {"steps": 0}, "steps must be at least 1"),
        ({}, {"start": np.zeros((4, 4, 3), np.float32)}, r"the start is \(4, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused(changes, options, message, net):
    with pytest.raises(ValueError, match=message):
        make_texture(net, photograph(SIDE), changes, **options)


def test_presets_by_name_are_for_networks_that_have_their_taps(net):
    with pytest.raises(ValueError, match="no tap 'relu1_1'"):
        texture(*net, photograph(SIDE))
    with pytest.raises(ValueError, match="recipe must be one of gatys, ranvgg"):
        texture(*net, photograph(SIDE), recipe="x")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 3), "1x1 pixels is too small for 'relu2'"),
        ((2, 40, 3), "2x40 pixels is too small for 'relu2'"),
        ((8,), "source image must be one image"),
        ((8, 8, 4), "source image has transparent pixels"),
    ],
)
def test_sources_that_are_none_are_refused(shape, message, net):
    with pytest.raises(ValueError, match=message):
        make_texture(net, np.full(shape, 0.5, np.float32))


@pytest.mark.slow
def test_flat_and_long_sources_are_taken(net):
    run = make_texture(net, np.full((5, 40, 3), 0.25, np.float32), steps=5)
    assert np.isfinite(run.image).all() and run.image.shape == (1, 5, 40, 3)
