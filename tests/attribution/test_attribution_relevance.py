"""Relevance propagation: rules by hand, sums that are kept, channels that add up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.attribution.relevance.composites import Composite
from jaxvis.attribution.relevance.rules import Linear, Rule, share_relevance
from jaxvis.nets import random_params
from jaxvis.nets.adapters import from_function
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer

W = np.array([[1.0, -2.0], [3.0, 4.0]])  # two inputs, two outputs
X, B, R = np.array([2.0, -1.0]), np.array([0.5, -0.5]), np.array([1.0, 3.0])
# y = x W + b = (2 - 3 + 0.5, -4 - 4 - 0.5) = (-0.5, -8.5)


def layer_of(x=X, bounds=None, positive=False):
    arrays = [jnp.asarray(value, jnp.float32) for value in (x, W, B)]
    return Linear(lambda x, kernel: x @ kernel, *arrays, bounds, positive)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        # Products x_i w_ij over y_j: (2, -3) / -0.5 and (-4, -4) / -8.5.
        (Rule("epsilon"), [2 / -0.5 + 3 * 4 / 8.5, -3 / -0.5 + 3 * 4 / 8.5]),
        # Positive products and biases: output 0 has 2 and 0.5, output 1 has none at all.
        (Rule("z_plus"), [2 / 2.5, 0.0]),
        # Negative ones: output 0 has -3, output 1 has -4, -4 and -0.5.
        (Rule("alpha_beta"), [2 * 2 / 2.5 - 3 * 4 / 8.5, -(1 + 3 * 4 / 8.5)]),
        (Rule("flat"), [0.5 + 1.5, 0.5 + 1.5]),
        (Rule("w_square"), [1 / 10.25 + 3 * 4 / 20.25, 9 / 10.25 + 3 * 16 / 20.25]),
    ],
)
def test_a_rule_shares_as_by_hand(rule, wanted):
    found = share_relevance(rule, layer_of(), jnp.asarray(R))
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-5)


def test_gamma_favours_what_speaks_for_the_sign_of_an_output():
    # Both outputs are negative: negative products count 1.25 times, positive ones once.
    found = share_relevance(Rule("gamma", gamma=0.25), layer_of(), jnp.asarray(R))
    first = np.array([2.0, -3.75]) / (2 - 3.75 + 0.5)
    second = 3 * np.array([-5.0, -5.0]) / (-10 - 0.5 - 0.125)
    np.testing.assert_allclose(found, first + second, rtol=1e-5)


def test_the_box_rule_measures_from_its_bounds():
    low, high = jnp.array([-1.0, -2.0]), jnp.array([3.0, 2.0])
    found = share_relevance(Rule("z_box"), layer_of(bounds=(low, high)), jnp.asarray(R))
    parts = X[:, None] * W - np.asarray(low)[:, None] * np.maximum(W, 0)
    parts -= np.asarray(high)[:, None] * np.minimum(W, 0)
    np.testing.assert_allclose(found, (parts / parts.sum(0)) @ R, rtol=1e-5)
    with pytest.raises(ValueError, match="first layer"):
        share_relevance(Rule("z_box"), layer_of(), jnp.asarray(R))


def test_positive_inputs_need_no_second_half():
    whole = share_relevance(Rule("gamma"), layer_of(np.abs(X)), jnp.asarray(R))
    half = share_relevance(Rule("gamma"), layer_of(np.abs(X), positive=True), jnp.asarray(R))
    np.testing.assert_allclose(half, whole, rtol=1e-6)


def residual_net(bias=0.0):
    """Returns (net, params) with two residual blocks, batch norms and a mean."""
    rows = [
        Layer("conv1", "conv", 6, 3, pad=1, bias=False),
        Layer("bn1", "bn"),
        Layer("r1", "relu"),
    ]
    for k, source in ((2, "r1"), (3, "r2")):
        rows += [
            Layer(f"conv{k}", "conv", 6, 3, pad=1, bias=False, inputs=(source,)),
            Layer(f"bn{k}", "bn"),
            Layer(f"add{k}", "add", inputs=(f"bn{k}", source)),
            Layer(f"r{k}", "relu"),
        ]
    rows += [Layer("gap", "gap"), Layer("fc", "fc", 4)]
    net = build_network("residual", tuple(rows), input_size=(12, 12), scores="fc")
    params = random_params(net, jax.random.key(2))
    params = {name: dict(row) for name, row in params.items()}
    for k in (1, 2, 3):
        params[f"bn{k}"]["scale"] = np.array([1, 2, 0.5, 1.5, -1, 1], np.float32)
        params[f"bn{k}"]["bias"] = np.full(6, bias, np.float32)
    return net, params


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(5).random((12, 12, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "rules",
    ["epsilon", "epsilon_plus", pytest.param("epsilon_alpha2_beta1", marks=pytest.mark.slow)],
)
def test_relevance_is_conserved_through_residual_blocks(rules, image):
    net, params = residual_net()
    scores = np.asarray(net.apply(params, image)["fc"])
    maps = jaxvis.lrp(net, params, image, index=range(4), rules=rules)
    # Where no positive product reaches an output, its relevance ends: only for z_plus.
    tolerance = 1e-3 if rules == "epsilon" else 2e-2
    np.testing.assert_allclose(maps.sum((1, 2)), scores, rtol=tolerance)


def test_lrp_of_a_linear_network_is_weight_times_input(image):
    rows = (Layer("fc", "fc", 3, bias=False),)
    net = build_network("linear", rows, input_size=(12, 12), scores="fc")
    params = random_params(net, jax.random.key(0))
    kernel = np.asarray(params["fc"]["kernel"]).reshape(12, 12, 3, 3)
    maps = jaxvis.lrp(net, params, image, index=[0, 2], rules="epsilon", combine="none")
    seen = np.asarray(net.apply(params, image, stop="input")["input"])
    for found, index in zip(maps, (0, 2)):
        np.testing.assert_allclose(found, kernel[..., index] * seen, rtol=2e-4, atol=1e-6)


@pytest.mark.slow
def test_maps_of_all_channels_add_up_to_the_whole(image):
    net, params = residual_net(bias=0.1)
    whole = jaxvis.lrp(net, params, image, index=[1, 2])
    parts = jaxvis.crp(net, params, image, index=[1, 2], layer="r1", channels=range(6))
    assert parts.shape == (2, 6, 12, 12)
    np.testing.assert_allclose(parts.sum(1), whole, rtol=1e-3, atol=1e-6)
    one = jaxvis.crp(net, params, image, index=2, layer="r1", channels=4)
    np.testing.assert_allclose(one, parts[1, 4], rtol=1e-4, atol=1e-7)
    shares = jaxvis.lrp(net, params, image, index=2, layer="r1", combine="none").sum((0, 1))
    np.testing.assert_allclose(shares.sum(), whole[1].sum(), rtol=1e-2)


def test_a_dark_network_has_no_relevance_and_no_nan():
    net, params = residual_net()
    scale, shift = (np.asarray(params["input"][key]) for key in ("scale", "shift"))
    grey = np.broadcast_to(-shift / scale, (12, 12, 3))  # what the first layer sees as zeros
    maps = jaxvis.lrp(net, params, np.clip(grey, 0, 1), index=range(4))
    assert np.all(np.isfinite(maps)) and np.allclose(maps, 0, atol=1e-6)


def test_what_relevance_cannot_explain_is_told(image):
    net, params = residual_net()
    with pytest.raises(ValueError, match="rules is one of epsilon, epsilon_plus"):
        jaxvis.lrp(net, params, image, rules="z+")
    with pytest.raises(ValueError, match="comes after"):
        jaxvis.lrp(net, params, image, tap="r1", layer="r2")
    with pytest.raises(ValueError, match=r"has 6 channels, 0\.\.5"):
        jaxvis.crp(net, params, image, layer="r1", channels=[6])
    own, weights = from_function(lambda p, x: {"s": jnp.mean(x, (0, 1))}, {}, input_size=(12, 12))
    with pytest.raises(ValueError, match="not built from a table"):
        jaxvis.lrp(own, weights, image, tap="s")
    with pytest.raises(ValueError, match="alpha must be at least 1"):
        Rule("alpha_beta", alpha=0.5)
    with pytest.raises(ValueError, match="a rule is one of"):
        Rule("gama")
    assert Composite(Rule("gamma")).dense == Rule("epsilon")
