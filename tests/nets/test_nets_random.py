"""Random parameters: shapes, scales, and N networks at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets import build, from_function, parameter_shapes, random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer

SIDE = (32, 32)


def _rms(array):
    return float(jnp.sqrt(jnp.mean(jnp.square(array))))


def _noise(key, side=64):
    """Returns an image that is unit noise after ImageNet's mean and deviation."""
    noise = jax.random.normal(key, (side, side, 3))
    return noise * jnp.array((0.229, 0.224, 0.225)) + jnp.array((0.485, 0.456, 0.406))


@pytest.mark.parametrize("name", ["vgg11_bn", "caffenet", "squeezenet1_1", "resnet18"])
@pytest.mark.parametrize("scheme", ["he", "gaussian"])
def test_parameters_have_the_shapes_of_the_table(name, scheme, key):
    net = build(name)
    params = jax.eval_shape(lambda k: random_params(net, k, scheme=scheme), key)
    assert jax.tree.map(lambda leaf: leaf.shape, params) == parameter_shapes(net)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}


def test_he_kernels_spread_by_fan_in_and_biases_are_zero(key):
    net = build("caffe_alexnet", input_size=(67, 67))
    params = random_params(net, key)
    for row, fan_in in (("conv1", 11 * 11 * 3), ("conv2", 5 * 5 * 48), ("fc7", 4096)):
        kernel = params[row]["kernel"]
        np.testing.assert_allclose(_rms(kernel), (2 / fan_in) ** 0.5, rtol=0.02)
        assert abs(float(kernel.mean())) < 0.02 * _rms(kernel)
        assert not params[row]["bias"].any()


@pytest.mark.parametrize("sigma", [0.015, 0.3])
def test_gaussian_kernels_spread_by_sigma(sigma, key):
    params = random_params(build("vgg11"), key, scheme="gaussian", sigma=sigma, stop="conv2_1")
    for row in ("conv1_1", "conv2_1"):
        np.testing.assert_allclose(_rms(params[row]["kernel"]), sigma, rtol=0.05)


def test_batch_norm_starts_as_the_identity(key):
    net = build("vgg11_bn", input_size=SIDE)
    params = random_params(net, key, stop="bn1_1")
    assert set(params) == {"input", "conv1_1", "bn1_1"}
    taps = net.apply(params, _noise(key), stop="bn1_1")
    np.testing.assert_allclose(taps["bn1_1"], taps["conv1_1"], rtol=1e-4)


def _chain(depth, width=32):
    """Returns a network of 3x3 convolutions and rectifications, without borders."""
    rows = []
    for i in range(depth):
        rows += [Layer(f"conv{i}", "conv", width, 3), Layer(f"relu{i}", "relu")]
    return build_network("chain", tuple(rows), input_size=(48, 48))


def test_he_keeps_rectified_activations_at_the_scale_of_the_input(key):
    net, keys = _chain(8), jax.random.split(key)
    params = random_params(net, keys[0], preprocess="imagenet")
    taps = jax.jit(net.apply)(params, _noise(keys[1], 48))
    assert 0.95 < _rms(taps["input"]) < 1.05
    for tap in (tap for tap in taps if tap.startswith("relu")):
        assert 0.5 < _rms(taps[tap]) < 2.0, tap


def test_gaussian_scales_every_layer_by_sigma_over_hes_spread(key):
    net = _chain(3)
    image = jax.random.uniform(key, (48, 48, 3))
    apply = jax.jit(net.apply)
    he = apply(random_params(net, key), image)
    gaussian = apply(random_params(net, key, scheme="gaussian"), image)
    # The first layer reads 27 numbers, the others 288: with zero biases a factor each.
    first, further = (0.015 / (2 / fan_in) ** 0.5 for fan_in in (27, 288))
    expected = he["relu2"] * first * further**2
    np.testing.assert_allclose(
        gaussian["relu2"], expected, rtol=1e-3, atol=1e-5 * float(expected.max())
    )
    assert 40 < _rms(he["input"]) < 80 and 1 < _rms(gaussian["relu0"]) < 10


@pytest.mark.parametrize(
    ("preprocess", "black", "white"),
    [
        ("caffe_vgg", (-123.68, -116.779, -103.939), (131.32, 138.221, 151.061)),
        ("imagenet", (-2.1179, -2.0357, -1.8044), (2.2489, 2.4286, 2.64)),
        ("unit", (0, 0, 0), (1, 1, 1)),
    ],
)
def test_the_input_row_does_what_preprocess_says(preprocess, black, white, key):
    net = build("vgg11", input_size=SIDE)
    params = random_params(net, key, preprocess=preprocess, stop="input")
    for value, expected in ((0.0, black), (1.0, white)):
        taps = net.apply(params, jnp.full((1, 1, 3), value), stop="input")
        np.testing.assert_allclose(taps["input"][0, 0], expected, rtol=1e-4, atol=1e-6)


def test_many_networks_at_once_equal_one_after_another(key):
    net, image = _chain(2, 4), _noise(key, 8)
    keys = jax.random.split(key, 3)
    apply = jax.jit(lambda params: net.apply(params, image)["relu1"])
    params = jax.jit(jax.vmap(lambda k: random_params(net, k)))(keys)
    together = jax.jit(jax.vmap(apply))(params)
    alone = jnp.stack([apply(random_params(net, k)) for k in keys])
    scale = float(jnp.abs(alone).max())
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5 * scale)
    assert jnp.abs(alone[0] - alone[1]).max() > 0.1 * scale


def test_rows_after_stop_are_left_out_and_do_not_change_the_others(key):
    net = build("squeezenet1_1")
    whole, part = random_params(net, key), random_params(net, key, stop="pool3")
    assert "fire3/expand3x3" in part and "fire4/squeeze1x1" not in part
    for row in part:
        for leaf in part[row]:
            # Draws of two lengths are two programs, whose last bits may differ.
            np.testing.assert_allclose(part[row][leaf], whole[row][leaf], rtol=1e-6, atol=1e-8)


def test_a_key_always_draws_the_same_and_pooling_does_not_matter(key):
    first = random_params(build("vgg11"), key, stop="conv2_1")
    second = random_params(build("vgg11", pool="avg"), key, stop="conv1_1")
    one, two = (params["conv1_1"]["kernel"] for params in (first, second))
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)
    other = random_params(build("vgg11"), jax.random.key(7), stop="conv1_1")
    assert (first["conv1_1"]["kernel"] != other["conv1_1"]["kernel"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "xavier"}, "he, gaussian, not 'xavier'"),
        ({"preprocess": "bgr"}, "caffe_vgg, imagenet, unit, not 'bgr'"),
        ({"stop": "relu9"}, "no tap 'relu9'"),
    ],
    ids=["scheme", "preprocess", "stop"],
)
def test_random_params_says_what_is_wrong(options, message, key):
    with pytest.raises(ValueError, match=message):
        random_params(build("vgg11"), key, **options)


def test_random_params_refuses_an_adapted_network(key):
    net, _ = from_function(lambda p, x: {"twice": 2 * x}, {}, input_size=(8, 8))
    with pytest.raises(ValueError, match="not a table network"):
        random_params(net, key)
