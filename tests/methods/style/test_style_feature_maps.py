"""Feature map inversion: many filters in one call, random and ranked codes."""

import jax
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, conv_net, counted_net, photograph, relu_net

from jaxvis.loss.chambolle import Chambolle
from jaxvis.methods.style.codes import (
    random_rates,
    rank_permuted,
    reallocated,
    single_map,
)
from jaxvis.methods.style.feature_maps import feature_maps, random_codes, ranked_codes

STEPS = 30  # one number: another one compiles again


@pytest.fixture(scope="module")
def net():
    """Returns (net, params) of two rectified convolutions of 8 filters."""
    return relu_net(SIDE, depth=2)


@pytest.fixture(scope="module")
def atlas(net):
    """Returns the inversions of a whole layer."""
    return feature_maps(*net, photograph(SIDE), tap="relu2", steps=STEPS)


def _loss(net, image, target, tap):
    code = np.asarray(net[0].code(net[1], image, tap))
    return float(((code - target) ** 2).sum() / 2)


def test_a_layer_is_inverted_in_one_call(net, atlas):
    assert atlas.image.shape == (8, SIDE, SIDE, 3)
    assert atlas.trace["loss"].shape == (8, STEPS)
    assert np.all(atlas.trace["loss"].min(1) < 0.9 * atlas.trace["loss"][:, 0])
    # The image before the filter has the last loss, that of the code of Eq. 2.
    code = net[0].code(net[1], photograph(SIDE), "relu2")
    raw = feature_maps(
        *net, photograph(SIDE), tap="relu2", index=range(8), steps=STEPS, denoise=0.0
    )
    for index in (0, 5):
        found = _loss(net, raw.image[index], single_map(code, index), "relu2")
        grey = _loss(net, np.full_like(raw.image[0], 0.45), single_map(code, index), "relu2")
        assert found < grey


def test_small_activations_move_the_picture_as_large_ones_do(net):
    weak = jax.tree.map(lambda leaf: 1e-4 * leaf, net[1]["conv2"])
    small = {**net[1], "conv2": weak}
    options = {"tap": "relu2", "index": 3, "steps": STEPS, "denoise": 0.0}
    for params in (net[1], small):
        run = feature_maps(net[0], params, photograph(SIDE), **options)
        assert np.asarray(run.image[0]).std() > 0.05
        assert run.trace["loss"][0].min() < 0.9 * run.trace["loss"][0, 0]


def test_chosen_filters_are_those_of_the_atlas(net, atlas):
    some = feature_maps(*net, photograph(SIDE), tap="relu2", index=(5, 2), steps=STEPS)
    first = atlas.trace["loss"][[5, 2], 0]
    np.testing.assert_allclose(some.trace["loss"][:, 0], first, rtol=1e-2)
    assert np.abs(some.image[0] - some.image[1]).mean() > 1e-3


def test_pictures_are_denoised_unless_asked_not_to(net):
    options = {"tap": "relu1", "index": 3, "steps": STEPS}
    plain = feature_maps(*net, photograph(SIDE), denoise=0.0, **options)
    smooth = feature_maps(*net, photograph(SIDE), **options)
    np.testing.assert_array_equal(plain.z, smooth.z)
    expected = Chambolle(0.2)(None, plain.image[0])
    np.testing.assert_allclose(smooth.image[0], expected, atol=1e-4)


@pytest.mark.slow
def test_random_codes_start_at_the_distance_of_equation_3(net):
    image, key = photograph(SIDE), jax.random.key(3)
    code = net[0].code(net[1], image, "relu2")
    for rates in ("dirichlet", "normal"):
        run = random_codes(*net, image, tap="relu2", seeds=2, rates=rates, key=key, steps=STEPS)
        assert run.image.shape == (2, SIDE, SIDE, 3)
        share = random_rates(jax.random.fold_in(key, 1), code, kind=rates)
        start = np.full((SIDE, SIDE, 3), (0.485, 0.456, 0.406), np.float32)
        expected = _loss(net, start, reallocated(code, share), "relu2")
        assert run.trace["loss"][1, 0] == pytest.approx(expected, rel=0.05)
        if rates == "dirichlet":
            assert np.all(run.trace["loss"].min(1) < 0.7 * run.trace["loss"][:, 0])


def test_ranked_codes_are_one_for_each_style(net):
    image = photograph(SIDE)
    styles = [1 - image, np.asarray(photograph(24))[:, :, ::-1]]
    run = ranked_codes(*net, image, styles, tap="relu2", steps=STEPS)
    assert run.image.shape == (2, SIDE, SIDE, 3)
    code, other = (net[0].code(net[1], x, "relu2") for x in (image, styles[0]))
    start = np.full((SIDE, SIDE, 3), (0.485, 0.456, 0.406), np.float32)
    expected = _loss(net, start, rank_permuted(code, other), "relu2")
    assert run.trace["loss"][0, 0] == pytest.approx(expected, rel=0.05)


def test_a_second_call_compiles_nothing():
    net, params, _ = counted_net()

    def again(seed):
        image = np.random.default_rng(seed).random((SIDE, SIDE, 3), np.float32)
        index = (1 + seed, 0)
        feature_maps(net, params, image, tap="map", index=index, steps=2, key=seed)

    assert compilations(lambda: again(0)) > 0
    assert compilations(lambda: again(1)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": "relu9"}, "no tap 'relu9'"),
        ({"index": 8}, "'relu1' has 6 filters, 0 to 5"),
        ({"index": ()}, "a filter's number, or a list"),
        ({"index": 0.5}, "a filter's number, or a list"),
        ({"tap": "fc"}, "'fc' has no feature maps"),
        ({"denoise": -1.0}, "denoise must not be negative"),
        ({"optimizer": "x"}, "optimizer is one of"),
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
        ranked_codes(net, params, photograph(SIDE), [], tap="relu1")
    with pytest.raises(ValueError, match="rates are dirichlet or normal"):
        random_codes(net, params, photograph(SIDE), tap="relu1", rates="flat")
