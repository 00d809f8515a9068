"""Style: its two ends are inversion and texture; masks, scales, tiles, colours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, counted_net, photograph, relu_net

from jaxvis.loss.matching.statistics import energy, measured
from jaxvis.loss.matching.terms import content_terms, statistic_terms
from jaxvis.loss.matching.transfer import PRESETS, Preset
from jaxvis.methods.style.recolour import YIQ
from jaxvis.methods.style.style import style
from jaxvis.methods.style.texture import texture
from jaxvis.nets import build

TAPS = ("relu1", "relu2")
STEPS = 30  # one number: another one compiles again


@pytest.fixture(scope="module")
def net():
    """Returns (net, params) of two rectified convolutions."""
    return relu_net(SIDE, depth=2)


@pytest.fixture(scope="module")
def painting():
    """Returns a picture of stripes, not square."""
    x = np.linspace(0, 9, 24)[None, :] + np.linspace(0, 4, 14)[:, None]
    colours = np.stack([np.sin(x), np.cos(x), np.sin(2 * x)], -1)
    return (0.5 + 0.45 * colours).astype(np.float32)


def _styled(net, content, styles, **options):
    taps = {"content_taps": ("relu2",), "style_taps": TAPS}
    return style(
        *net,
        content,
        styles,
        **({"optimizer": "adam", "steps": STEPS} | taps | options),
    )


def test_beta_0_is_inversion_whatever_the_style(net, painting):
    content = photograph(SIDE)
    options = {"beta": 0.0, "noise": 1.0}
    run = _styled(net, content, painting, **options)
    other = _styled(net, content, 1 - painting, **options)
    np.testing.assert_array_equal(run.image, other.image)
    assert run.trace["loss"][0, -1] < 0.2 * run.trace["loss"][0, 0]
    found, wanted = (measured(*net, x, ("relu2",))["relu2"] for x in (run.image[0], content))
    loss = float(jnp.mean((found - wanted) ** 2))
    assert run.trace["loss"][0, -1] == pytest.approx(loss, rel=0.3)


def test_alpha_0_is_texture(net):
    image = photograph(SIDE)
    weights = {tap: 1e3 * 4 / 8**2 for tap in TAPS}
    options = {"steps": STEPS, "optimizer": "adam"}
    one = _styled(net, image, image, alpha=0.0, beta=1e3, noise=1.0)
    other = texture(
        *net,
        image,
        taps=TAPS,
        weights=weights,
        bounds="unit",
        key=jax.random.fold_in(jax.random.key(0), 0),
        **options,
    )
    np.testing.assert_allclose(one.trace["loss"], other.trace["loss"], rtol=1e-3)
    np.testing.assert_allclose(one.image, other.image, atol=1e-3)


@pytest.mark.slow
def test_lbfgs_brings_style_and_keeps_content(net, painting):
    content = photograph(SIDE)
    run = _styled(net, content, painting, optimizer="lbfgs", seeds=2)
    assert run.image.shape == (2, SIDE, SIDE, 3)
    assert np.all(run.trace["loss"][:, -1] < 0.3 * run.trace["loss"][:, 0])
    np.testing.assert_array_equal(run.image[0], run.image[1])  # both from the content


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_descend(preset, net, painting):
    optimizer = PRESETS[preset].optimizer
    optimizer = "adam" if optimizer == "lbfgs" else optimizer
    run = _styled(net, photograph(SIDE), painting, preset=preset, optimizer=optimizer)
    assert run.trace["loss"][0, -1] < run.trace["loss"][0, 0]
    assert ("variation" in run.trace) == preset.startswith("ranvgg")
    terms = PRESETS[preset]
    vgg = build("vgg19", pool="avg")
    vgg.named((*terms.content_taps, *terms.style_taps))


def test_total_variation_is_the_plain_sum_of_squares(net, painting):
    content = np.asarray(photograph(SIDE))
    run = _styled(net, content, painting, gamma=3.0)
    expected = sum((np.diff(content, axis=axis) ** 2).sum() for axis in (0, 1))
    assert run.trace["variation"][0, 0] == pytest.approx(3 * expected, rel=1e-4)


def test_the_paper_ratio_of_ranvgg_is_100_to_1_to_1000():
    preset = PRESETS["ranvgg"]
    assert (preset.alpha, preset.beta, preset.gamma) == (100, 1, 1000)
    strong = PRESETS["ranvgg_strong"]
    assert strong.beta / strong.alpha == 1000 * preset.beta / preset.alpha
    assert preset.content_taps == ("relu2_2",) and PRESETS["pmci"].denoise == 0.2


def test_the_balance_does_not_depend_on_the_networks_units(net, painting):
    net, params = net
    small = {
        **params,
        "input": jax.tree.map(lambda leaf: leaf / 58, params["input"]),
    }
    other = photograph(SIDE)
    losses = []
    for weights in (params, small):
        terms = content_terms(net, weights, painting[:, :14], ("relu2",))
        terms += statistic_terms(net, weights, painting, TAPS, weights="channels")
        taps = measured(net, weights, other[:14, :14], TAPS)
        losses.append([float(term(taps)) for term in terms])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_a_mix_with_one_part_is_that_style(net, painting):
    content = photograph(SIDE)
    one = _styled(net, content, [painting])
    both = _styled(net, content, [painting, 1 - painting], mix=(2.0, 0.0))
    np.testing.assert_allclose(one.trace["loss"], both.trace["loss"], rtol=1e-4)
    half = _styled(net, content, [painting, 1 - painting])
    other = _styled(net, content, 1 - painting)
    mean = (one.trace["loss"][0, 0] + other.trace["loss"][0, 0]) / 2
    assert half.trace["loss"][0, 0] == pytest.approx(mean, rel=1e-4)


def test_masks_say_where_a_style_goes(net):
    content = photograph(SIDE)
    red = np.broadcast_to(np.float32([0.9, 0.1, 0.1]), (SIDE, SIDE, 3))
    blue = red[..., ::-1]
    left = np.zeros((SIDE, SIDE), np.float32)
    left[:, : SIDE // 2] = 1
    run = _styled(net, content, [red, blue], masks=[left, 1 - left], alpha=0.0)
    tint = (run.image[0][..., 0] - run.image[0][..., 2]).mean(0)
    assert tint[:6].mean() > 0.2 and tint[-6:].mean() < -0.2


def test_scales_go_from_coarse_to_fine(net, painting):
    run = _styled(net, photograph(SIDE), painting, scales=2)
    assert run.image.shape == (1, SIDE, SIDE, 3)
    assert run.trace["loss"].shape == (1, 2 * STEPS) and run.trace["status"].shape == (1,)
    cold = _styled(net, photograph(SIDE), painting)
    assert run.trace["loss"][0, STEPS] < cold.trace["loss"][0, 0]


def test_tiles_paint_the_same_picture(net, painting):
    content = photograph(SIDE)
    whole = _styled(net, content, painting)
    tiles = _styled(net, content, painting, tile=8)
    np.testing.assert_allclose(tiles.trace["loss"], whole.trace["loss"], rtol=1e-2)
    np.testing.assert_allclose(tiles.image, whole.image, atol=0.02)


@pytest.mark.parametrize("colour", ["histogram", "luminance"])
def test_colours_of_the_content_are_kept(colour, net, painting):
    content = 0.3 + 0.4 * np.asarray(photograph(SIDE))
    plain = _styled(net, content, painting).image[0]
    kept = _styled(net, content, painting, colour=colour).image[0]
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
        _styled(net, content, painting, style_scale=s).trace["loss"][0, 0] for s in (0.7, 1.0)
    ]
    assert abs(losses[0] / losses[1] - 1) > 1e-3


def test_pmci_compares_sums_over_positions(net, painting):
    content = photograph(SIDE)
    run = _styled(
        net,
        content,
        painting[:, :14],
        preset="pmci",
        noise=0.0,
        style_taps=("relu1",),
        size=(14, 14),
    )
    assert run.trace["loss"].shape == (1, STEPS)
    small = jax.image.resize(content, (14, 14, 3), "linear", antialias=True)
    sums = [
        14 * 14 * np.asarray(energy(measured(*net, x, ("relu1",))["relu1"]))
        for x in (small, painting[:, :14])
    ]
    expected = ((sums[0] - sums[1]) ** 2).sum() / (2 * 8 * 14 * 14)
    assert run.trace["loss"][0, 0] == pytest.approx(expected, rel=1e-3)


def test_a_preset_of_ones_own_is_taken(net, painting):
    own = Preset(("relu1",), ("relu2",), beta=7.0, optimizer="adam", steps=2)
    run = style(*net, photograph(SIDE), painting, preset=own)
    assert run.trace["loss"].shape == (1, 2)


def test_a_second_call_compiles_nothing(painting):
    net, params, _ = counted_net()

    def again(seed):
        random = np.random.default_rng(seed)
        content = random.random((SIDE, SIDE, 3), np.float32)
        weights = jax.tree.map(lambda leaf: leaf * (1 + seed), params)
        run = style(
            net,
            weights,
            content,
            random.random((9, 12, 3), np.float32),
            key=seed,
            content_taps=("map",),
            style_taps=("map",),
            alpha=1.0 + seed,
            beta=2.0 + seed,
            optimizer="adam",
            steps=2,
        )
        assert np.isfinite(run.trace["loss"]).all()

    assert compilations(lambda: again(0)) > 0
    assert compilations(lambda: again(1)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "monet"}, "preset is one of gatys, ranvgg, ranvgg_strong, pmci"),
        ({"content_taps": ("relu9",)}, "no tap 'relu9'"),
        ({"style_taps": ("relu9",)}, "no tap 'relu9'"),
        ({"alpha": 0.0, "beta": 0.0}, "alpha and beta are both 0"),
        ({"alpha": -1.0}, "must not be negative"),
        ({"noise": 2.0}, "noise is a part"),
        ({"mix": (1.0, 1.0)}, "1 styles and 2 parts"),
        ({"mix": (0.0,)}, "the mix has parts above 0"),
        ({"colour": "sepia"}, "colour is one of style, histogram, luminance"),
        ({"scales": 0}, "scales must be at least 1"),
        ({"style_scale": 0.0}, "style_scale must be above 0"),
        ({"style_scale": 0.1}, "style image 0 of .* is too small for 'relu2'"),
        ({"masks": [np.ones((3, 3))]}, "masks are .*as large as the image"),
        ({"optimizer": "sgd"}, "optimizer is one of"),
        ({"tile": 0}, "at least 1 pixel"),
        ({"seeds": 0}, "seeds must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, net, painting):
    with pytest.raises(ValueError, match=message):
        _styled(net, photograph(SIDE), painting, **options)


def test_styles_that_are_none_are_refused(net, painting):
    with pytest.raises(ValueError, match="0 styles"):
        _styled(net, photograph(SIDE), [])
    with pytest.raises(ValueError, match="style image 1 has a transparent"):
        _styled(net, photograph(SIDE), [painting, np.zeros((8, 8, 4), np.float32)])
    with pytest.raises(ValueError, match="content image is grey"):
        _styled(net, np.zeros((8, 8), np.float32), painting)
