"""Filters as pictures, and combined kernels against the convolution of an impulse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net, counted_net

import jaxvis
from jaxvis.analysis.filters import filters, scale_kernels
from jaxvis.nets import build, random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer


def strided_net():
    """Returns (net, params) of two strided convolutions, pooling and a rectifier between."""
    rows = (
        Layer("conv1", "conv", 3, 3, stride=2, pad=1),
        Layer("relu1", "relu"),
        Layer("pool1", "max", size=2, stride=2),
        Layer("conv2", "conv", 4, 3, pad=1),
    )
    net = build_network("strided", rows, input_size=(32, 32))
    return net, random_params(net, jax.random.key(0), preprocess="imagenet")


def test_the_kernels_of_one_layer_are_its_weights():
    net, params = conv_net()
    found = filters(net, params)
    kernel = np.asarray(params["conv1"]["kernel"])
    assert found.tap == "conv1" and found.colours and found.kernels.shape == (6, 3, 3, 3)
    np.testing.assert_array_equal(found.kernels[4, 1, 2], kernel[1, 2, :, 4])
    deeper = filters(net, params, tap="conv2", index=[5, 0])
    assert not deeper.colours and list(deeper.numbers) == [5, 0]
    assert deeper.slice().shape == (2, 6, 3, 3)
    # One layer combined with nothing before it is itself, the preprocessing left out.
    both = filters(net, params, tap="conv1", combined=True)
    np.testing.assert_allclose(both.kernels, found.kernels, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape"), [("alexnet", (64, 11, 11, 3)), ("resnet18", (64, 7, 7, 3))]
)
def test_first_layers_of_the_zoo(name, shape):
    net = build(name)
    first = next(row.name for row in net.rows if row.op == "conv")
    params = random_params(net, jax.random.key(0), preprocess="imagenet", stop=first)
    assert filters(net, params).kernels.shape == shape


def test_zero_is_grey_and_scales_are_a_filters_own_or_common():
    kernels = np.zeros((3, 1, 2, 1), np.float32)
    kernels[0, 0, :, 0], kernels[1, 0, :, 0] = (2, -1), (4, 4)
    each, common = scale_kernels(kernels)[:, 0, :, 0], scale_kernels(kernels, common=True)
    np.testing.assert_allclose(each, [[1, 0.25], [1, 1], [0.5, 0.5]])
    np.testing.assert_allclose(common[:, 0, :, 0], [[0.75, 0.375], [1, 1], [0.5, 0.5]])


def test_a_combined_kernel_is_the_answer_to_an_impulse():
    net, params = strided_net()
    found = filters(net, params, tap=("conv1", "conv2"))
    # By hand: conv1 sees 3 pixels with stride 2, the mean of 2x2 with stride 4, conv2 3 of it.
    k1, k2 = (np.asarray(params[row]["kernel"]) for row in ("conv1", "conv2"))
    side = 3 + (2 - 1) * 2 + (3 - 1) * 4
    expected = np.zeros((4, side, side, 3))
    for i, j in np.ndindex(3, 3):
        for a, b in np.ndindex(2, 2):
            y, x = 4 * i + 2 * a, 4 * j + 2 * b
            part = np.einsum("hwcm,mf->fhwc", k1, k2[i, j]) / 4
            expected[:, y : y + 3, x : x + 3] += part
    assert found.kernels.shape == expected.shape and found.tap == "conv1 to conv2"
    np.testing.assert_allclose(found.kernels, expected, atol=1e-5)

    # And an image of one bright pixel makes conv2 answer with the kernel's weight there.
    def answer(image):
        x = jax.lax.conv_general_dilated(
            image[None], k1, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = x.reshape(1, 8, 2, 8, 2, 3).mean((2, 4))
        return jax.lax.conv_general_dilated(
            x, k2, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )[0]

    # The field of unit (2, 2): it begins at 2 * 4 - (1 + 4) = 3.
    image = jnp.zeros((32, 32, 3)).at[3 + 7, 3 + 5, 1].set(1)
    np.testing.assert_allclose(answer(image)[2, 2], found.kernels[:, 7, 5, 1], atol=1e-6)


def test_branches_are_added_up():
    rows = (
        Layer("conv1", "conv", 2, 3, pad=1, bias=False),
        Layer("bn1", "bn"),
        Layer("conv2", "conv", 2, 1, inputs=("conv1",), bias=False),
        Layer("sum", "add", inputs=("bn1", "conv2")),
    )
    net = build_network("branches", rows, input_size=(8, 8))
    params = random_params(net, jax.random.key(1), preprocess="imagenet")
    found = filters(net, params, tap="sum", combined=True).kernels
    k1 = np.moveaxis(np.asarray(params["conv1"]["kernel"]), -1, 0)
    k2 = np.asarray(params["conv2"]["kernel"])[0, 0]
    bn = params["bn1"]
    scale = np.asarray(bn["scale"]) / np.sqrt(np.asarray(bn["var"]) + 1e-5)
    expected = k1 * scale[:, None, None, None] + np.einsum("mhwc,mf->fhwc", k1, k2)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_fully_connected_layer_that_reads_maps_has_kernels_as_large_as_them():
    rows = (Layer("conv", "conv", 2, 3), Layer("fc", "fc", 5), Layer("fc2", "fc", 3))
    net = build_network("fc", rows, input_size=(6, 6))
    params = random_params(net, jax.random.key(1), preprocess="imagenet")
    assert filters(net, params, tap="fc").kernels.shape == (5, 4, 4, 2)
    with pytest.raises(ValueError, match="reads a vector"):
        filters(net, params, tap="fc2")
    with pytest.raises(ValueError, match=r"lies 'fc' \(fc\)"):
        filters(net, params, tap="fc", combined=True)


def test_filters_of_a_users_own_network_are_found_by_the_modules_path():
    from flax import nnx

    class Own(nnx.Module):
        def __init__(self):
            self.stem = nnx.Conv(3, 4, (5, 5), rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.stem(x).mean((1, 2))

    module = Own()
    net, params = jaxvis.from_nnx(module, input_size=(16, 16))
    found = filters(net, params)
    assert found.tap == "stem" and found.colours
    np.testing.assert_array_equal(found.kernels, np.moveaxis(module.stem.kernel[...], -1, 0))
    with pytest.raises(ValueError, match="has no table"):
        filters(net, params, tap="stem", combined=True)


def test_mistakes_are_told():
    net, params = conv_net()
    with pytest.raises(ValueError, match="'relu1' has no kernels; convolutions of tiny_conv are"):
        filters(net, params, tap="relu1")
    with pytest.raises(ValueError, match="has filters 0 to 5"):
        filters(net, params, tap="conv1", index=[6])
    with pytest.raises(ValueError, match="pass tap="):
        filters(net, params, combined=True)
    own, tree, _ = counted_net()
    with pytest.raises(ValueError, match="no kernel"):
        filters(own, tree)
