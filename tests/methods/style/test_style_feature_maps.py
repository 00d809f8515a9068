"""Feature map inversion: many filters in one call, random and ranked codes."""

import jax
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, conv_net, counted_net, photograph, relu_net

from jaxvis.loss.chambolle import Chambolle
from jaxvis.methods.style.codes import draw_rates, permute_by_rank, reallocate
from jaxvis.methods.style.feature_maps import feature_maps, random_codes, rank_codes
from jaxvis.optimize.keys import fold_name, item_keys
from jaxvis.optimize.rules import adam
from jaxvis.recipes import MapRecipe

STEPS = 15
ROUGH = MapRecipe(steps=STEPS, denoise=0.0)
GREY = np.full((SIDE, SIDE, 3), (0.485, 0.456, 0.406), np.float32)
"""What every inversion begins from, but for noise of one grey level."""


@pytest.fixture(scope="module")
def net():
    """Returns (net, params) of two rectified convolutions of 8 filters."""
    return relu_net(SIDE, depth=2)


@pytest.fixture(scope="module")
def atlas(net):
    """Returns the inversions of a whole layer."""
    return feature_maps(*net, photograph(SIDE), tap="relu2", recipe=ROUGH)


def compute_loss(net, image, target, tap):
    code = np.asarray(net[0].code(net[1], image, tap))
    return float(((code - target) ** 2).sum() / 2)


def make_single_map(code, index):
    """Returns the code in which channel `index` is the sum of all, the others zero."""
    target = np.zeros_like(code)
    target[..., index] = np.sum(code, axis=-1)
    return target


@pytest.mark.slow
def test_a_layer_is_inverted_in_one_call(net, atlas):
    assert atlas.image.shape == (8, SIDE, SIDE, 3)
    assert atlas.trace["loss"].shape == (8, STEPS)
    assert np.all(atlas.trace["loss"].min(1) < 0.9 * atlas.trace["loss"][:, 0])
    # Without the filter afterwards, the image has the last loss, that of the code of Eq. 2.
    code = net[0].code(net[1], photograph(SIDE), "relu2")
    for index in (0, 5):
        target = make_single_map(code, index)
        found = compute_loss(net, atlas.image[index], target, "relu2")
        assert found < compute_loss(net, np.full_like(GREY, 0.45), target, "relu2")


def test_small_activations_move_the_picture_as_large_ones_do(net):
    weak = jax.tree.map(lambda leaf: 1e-4 * leaf, net[1]["conv2"])
    small = {**net[1], "conv2": weak}
    options = {"tap": "relu2", "index": 3, "recipe": ROUGH}
    for params in (net[1], small):
        run = feature_maps(net[0], params, photograph(SIDE), **options)
        assert np.asarray(run.image[0]).std() > 0.05
        assert run.trace["loss"][0].min() < 0.9 * run.trace["loss"][0, 0]


def test_a_filter_has_the_same_start_alone_and_among_others(net, atlas):
    some = feature_maps(*net, photograph(SIDE), tap="relu2", index=(5, 2), recipe=ROUGH)
    # The noise is the same and only the size of the batch differs: the first loss agrees
    # to rounding, where other noise would change it by 1e-3.
    first = atlas.trace["loss"][[5, 2], 0]
    np.testing.assert_allclose(some.trace["loss"][:, 0], first, rtol=1e-5)
    assert np.abs(some.image[0] - some.image[1]).mean() > 1e-3


def test_pictures_are_denoised_unless_asked_not_to(net):
    options = {"tap": "relu1", "index": 3, "steps": STEPS}
    plain = feature_maps(*net, photograph(SIDE), recipe=ROUGH, **options)
    smooth = feature_maps(*net, photograph(SIDE), **options)
    np.testing.assert_allclose(plain.z, smooth.z, atol=1e-3)  # z counts grey levels
    expected = Chambolle(0.2 * SIDE / 1024)(None, plain.image[0])
    np.testing.assert_allclose(smooth.image[0], expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("rates", ["dirichlet", "normal"])
def test_random_codes_start_at_the_distance_of_equation_3(rates, net):
    image, key = photograph(SIDE), jax.random.key(3)
    code = net[0].code(net[1], image, "relu2")
    run = random_codes(*net, image, tap="relu2", seeds=2, rates=rates, key=key, steps=STEPS)
    assert run.image.shape == (2, SIDE, SIDE, 3)
    # A key of their own: the noise of the start is drawn from the name "start".
    own = fold_name(item_keys(key, seeds=2, name="relu2")[1], "rates")
    target = reallocate(code, draw_rates(own, code, kind=rates))
    # The noise around grey changes the loss by less than 5 %.
    expected = compute_loss(net, GREY, target, "relu2")
    assert run.trace["loss"][1, 0] == pytest.approx(expected, rel=0.05)
    if rates == "dirichlet":
        assert np.all(run.trace["loss"].min(1) < 0.7 * run.trace["loss"][:, 0])


def test_ranked_codes_are_one_for_each_style(net):
    image = photograph(SIDE)
    styles = [1 - image, np.asarray(photograph(24))[:, :, ::-1]]
    run = rank_codes(*net, image, styles, tap="relu2", steps=STEPS)
    assert run.image.shape == (2, SIDE, SIDE, 3)
    code, other = (net[0].code(net[1], x, "relu2") for x in (image, styles[0]))
    expected = compute_loss(net, GREY, permute_by_rank(code, other), "relu2")
    assert run.trace["loss"][0, 0] == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["feature_maps", "random_codes", "rank_codes"])
def test_a_second_call_compiles_nothing(method):
    net, params, _ = counted_net()

    def call(number):
        draw = np.random.default_rng(number).random
        image, options = draw((SIDE, SIDE, 3), np.float32), {"tap": "map", "key": number}
        options |= {"recipe": MapRecipe(adam(0.01 * (1 + number)), steps=2 + number)}
        if method == "feature_maps":
            feature_maps(net, params, image, index=(1 + number, 0), **options)
        elif method == "random_codes":
            random_codes(net, params, image, concentration=1.0 + number, **options)
        else:
            rank_codes(net, params, image, [draw((9, 12, 3), np.float32)], **options)

    assert compilations(lambda: call(0)) > 0
    assert compilations(lambda: call(1)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": "relu9"}, "no tap 'relu9'"),
        ({"index": 8}, "'relu1' has 6 filters, 0 to 5"),
        ({"index": ()}, "a filter's number, or a list"),
        ({"index": 0.5}, "a filter's number, or a list"),
        ({"tap": "fc"}, "'fc' has no feature maps"),
        ({"recipe": "x"}, "recipe must be one of paper, or a MapRecipe"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"recipe": MapRecipe("x")}, "optimizer must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        feature_maps(*conv_net(), photograph(SIDE), **({"tap": "relu1"} | options))


def test_codes_of_nothing_are_refused():
    net, params = conv_net()
    dead = jax.tree.map(np.zeros_like, params)
    with pytest.raises(ValueError, match="zero or not finite"):
        feature_maps(net, dead, photograph(SIDE), tap="relu1")
    with pytest.raises(ValueError, match="at least one style"):
        rank_codes(net, params, photograph(SIDE), [], tap="relu1")
    with pytest.raises(ValueError, match="rates are dirichlet or normal"):
        random_codes(net, params, photograph(SIDE), tap="relu1", rates="flat")


@pytest.mark.parametrize("weight", [-1.0, np.nan])
def test_a_filter_without_a_meaning_is_refused(weight):
    with pytest.raises(ValueError, match="denoise must not be negative and must be finite"):
        MapRecipe(denoise=weight)
