"""The feed-forward style network: its tables, layers, sizes and styles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxvis.nets import build, random_params
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.geometry import geometry, parameter_counts
from jaxvis.nets.table.layers import Layer, shapes
from jaxvis.nets.table.style_ops import OPS, InstanceNorm, TransposedConv
from jaxvis.nets.zoo.style_net import NAMES, build_style_net, mix_styles, styles_in


def _array(*shape, seed=0):
    draw = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(draw.astype(np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_as_many_as_the_published_nets(name):
    # Without the last norm, of 6 numbers, the last convolution has 3 biases.
    expected = 1_677_638 - 3 * (name == "transform_plain")
    assert sum(parameter_counts(build(name)).values()) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(16, 20), (17, 18), (23, 64)], ids=str)
def test_the_table_knows_the_shapes_and_the_picture_covers_the_image(name, size):
    net = build_style_net(name, width=2, blocks=1)
    params = random_params(net, jax.random.key(0))
    taps = jax.eval_shape(
        lambda p, x: net.apply(p, x, stop=net.taps), params, jnp.zeros((*size, 3))
    )
    assert {k: v.shape for k, v in taps.items()} == shapes(net.rows, size)
    assert taps["image"].shape == (*(-(-n // 4) * 4 for n in size), 3)


@pytest.mark.parametrize("name", NAMES)
def test_every_block_keeps_the_stride_of_the_trunk(name):
    rows = {row.name: row for row in geometry(build_style_net(name))}
    assert [rows[row].stride for row in ("relu1", "res5", "up1", "image")] == [
        1,
        4,
        2,
        1,
    ]
    assert rows["res1"].receptive_field == rows["relu3"].receptive_field + 16


def test_a_doubling_is_tensorflows_transposed_convolution():
    x, kernel = _array(1, 5, 6, 3), _array(3, 3, 3, 4, seed=1)
    row = Layer("up", "up", 4, 3, 2, 2)
    doubling = TransposedConv((5, 6, 3), row, Compute())
    doubling.kernel[...] = kernel
    there = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)  # [h, w, out, in]
    expected = lax.conv_transpose(
        x,
        there,
        (2, 2),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        transpose_kernel=True,
    )
    np.testing.assert_allclose(doubling(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", [7, 8])
def test_same_padding_is_tensorflows(side):
    x, kernel = _array(1, side, side, 2), _array(3, 3, 2, 1, seed=1)
    padded = OPS["same"](x, row=Layer("p", "same", size=3, stride=2))
    numbers = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    ours = lax.conv_general_dilated(padded, kernel, (2, 2), "VALID", **numbers)
    theirs = lax.conv_general_dilated(x, kernel, (2, 2), "SAME", **numbers)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_an_instance_norm_takes_out_mean_and_spread():
    x = 3 + 2 * np.asarray(_array(1, 6, 5, 4))
    norm = InstanceNorm(4, styles=0, epsilon=1e-3)
    norm.scale[...], norm.bias[...] = _array(4, seed=2), _array(4, seed=3)
    mean, var = x.mean((1, 2)), x.var((1, 2))
    expected = (x - mean) / np.sqrt(var + 1e-3) * norm.scale[...] + norm.bias[...]
    np.testing.assert_allclose(norm(jnp.asarray(x)), expected, rtol=1e-4, atol=1e-5)


def test_styles_are_chosen_and_mixed():
    net = build_style_net("transform_reflect", width=2, blocks=1, styles=3)
    params = random_params(net, jax.random.key(0))
    norms = [row.name for row in net.rows if row.op == "inorm"]
    for i, name in enumerate(norms):  # every norm is conditioned
        assert params[name]["scale"].shape == params[name]["bias"].shape
        params[name]["scale"] = _array(*params[name]["scale"].shape, seed=i)
    assert styles_in(params) == 3 and len(norms) == 8
    image = jnp.zeros((16, 16, 3))
    with pytest.raises(ValueError, match="3 styles: choose one or mix"):
        net.apply(params, image)
    second = mix_styles(params, jnp.array([0.0, 1.0, 0.0]))
    assert styles_in(second) == 0
    chosen = params["norm4"]["scale"][1]
    np.testing.assert_allclose(second["norm4"]["scale"], chosen, rtol=1e-6)
    half = mix_styles(params, jnp.array([0.5, 0.5, 0.0]))
    expected = params["norm1"]["scale"][:2].mean(0)
    np.testing.assert_allclose(half["norm1"]["scale"], expected, rtol=1e-6)
    assert jax.eval_shape(net.apply, half, image)["image"].shape == (16, 16, 3)


def test_what_cannot_be_built_or_shown_is_refused():
    with pytest.raises(ValueError, match="one of transform_same, transform_start"):
        build_style_net("johnson")
    with pytest.raises(ValueError, match="at least 1"):
        build_style_net("transform_same", width=0)
    net = build_style_net("transform_start", width=2, blocks=2)
    params = random_params(net, jax.random.key(0))
    with pytest.raises(ValueError, match="at least 17 pixels"):
        net.apply(params, jnp.zeros((12, 40, 3)))
