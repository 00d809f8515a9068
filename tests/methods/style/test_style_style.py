"""Style: its two ends are inversion and texture; masks, scales, tiles, colours."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, counted_net, photograph

from jaxvis.loss.matching.statistics import energy, measure
from jaxvis.loss.matching.terms import match_content, match_statistics
from jaxvis.loss.matching.transfer import StyleRecipe
from jaxvis.methods.style import style as module
from jaxvis.methods.style.recolour import YIQ
from jaxvis.methods.style.style import style
from jaxvis.methods.style.texture import texture
from jaxvis.optimize.rules import adam
from jaxvis.recipes.styles import STYLES, TextureRecipe
from jaxvis.types import Interrupted, Status
from tests.methods.style.painting import RECIPE, TAPS, paint


def test_beta_0_is_inversion_whatever_the_style(net, painting):
    content = photograph(SIDE)
    changes = {"beta": 0.0, "noise": 1.0, "steps": 30}
    run = paint(net, content, painting, changes)
    other = paint(net, content, 1 - painting, changes)
    np.testing.assert_array_equal(run.image, other.image)  # the same program, twice
    assert run.trace["loss"][0, -1] < 0.2 * run.trace["loss"][0, 0]
    found, wanted = (measure(*net, x, ("relu2",))["relu2"] for x in (run.image[0], content))
    loss = float(jnp.mean((found - wanted) ** 2))
    assert run.trace["loss"][0, -1] == pytest.approx(loss, rel=0.3)


def test_alpha_0_is_texture(net):
    image = photograph(SIDE)
    weights = {tap: 1e3 * 4 / 8**2 for tap in TAPS}
    one = paint(net, image, image, {"alpha": 0.0, "noise": 1.0}, steps=5)
    recipe = TextureRecipe(TAPS, weights, "adam", bounds="unit")
    key = jax.random.fold_in(jax.random.key(0), 0)
    other = texture(*net, image, recipe=recipe, key=key, steps=5)
    np.testing.assert_allclose(one.trace["loss"], other.trace["loss"], rtol=1e-3)
    # Two programs round differently, and where a gradient is nearly zero that rounding
    # decides about the direction of Adam's step: so not the largest difference counts.
    assert np.abs(one.image - other.image).mean() < 1e-4
    assert np.abs(one.image - np.asarray(image)).mean() > 1e-2


@pytest.mark.slow
def test_lbfgs_brings_style_and_keeps_content(net, painting):
    run = paint(net, photograph(SIDE), painting, {"optimizer": "lbfgs"}, seeds=2)
    assert run.image.shape == (2, SIDE, SIDE, 3)
    assert np.all(run.trace["loss"][:, -1] < 0.3 * run.trace["loss"][:, 0])
    # Both begin from the content. Two items of a batch may round differently, and L-BFGS
    # amplifies that: a fourth of a grey level is far above it, and below what is seen.
    np.testing.assert_allclose(run.image[0], run.image[1], atol=1e-3)


@pytest.mark.parametrize("name", STYLES)
def test_presets_descend(name, net, painting):
    optimizer = STYLES[name].optimizer
    own = replace(
        STYLES[name],
        content_taps=("relu2",),
        style_taps=TAPS,
        optimizer="adam" if optimizer == "lbfgs" else optimizer,
        steps=10,
    )
    run = style(*net, photograph(SIDE), painting, recipe=own)
    assert run.trace["loss"].shape == (1, 10)
    assert run.trace["loss"][0, -1] < run.trace["loss"][0, 0]
    assert ("variation" in run.trace) == name.startswith(("ranvgg", "relative"))


def test_total_variation_is_the_plain_sum_of_squares(net, painting):
    content = np.asarray(photograph(SIDE))
    run = paint(net, content, painting, {"gamma": 3.0}, steps=1)
    expected = sum((np.diff(content, axis=axis) ** 2).sum() for axis in (0, 1))
    assert run.trace["variation"][0, 0] == pytest.approx(3 * expected, rel=1e-4)


def test_the_balance_does_not_depend_on_the_networks_units(net, painting):
    net, params = net
    small = {
        **params,
        "input": jax.tree.map(lambda leaf: leaf / 58, params["input"]),
    }
    other = photograph(SIDE)
    losses = []
    for weights in (params, small):
        terms = match_content(net, weights, painting[:, :14], ("relu2",))
        terms += match_statistics(net, weights, painting, TAPS, weights="channels")
        taps = measure(net, weights, other[:14, :14], TAPS)
        losses.append([float(term(taps)) for term in terms])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_a_mix_with_one_part_is_that_style(net, painting):
    content = photograph(SIDE)
    one = paint(net, content, [painting])
    both = paint(net, content, [painting, 1 - painting], mix=(2.0, 0.0))
    np.testing.assert_allclose(one.trace["loss"], both.trace["loss"], rtol=1e-4)
    half = paint(net, content, [painting, 1 - painting], steps=1)
    other = paint(net, content, 1 - painting, steps=1)
    mean = (one.trace["loss"][0, 0] + other.trace["loss"][0, 0]) / 2
    assert half.trace["loss"][0, 0] == pytest.approx(mean, rel=1e-4)


def test_masks_say_where_a_style_goes(net):
    content = photograph(SIDE)
    red = np.broadcast_to(np.float32([0.9, 0.1, 0.1]), (SIDE, SIDE, 3))
    blue = red[..., ::-1]
    left = np.zeros((SIDE, SIDE), np.float32)
    left[:, : SIDE // 2] = 1
    masks = [left, 1 - left]
    run = paint(net, content, [red, blue], {"alpha": 0.0}, masks=masks, steps=30)
    tint = (run.image[0][..., 0] - run.image[0][..., 2]).mean(0)
    assert tint[:6].mean() > 0.2 and tint[-6:].mean() < -0.2


@pytest.mark.slow
def test_scales_go_from_coarse_to_fine(net, painting):
    run = paint(net, photograph(SIDE), painting, {"scales": 2})
    assert run.image.shape == (1, SIDE, SIDE, 3)
    assert run.trace["loss"].shape == (1, 2 * RECIPE.steps)
    assert run.status.tolist() == [Status.DONE]
    assert run.facts["steps"].tolist() == [2 * RECIPE.steps]
    cold = paint(net, photograph(SIDE), painting, steps=1)
    assert run.trace["loss"][0, RECIPE.steps] < cold.trace["loss"][0, 0]


@pytest.mark.slow
def test_an_interruption_keeps_the_scale_that_is_there(net, painting, monkeypatch):
    solve, calls = module.solve, []

    def interrupt_second(*arguments, **options):
        calls.append(1)
        run = solve(*arguments, **options)
        if len(calls) == 2:
            raise Interrupted(run._replace(status=np.full(1, Status.UNFINISHED, np.int8)))
        return run

    monkeypatch.setattr(module, "solve", interrupt_second)
    content = np.asarray(photograph(SIDE))
    with pytest.raises(Interrupted) as stop:
        paint(net, content, painting, {"scales": 3, "colour": "luminance"}, steps=2)
    run = stop.value.run
    assert run.image.shape == (1, 11, 11, 3) and run.trace["loss"].shape == (1, 4)
    assert run.status.tolist() == [Status.UNFINISHED]
    # The picture is grey until it is given the content's colours.
    assert np.ptp(run.image, axis=-1).mean() > 0.3 * np.ptp(content, axis=-1).mean()


def test_tiles_paint_the_same_picture(net, painting):
    content = photograph(SIDE)
    whole = paint(net, content, painting)
    tiles = paint(net, content, painting, tile=8)
    # Sums over tiles round differently, and Adam's first steps amplify it: 1e-2 is half of
    # one of its steps.
    np.testing.assert_allclose(tiles.trace["loss"], whole.trace["loss"], rtol=1e-2)
    np.testing.assert_allclose(tiles.image, whole.image, atol=0.02)


@pytest.mark.parametrize("colour", ["histogram", "luminance"])
def test_colours_of_the_content_are_kept(colour, net, painting):
    content = 0.3 + 0.4 * np.asarray(photograph(SIDE))
    plain = paint(net, content, painting).image[0]
    kept = paint(net, content, painting, {"colour": colour}).image[0]
    distance = [
        np.abs(image.mean((0, 1)) @ YIQ[1:].T - content.mean((0, 1)) @ YIQ[1:].T).max()
        for image in (kept, plain)
    ]
    assert distance[0] < 0.5 * distance[1]
    if colour == "luminance":
        np.testing.assert_allclose(kept @ YIQ[1:].T, content @ YIQ[1:].T, atol=0.02)


def test_style_scale_changes_the_size_of_strokes(net, painting):
    content = photograph(SIDE)
    losses = [
        paint(net, content, painting, {"style_scale": scale}, steps=1).trace["loss"][0, 0]
        for scale in (0.7, 1.0)
    ]
    assert abs(losses[0] / losses[1] - 1) > 1e-3


def test_pmci_compares_sums_over_positions(net, painting):
    content = photograph(SIDE)
    own = replace(
        STYLES["pmci"], content_taps=("relu2",), style_taps=("relu1",), noise=0.0, steps=2
    )
    run = style(*net, content, painting[:, :14], recipe=own, size=(14, 14))
    assert run.trace["loss"].shape == (1, 2)
    small = jax.image.resize(content, (14, 14, 3), "linear", antialias=True)
    sums = [
        14 * 14 * np.asarray(energy(measure(*net, x, ("relu1",))["relu1"]))
        for x in (small, painting[:, :14])
    ]
    expected = ((sums[0] - sums[1]) ** 2).sum() / (2 * 8 * 14 * 14)
    assert run.trace["loss"][0, 0] == pytest.approx(expected, rel=1e-3)


def test_the_content_of_pmci_pulls_as_much_at_every_size(net):
    def pull(side):
        image = jnp.tile(photograph(SIDE), (side // SIDE, side // SIDE, 1))
        (code,) = match_content(*net, image, ("relu2",), weights="area")
        gradient = jax.grad(lambda x: code(net[0].apply(net[1], x, stop="relu2")))(0.9 * image)
        return float(jnp.mean(jnp.abs(gradient)))

    assert pull(2 * SIDE) == pytest.approx(pull(SIDE), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("search", [False, True])
def test_a_second_call_compiles_nothing(search):
    net, params, _ = counted_net()

    def call(number):
        draw = np.random.default_rng(number).random
        recipe = StyleRecipe(
            ("map",),
            ("map",),
            alpha=1.0 + number,
            beta=2.0 + number,
            gamma=3.0 + number,
            noise=0.5 + 0.1 * number,
            optimizer="lbfgs" if search else adam(0.01 * (1 + number)),
            scales=2,
        )
        run = style(
            net,
            jax.tree.map(lambda leaf: leaf * (1 + number), params),
            draw((SIDE, SIDE, 3), np.float32),
            [draw((9, 12, 3), np.float32), draw((8, 8, 3), np.float32)],
            recipe=recipe,
            mix=(1.0, 1.0 + number),
            steps=2 + number,
            key=number,
        )
        assert np.isfinite(run.trace["loss"]).all()

    assert compilations(lambda: call(0)) > 0
    assert compilations(lambda: call(1)) == 0


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"style_taps": ("relu9",)}, {}, "no tap 'relu9'"),
        ({"beta": np.nan}, {}, "beta must be a finite number"),
        ({"optimizer": "sgd"}, {}, "optimizer must be one of"),
        ({}, {"steps": 0}, "steps must be at least 1"),
        ({}, {"mix": (1.0, 1.0)}, "mix has 2 weights for 1 styles"),
        ({}, {"mix": (0.0,)}, "one must be above 0"),
        ({}, {"mix": (np.inf,)}, "one must be above 0"),
        ({"variation": "all"}, {}, "variation is one of sum, mean, not 'all'"),
        ({}, {"init": np.zeros(8, np.float32)}, "image to start from must be one image"),
        ({"colour": "sepia"}, {}, "colour must be one of style, histogram, luminance"),
        ({"scales": 0}, {}, "scales must be at least 1"),
        ({}, {"size": (0, 8)}, r"size must be \(H, W\) in pixels"),
        ({"style_scale": 0.0}, {}, "style_scale must be above 0"),
        ({"style_scale": np.nan}, {}, "style_scale must be above 0"),
        ({"style_scale": 0.1}, {}, "style image 0 of .* is too small for 'relu2'"),
        ({}, {"masks": [np.ones((3, 3))]}, "masks are .*as large as the image"),
        ({}, {"tile": 0}, "at least 1 pixel"),
        ({}, {"seeds": 0}, "seeds must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, options, message, net, painting):
    with pytest.raises(ValueError, match=message):
        paint(net, photograph(SIDE), painting, changes, **options)


def test_unknown_presets_are_refused(net, painting):
    with pytest.raises(ValueError, match="recipe must be one of relative, gatys, ranvgg"):
        style(*net, photograph(SIDE), painting, recipe="monet")


def test_pictures_that_are_none_are_refused(net, painting):
    with pytest.raises(ValueError, match="no style came"):
        paint(net, photograph(SIDE), [])
    with pytest.raises(ValueError, match="style image 1 has transparent pixels"):
        paint(net, photograph(SIDE), [painting, np.zeros((8, 8, 4), np.float32)])
    with pytest.raises(ValueError, match="content image must be one image"):
        paint(net, np.zeros(8, np.float32), painting)
