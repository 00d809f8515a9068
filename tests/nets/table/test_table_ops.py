"""The ops of rows, against values computed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.table.ops import OPS

AT = (-4.0, -1.0, 0.0, 1.0, 4.0, 8.0)
SIGMOID = (0.01798621, 0.26894142, 0.5, 0.73105858, 0.98201379, 0.99966465)
# x * Phi(x); Phi(1) = 0.84134475 and Phi(4) = 0.99996833.
GELU = (-4 * (1 - 0.99996833), -(1 - 0.84134475), 0.0, 0.84134475, 4 * 0.99996833, 8.0)
VALUES = {
    "relu6": (0.0, 0.0, 0.0, 1.0, 4.0, 6.0),
    "sigmoid": SIGMOID,
    "silu": tuple(x * s for x, s in zip(AT, SIGMOID)),
    "gelu": GELU,
    "hsigmoid": (0.0, 1 / 3, 1 / 2, 2 / 3, 1.0, 1.0),
    "hswish": (0.0, -1 / 3, 0.0, 2 / 3, 4.0, 8.0),
}


@pytest.mark.parametrize("op", VALUES)
def test_activations_have_their_values(op):
    got = OPS[op](jnp.asarray(AT), row=Layer("act", op))
    np.testing.assert_allclose(got, VALUES[op], atol=2e-6)


def _apply(rows, params, image):
    """Returns the last tap of some rows; the image passes the input row unchanged."""
    image = jnp.asarray(image, jnp.float32)
    channels = image.shape[-1]
    net = build_network("small", rows, input_size=image.shape[:2], channels=channels)
    unit = {"input": {"scale": jnp.ones(channels), "shift": jnp.zeros(channels)}}
    return np.asarray(net.apply(unit | params, image)[net.taps[-1]])


def test_a_layer_norm_normalises_the_channels_of_each_pixel():
    image = [[[1.0, 3.0], [5.0, 5.0]]]
    params = {"norm": {"scale": jnp.array([2.0, 1.0]), "bias": jnp.array([0.0, 10.0])}}
    got = _apply((Layer("norm", "ln", epsilon=3.0),), params, image)
    # The first pixel has mean 2 and variance 1: (x - 2) / sqrt(1 + 3) is -1/2 and 1/2.
    np.testing.assert_allclose(got, [[[-1.0, 10.5], [0.0, 10.0]]], atol=1e-6)


def test_a_batch_norm_adds_its_epsilon():
    leaves = {"scale": 3.0, "bias": 1.0, "mean": 2.0, "var": 1.0}
    params = {"norm": {leaf: jnp.array([value]) for leaf, value in leaves.items()}}
    got = _apply((Layer("norm", "bn", epsilon=8.0),), params, [[[4.0]]])
    np.testing.assert_allclose(got, [[[1 + 3 * 2 / 3]]], atol=1e-6)


def test_a_gain_multiplies_every_channel():
    params = {"gain": {"scale": jnp.array([2.0, -1.0])}}
    got = _apply((Layer("gain", "gain"),), params, [[[1.0, 3.0], [0.5, 5.0]]])
    np.testing.assert_array_equal(got, [[[2.0, -3.0], [1.0, -5.0]]])


def test_a_product_takes_maps_and_factors_of_channels():
    rows = (
        Layer("means", "gap"),
        Layer("gated", "mul", inputs=("input", "means")),
        Layer("squared", "mul", inputs=("input", "gated")),
    )
    # The means of the two channels are 2 and 5.
    got = _apply(rows, {}, [[[1.0, 4.0], [3.0, 6.0]]])
    np.testing.assert_array_equal(got, [[[2.0, 80.0], [18.0, 180.0]]])


@pytest.mark.parametrize(("count_pad", "corner", "edge"), [(True, 4, 6), (False, 9, 9)])
def test_average_pooling_counts_the_padding_or_not(count_pad, corner, edge):
    row = Layer("pool", "avg", size=3, pad=1, count_pad=count_pad)
    got = _apply((row,), {}, np.full((3, 3, 1), 9.0))[..., 0]
    expected = [[corner, edge, corner], [edge, 9, edge], [corner, edge, corner]]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_windows_of_pooling_may_be_rectangles():
    image = np.arange(12.0).reshape(3, 4, 1)
    got = _apply((Layer("pool", "max", size=(1, 3)),), {}, image)[..., 0]
    np.testing.assert_array_equal(got, [[2, 3], [6, 7], [10, 11]])
    got = _apply((Layer("pool", "avg", size=(3, 1), pad=(1, 0)),), {}, image)[..., 0]
    np.testing.assert_allclose(got, [[2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]])


def test_kernels_may_be_rectangles():
    params = {"conv": {"kernel": jnp.array([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1)}}
    row = Layer("conv", "conv", 1, (1, 3), pad=(0, 1), bias=False)
    got = _apply((row,), params, [[[1.0], [2.0]], [[3.0], [4.0]]])[..., 0]
    np.testing.assert_allclose(got, [[210, 21], [430, 43]])
