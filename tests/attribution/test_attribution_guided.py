"""Guided backpropagation and deconvnet: values by hand, and any network.

The small convolutional network and its numbers are those of captum's own tests, which can be
computed by hand.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxvis
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from tests.tiny_nets import conv_net

IMAGE = np.random.default_rng(1).random((16, 16, 3)).astype(np.float32)


def one_conv():
    """Returns (net, params, image): a 3x3 convolution of ones, and a layer of ones and minus."""
    rows = (
        Layer("conv1", "conv", 2, 3),
        Layer("relu1", "relu"),
        Layer("fc1", "fc", 4),
        Layer("relu2", "relu"),
    )
    net = build_network("one_conv", rows, input_size=(4, 4), scores="relu2", channels=1)
    signs = np.array([1, 1, 1, 1, 1, -1, -1, -1], np.float32).reshape(2, 4).T.ravel()
    params = {
        "input": {"scale": np.full(1, 16.0, np.float32), "shift": np.zeros(1, np.float32)},
        "conv1": {
            "kernel": np.ones((3, 3, 1, 2), np.float32),
            "bias": np.array([-50, -75], np.float32),
        },
        "fc1": {"kernel": np.tile(signs[:, None], 4), "bias": np.zeros(4, np.float32)},
    }
    return net, params, np.arange(16, dtype=np.float32).reshape(4, 4, 1) / 16


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        (jaxvis.saliency, [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]]),
        (
            jaxvis.guided_backpropagation,
            [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
        ),
        (jaxvis.deconvnet, [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]),
    ],
)
def test_one_convolution_by_hand(method, wanted):
    net, params, image = one_conv()
    np.testing.assert_allclose(method(net, params, image, index=0) / 16, wanted, rtol=1e-6)


def test_a_network_of_rectifiers_by_hand():
    # Captum's: 2 max(x, 0) + 2 max(y - 1.5, 0) at (1, 2) against (0, 0).
    def run(params, image):
        x, y = image[0, 0, 0], 2 * image[0, 1, 0]
        return {"scores": (2 * jax.nn.relu(x) + 2 * jax.nn.relu(y - 1.5))[None]}

    net, params = jaxvis.from_function(run, {}, input_size=(1, 2), scores="scores")
    found = jaxvis.deep_lift(net, params, np.ones((1, 2, 3), np.float32), index=0)
    np.testing.assert_allclose(found, [[2, 1]], rtol=1e-6)


def test_conductance_by_hand():
    # Captum's: the identity, then four sums that are rectified and added up; 390 at (0, 100, 0).
    rows = (
        Layer("linear0", "conv", 3),
        Layer("linear1", "conv", 4),
        Layer("relu", "relu"),
        Layer("linear2", "conv", 1),
        Layer("gap", "gap"),
    )
    net = build_network("sums", rows, input_size=(1, 1), scores="gap")
    params = {
        "input": {"scale": np.full(3, 100.0, np.float32), "shift": np.zeros(3, np.float32)},
        "linear0": {"kernel": np.eye(3, dtype=np.float32)[None, None], "bias": np.zeros(3)},
        "linear1": {"kernel": np.ones((1, 1, 3, 4)), "bias": np.array([-10.0, 1, 1, 1])},
        "linear2": {"kernel": np.ones((1, 1, 4, 1)), "bias": np.array([-1.0])},
    }
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), params)
    image = np.array([0, 1, 0], np.float32).reshape(1, 1, 3)
    found = jaxvis.conductance(
        net, params, image, layer="linear0", index=0, steps=500, combine="none"
    )
    np.testing.assert_allclose(found[0, 0], [0, 390, 0], atol=0.5)


class Nnx(nnx.Module):
    def __init__(self, rngs, activation):
        self.conv1 = nnx.Conv(3, 6, (3, 3), rngs=rngs)
        self.norm = nnx.LayerNorm(6, rngs=rngs)
        self.conv2 = nnx.Conv(6, 5, (3, 3), rngs=rngs)
        self.activation = activation

    def __call__(self, x):
        x = self.activation(self.norm(self.conv1(x)))
        return self.activation(self.conv2(x)).mean((1, 2))


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = jnp.maximum(0, linen.Conv(6, (3, 3))(x))
        return jnp.clip(linen.Conv(5, (3, 3))(x), 0, 6).mean((1, 2))


def adapt(kind):
    key = jax.random.key(0)
    if kind == "linen":
        module = Linen()
        variables = module.init(key, jnp.zeros((1, 16, 16, 3)))
        return jaxvis.from_linen(module, variables, input_size=(16, 16))
    module = Nnx(nnx.Rngs(0), {"nnx": nnx.relu, "gelu": nnx.gelu}[kind])
    return jaxvis.from_nnx(module, input_size=(16, 16))


@pytest.mark.parametrize("kind", ["nnx", "linen"])
def test_relus_of_ones_own_networks_are_found(kind):
    net, params = adapt(kind)
    plain = jaxvis.saliency(net, params, IMAGE, index=[0, 2], combine="none")
    guided = jaxvis.guided_backpropagation(net, params, IMAGE, index=[0, 2], combine="none")
    opened = jaxvis.deconvnet(net, params, IMAGE, index=[0, 2], combine="none")
    assert not np.allclose(plain, guided) and not np.allclose(guided, opened)


@pytest.mark.slow
def test_a_network_of_ones_own_has_the_map_of_the_same_table():
    net, params = conv_net()

    def run(params, image):
        taps = net.apply(params, image)
        return {"relu2": taps["relu2"], "scores": taps["fc"]}

    own, own_params = jaxvis.from_function(run, params, input_size=(16, 16), scores="scores")
    for method in (jaxvis.guided_backpropagation, jaxvis.deconvnet):
        ours = method(net, params, IMAGE, index=[1, 4])
        np.testing.assert_allclose(method(own, own_params, IMAGE, index=[1, 4]), ours, rtol=1e-5)
        unit = {"tap": "relu2", "index": 3, "position": (2, 5)}
        ours = method(net, params, IMAGE, **unit)
        np.testing.assert_allclose(method(own, own_params, IMAGE, **unit), ours, rtol=1e-5)


def test_a_network_without_relus_is_told():
    net, params = adapt("gelu")
    with pytest.raises(ValueError, match="has no ReLU"):
        jaxvis.guided_backpropagation(net, params, IMAGE, index=0)


def test_a_relu_in_a_loop_is_told():
    def run(params, image):
        def step(x, weight):
            return jax.nn.relu(x * weight), None

        return {"scores": jax.lax.scan(step, image, params["weights"])[0].mean((0, 1))}

    params = {"weights": jnp.ones(3)}
    net, params = jaxvis.from_function(run, params, input_size=(16, 16), scores="scores")
    with pytest.raises(ValueError, match="within a loop"):
        jaxvis.deconvnet(net, params, IMAGE, index=0)
