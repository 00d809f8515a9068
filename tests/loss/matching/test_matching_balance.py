"""Balancing weights: the formulas, the invariance, and what cannot be balanced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, photograph, relu_net

from jaxvis.loss.matching.balance import (
    MEANS,
    content_weights,
    gram_weights,
    relative_content_weights,
)
from jaxvis.loss.matching.statistics import (
    Code,
    GramMatch,
    add_weighted,
    gram,
    measure,
)
from jaxvis.nets import random_params

TAPS = ("relu1", "relu2", "relu3")
WEIGHTS = {"content": content_weights, "gram": gram_weights}


def _objective(kind, net, params, image, mean):
    """Returns the weighted losses of all taps, one objective."""
    weights = WEIGHTS[kind](net, params, image, TAPS, mean=mean)
    codes = measure(net, params, image, TAPS)
    if kind == "content":
        return add_weighted([Code(t, codes[t], weight=weights[t]) for t in TAPS])
    return add_weighted([GramMatch(t, gram(codes[t]), weight=weights[t]) for t in TAPS])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "mean"), list(zip(WEIGHTS, MEANS[::-1])))
def test_a_factor_on_any_layer_changes_no_weighted_loss(kind, mean):
    net, params = relu_net(SIDE)
    image, other = photograph(SIDE), jnp.flip(photograph(SIDE), -1) ** 2
    scaled = {
        name: {**leaves, "kernel": leaves["kernel"] * 10.0 ** (i - 3)}
        if "kernel" in leaves
        else leaves
        for i, (name, leaves) in enumerate(params.items())
    }
    values = []
    for weights in (params, scaled):
        whole = _objective(kind, net, weights, image, mean)
        taps = measure(net, weights, other, TAPS)
        values.append([float(part(taps)) for part in whole.parts])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-3)
    assert min(values[0]) > 0


def test_weights_are_reciprocal_mean_gradients():
    net, params = relu_net(SIDE)
    image, tap = photograph(SIDE), "relu2"
    code = net.code(params, image, tap)
    back = jax.jit(
        lambda x, sent: jax.vjp(lambda x: net.apply(params, x, stop=tap)[tap], x)[1](sent)
    )
    flat = code.reshape(-1, code.shape[-1])
    count, channels = flat.shape
    sent = {
        "content": -flat / (channels * count),
        "gram": -(flat @ (flat.T @ flat)) / (channels * count) ** 2,
    }
    for kind, value in sent.items():
        (gradient,) = back(image, value.reshape(code.shape))
        found = WEIGHTS[kind](net, params, image, (tap,))[tap]
        assert found == pytest.approx(1 / float(jnp.mean(jnp.abs(gradient))), rel=1e-4)
        found = WEIGHTS[kind](net, params, image, (tap,), mean="abs_mean")[tap]
        assert found == pytest.approx(1 / abs(float(jnp.mean(gradient))), rel=1e-3)


def test_the_gradient_of_a_balanced_content_has_mean_one_at_a_zero_code():
    # Without rectifiers before the tap, F = 0 is reached and the reading is exact.
    net, params = relu_net(SIDE, depth=1)
    image = photograph(SIDE)
    weight = content_weights(net, params, image, ("conv1",))["conv1"]
    target = net.code(params, image, "conv1")

    def loss(x):
        code = net.apply(params, x, stop="conv1")["conv1"]
        return Code("conv1", target, weight=weight)({"conv1": code})

    mean = -params["input"]["shift"] / params["input"]["scale"]
    grad = jax.jit(jax.grad(loss))(jnp.broadcast_to(mean, image.shape))
    assert float(jnp.mean(jnp.abs(grad))) == pytest.approx(1, rel=1e-3)


def test_the_printed_small_weights_are_balanced_too():
    net, _ = relu_net(SIDE)
    params = random_params(net, jax.random.key(0), scheme="gaussian", sigma=1e-3)
    weights = gram_weights(net, params, photograph(SIDE), TAPS)
    assert all(0 < value < np.inf for value in weights.values())
    whole = _objective("gram", net, params, photograph(SIDE), "mean_abs")
    other = jnp.flip(photograph(SIDE), -1) ** 2
    value = whole.parts[0](measure(net, params, other, TAPS))
    assert np.isfinite(value) and value > 0


def test_what_cannot_be_balanced_is_refused():
    net, params = conv_net()
    image = photograph(SIDE)
    with pytest.raises(ValueError, match="no tap 'relu9'"):
        gram_weights(net, params, image, ("relu9",))
    with pytest.raises(ValueError, match="mean is one of mean_abs, abs_mean"):
        content_weights(net, params, image, ("relu1",), mean="rms")
    dead = jax.tree.map(jnp.zeros_like, params)
    with pytest.raises(ValueError, match="'relu1' sends no finite gradient"):
        content_weights(net, dead, image, ("relu1",))


@pytest.mark.slow
def test_every_layer_has_its_weight():
    net, params = conv_net()
    weights = gram_weights(net, params, photograph(SIDE), ("relu1", "relu2", "fc"))
    assert list(weights) == ["relu1", "relu2", "fc"]


def test_relative_weights_of_contents_make_the_loss_of_a_zero_code_1():
    net, params = relu_net(SIDE)
    codes = measure(net, params, photograph(SIDE), TAPS)
    weights = relative_content_weights(codes)
    for tap, code in codes.items():
        loss = Code(tap, code, weight=weights[tap])({tap: jnp.zeros_like(code)})
        assert float(loss) == pytest.approx(1, rel=1e-5)
    with pytest.raises(ValueError, match="'relu1' is zero or not finite for the content"):
        relative_content_weights({"relu1": jnp.zeros((2, 2, 3))})
