"""The convolution against float64, its gradients, its batching rule, its platforms."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from tiny_nets import relu_net, run_once

from jaxvis.convolution import conv, forms
from jaxvis.convolution.kernels import PreparedKernel, choose_tile, prepare_kernels
from jaxvis.convolution.winograd import (
    convolve_by_winograd,
    flip_kernel,
    transform_kernel,
)
from jaxvis.nets import registry
from jaxvis.nets.random import random_params
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import build_network, with_compute
from jaxvis.nets.table.layers import Layer

SAME = ((1, 1), (1, 1))


def exact(x, kernel, strides=(1, 1), pads=SAME, dilation=(1, 1), groups=1):
    """Returns the convolution in float64, one kernel element after another."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    kh, kw, inner, out = kernel.shape
    h = (x.shape[1] - (kh - 1) * dilation[0] - 1) // strides[0] + 1
    w = (x.shape[2] - (kw - 1) * dilation[1] - 1) // strides[1] + 1
    y = np.zeros((x.shape[0], h, w, out))
    for g in range(groups):
        xs = x[..., g * inner : (g + 1) * inner]
        to = slice(g * out // groups, (g + 1) * out // groups)
        for i, j in np.ndindex(kh, kw):
            rows = slice(i * dilation[0], i * dilation[0] + h * strides[0], strides[0])
            cols = slice(j * dilation[1], j * dilation[1] + w * strides[1], strides[1])
            y[..., to] += xs[:, rows, cols][:, :h, :w] @ kernel[i, j][:, to]
    return y


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def error(a, b):
    return np.abs(np.asarray(a) - b).max() / np.abs(b).max()


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(
    m=st.sampled_from((2, 4)),
    size=st.tuples(st.integers(3, 19), st.integers(3, 19)),
    channels=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    batch=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_winograd_is_within_2e_5_of_float64(m, size, channels, pads, batch, seed):
    x = draw(batch, *size, channels[0], seed=seed)
    kernel = draw(3, 3, *channels, seed=seed + 1)
    pads = (pads[:2], pads[2:])
    y = run_once(lambda x, k: convolve_by_winograd(x, transform_kernel(k, m), pads), x, kernel)
    assert error(y, exact(x, kernel, pads=pads)) < 2e-5


@pytest.mark.parametrize("size, channels", [(56, (256, 64)), (28, (128, 192))])
def test_deep_layers_stay_within_2e_5(size, channels):
    x, kernel = jax.nn.relu(draw(1, size, size, channels[0])), draw(3, 3, *channels)
    prepared = prepare_kernels((kernel,), (choose_tile((size, size), kernel.shape),))[0]
    y = conv.conv_general_dilated(x, prepared, (1, 1), SAME, dimension_numbers=forms.NHWC)
    assert error(y, exact(x, kernel)) < 2e-5


@pytest.mark.slow
@pytest.mark.parametrize("pads", [SAME, ((0, 0), (0, 0)), ((2, 1), (0, 2))])
def test_a_transform_serves_the_flipped_kernel_too(pads):
    g, kernel = draw(2, 9, 8, 5), draw(3, 3, 7, 5)
    found = convolve_by_winograd(g, transform_kernel(kernel, 2), pads, flipped=True)
    assert error(found, exact(g, flip_kernel(kernel), pads=pads)) < 1e-5


CASES = {
    "3x3": ((3, 3, 6, 8), {}),
    "3x3 valid": ((3, 3, 6, 8), {"padding": "VALID"}),
    "1x1": ((1, 1, 6, 8), {"padding": "VALID"}),
    "5x5 strided": ((5, 5, 6, 8), {"strides": (2, 3), "padding": ((2, 2), (1, 2))}),
    "grouped": ((3, 3, 3, 8), {"feature_group_count": 2}),
    "depthwise": ((3, 3, 1, 6), {"feature_group_count": 6}),
    "dilated": ((3, 3, 6, 8), {"rhs_dilation": (2, 2)}),
    "transposed": ((3, 3, 6, 8), {"lhs_dilation": (2, 2)}),
}


def both(case, m=None):
    """Returns (our function, lax's) of x and a kernel; ours prepares it for F(m, 3)."""
    options = {"padding": SAME, **CASES[case][1]}
    strides = options.pop("strides", (1, 1))

    def ours(x, k):
        k = k if m is None else prepare_kernels((k,), (m,))[0]
        return conv.conv_general_dilated(x, k, strides, dimension_numbers=forms.NHWC, **options)

    def theirs(x, k):
        return lax.conv_general_dilated(x, k, strides, dimension_numbers=forms.NHWC, **options)

    return ours, theirs


PREPARED = [("3x3", 1), ("3x3", 2), ("3x3", 4), ("3x3 valid", 1), ("3x3 valid", 4), ("1x1", 1)]
FORMS = [(case, None) for case in CASES] + PREPARED
# A prepared kernel goes the same way on every platform.
ON_PLATFORMS = [("cpu", *form) for form in FORMS] + [("gpu", case, None) for case in CASES]


def pretend(monkeypatch, platform):
    """Takes the way of another platform on this one."""
    if platform != "cpu":
        for module in (conv, forms):
            monkeypatch.setattr(module, "on_cpu", lambda cpu, other, *args: other(*args))


def gradients(f, x, k, g):
    y, pull = jax.vjp(f, x, k)
    return (y, *pull(g))


@pytest.mark.slow
@pytest.mark.parametrize("platform, case, m", ON_PLATFORMS)
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_values_and_both_gradients_under_vmap(monkeypatch, platform, case, m, axes):
    pretend(monkeypatch, platform)
    ours, theirs = both(case, m)
    x, k = draw(3, 2, 12, 11, 6), draw(3, *CASES[case][0], seed=1)
    one = [a if axis == 0 else a[0] for a, axis in zip((x, k), axes)]
    shape = jax.eval_shape(jax.vmap(theirs, axes), *one).shape
    g = draw(*shape, seed=2)
    got = run_once(jax.vmap(lambda x, k, g: gradients(ours, x, k, g), (*axes, 0)), *one, g)
    want = run_once(jax.vmap(lambda x, k, g: gradients(theirs, x, k, g), (*axes, 0)), *one, g)
    for a, b in zip(got, want):
        assert error(a, np.asarray(b)) < 3e-5


@pytest.mark.slow
@pytest.mark.parametrize("case, m", FORMS)
def test_the_gradient_of_a_vmap_is_the_vmap_of_the_gradient(case, m):
    ours, theirs = both(case, m)
    x, k = draw(2, 1, 12, 11, 6), draw(2, *CASES[case][0], seed=1)

    def total(f):
        return lambda x, k: jnp.sum(jnp.sin(jax.vmap(f)(x, k)))

    for a, b in zip(*(run_once(jax.grad(total(f), (0, 1)), x, k) for f in (ours, theirs))):
        assert error(a, np.asarray(b)) < 3e-5


def test_the_gradient_takes_the_flipped_copy_of_a_small_kernel():
    x, kernel = draw(1, 7, 7, 6), draw(3, 3, 6, 8)
    (ready,) = prepare_kernels((kernel,), (1,))
    assert ready.forward is None and error(ready.flipped, flip_kernel(kernel)) == 0

    def total(x, kernel):
        return conv.conv_general_dilated(
            x, kernel, (1, 1), SAME, dimension_numbers=forms.NHWC
        ).sum()

    doubled = replace(ready, backward=2 * ready.backward)
    found, twice, plain = (run_once(jax.grad(total), x, k) for k in (ready, doubled, kernel))
    assert error(found, np.asarray(plain)) < 1e-6
    assert error(twice, 2 * np.asarray(plain)) < 1e-6


def lower_gradients_of_items(case, platform):
    """Returns the text of the gradients of three items with kernels of their own."""
    ours, _ = both(case)

    def loss(x, k):
        return jnp.sum(jax.vmap(ours)(x, k) ** 2)

    kernels = draw(3, *CASES[case][0])
    traced = jax.jit(jax.grad(loss, (0, 1))).trace(draw(3, 1, 8, 8, 6), kernels)
    return traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_items_with_their_own_kernels_are_never_a_grouped_convolution(platform):
    program = lower_gradients_of_items("3x3", platform)
    assert "feature_group_count = 3" not in program
    assert "batch_group_count = 3" not in program
    assert ("stablehlo.convolution" in program) == (platform == "cpu")
    assert ("stablehlo.dot_general" in program) == (platform == "cuda")


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_items_with_their_own_depthwise_kernels_come_in_turn(platform):
    program = lower_gradients_of_items("depthwise", platform)
    # Three items of six channels: together they would be eighteen groups.
    assert "group_count = 18" not in program and "stablehlo.while" in program
    assert ("feature_group_count = 6" in program) == (platform == "cuda")


def test_a_cpu_computes_a_depthwise_convolution_once_for_all_that_reads_it():
    ours, _ = both("depthwise")

    def normalise(x, k):
        y = ours(x, k)
        y = y - y.mean(-1, keepdims=True)
        return y / jnp.sqrt((y * y).mean(-1, keepdims=True) + 1)

    lowered = jax.jit(normalise).lower(draw(1, 12, 11, 6), draw(3, 3, 1, 6))
    lines = lowered.compile().as_text().splitlines()
    slices = [line for line in lines if "f32[1,12,11,6]" in line and " slice(" in line]
    assert 1 <= len(slices) <= 9  # one for every tap


def test_one_item_with_its_own_kernel_is_not_in_a_loop():
    ours, theirs = both("3x3", 4)

    def program(count):
        x, k = draw(count, 1, 8, 8, 6), draw(count, 3, 3, 6, 8)
        y = jax.eval_shape(jax.vmap(ours), x, k)
        pull = jax.vmap(lambda x, k, g: gradients(ours, x, k, g))
        return str(jax.make_jaxpr(pull)(x, k, jnp.zeros(y.shape)))

    assert "scan[" in program(2) and "scan[" not in program(1)
    x, k = draw(1, 1, 8, 8, 6), draw(1, 3, 3, 6, 8, seed=1)
    found = run_once(jax.vmap(ours), x, k)
    assert error(found, np.asarray(theirs(x[0], k[0])[None])) < 2e-5


# Few channels, no padding, and kernels of its own for every item.
CHOICES = {
    "columns": ((1, 30, 31, 3), (9, 9, 3, 4), (1, 1), ((4, 4), (4, 4))),
    "no padding": ((1, 21, 20, 6), (3, 3, 6, 8), (2, 2), ((0, 0), (0, 0))),
    "items": ((1, 9, 8, 6), (3, 3, 6, 8), (1, 1), SAME),
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("outer", ["vmap of grad", "grad of vmap"])
def test_no_choice_of_platform_is_left_in_the_compiled_program(name, outer):
    x_shape, k_shape, strides, pads = CHOICES[name]
    x, k = draw(2, *x_shape), draw(2, *k_shape, seed=1)

    def f(x, k):
        return jnp.sum(
            conv.conv_general_dilated(x, k, strides, pads, dimension_numbers=forms.NHWC) ** 2
        )

    if outer == "vmap of grad":
        program = jax.vmap(jax.value_and_grad(f, (0, 1)))
    else:
        program = jax.value_and_grad(lambda x, k: jnp.sum(jax.vmap(f)(x, k)), (0, 1))
    traced = jax.jit(program).trace(x, k)
    assert "platform_index" in str(traced.jaxpr)
    compiled = traced.lower().compile().as_text()
    assert "conditional" not in compiled and "while" in compiled


@pytest.fixture(scope="module")
def wide():
    """Returns a network with a layer for F(4, 3) and one for F(2, 3), and its parameters."""
    rows = (
        Layer("conv1", "conv", 96, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("conv2", "conv", 96, 3, pad=1),
        Layer("relu2", "relu"),
        Layer("pool2", "max", size=2, stride=2),
        Layer("conv3", "conv", 208),
        Layer("relu3", "relu"),
        Layer("conv4", "conv", 208, 3, pad=1),
        Layer("relu4", "relu"),
    )
    net = build_network("wide", rows, input_size=(24, 24))
    return net, random_params(net, jax.random.key(0))


@pytest.mark.slow
def test_a_whole_network_computes_the_same_with_prepared_parameters(wide):
    net, params = wide
    prepared = net.prepare(params)
    kinds = {
        name: leaves["kernel"].m
        for name, leaves in prepared.items()
        if isinstance(leaves.get("kernel"), PreparedKernel)
    }
    assert kinds == {"conv1": 1, "conv2": 4, "conv3": 1, "conv4": 2}
    image = jax.random.uniform(jax.random.key(1), (24, 24, 3))

    def loss(params, image):
        return jnp.mean(net.apply(params, image)["relu4"] ** 2)

    both_ways = jax.value_and_grad(loss, (0, 1))
    value, (weights, gradient) = run_once(both_ways, params, image)
    fast, (fast_weights, fast_gradient) = run_once(both_ways, prepared, image)
    np.testing.assert_allclose(fast, value, rtol=2e-5)
    cosine = jnp.vdot(gradient, fast_gradient) / jnp.linalg.norm(gradient)
    assert cosine / jnp.linalg.norm(fast_gradient) > 0.9999
    # Weights that train are differentiated through the preparation.
    for name in kinds:
        kernel = fast_weights[name]["kernel"].kernel
        assert error(kernel, np.asarray(weights[name]["kernel"])) < 1e-3


def test_preparing_twice_changes_nothing_and_items_keep_their_axis(wide):
    net, _ = wide
    keys = jax.random.split(jax.random.key(0), 2)
    params = jax.vmap(lambda key: random_params(net, key, stop="relu2"))(keys)
    prepared = net.prepare(params)
    assert prepared["conv2"]["kernel"].forward.shape == (2, 6, 6, 96, 96)
    again = net.prepare(prepared)
    assert again["conv2"]["kernel"] is prepared["conv2"]["kernel"]


def test_only_parameters_on_a_cpu_are_prepared(wide, monkeypatch):
    net, params = wide
    monkeypatch.setattr("jaxvis.nets.table.forward.platform_of", lambda tree: "gpu")
    assert net.prepare(params) is params


def test_the_switch_leaves_everything_to_xla():
    net, params = relu_net(16)
    direct = with_compute(net, Compute(convolution="direct"))
    assert direct.prepare(params) is params
    assert registry.build("vgg11", convolution="direct").forward.compute == direct.forward.compute
    image = jax.random.uniform(jax.random.key(1), (16, 16, 3))

    def tap(net, image):
        return net.apply(params, image)["relu3"]

    # Forward mode is what the fast one lacks.
    found, _ = run_once(lambda x: jax.jvp(partial(tap, direct), (x,), (x,)), image)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(partial(tap, net), (image,), (image,))
    expected = run_once(partial(tap, net), image)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.slow
@pytest.mark.parametrize("precision, tolerance", [("tf32", 1e-5), ("bfloat16", 3e-2)])
def test_precision_changes_products_not_taps(wide, precision, tolerance):
    plain, params = wide
    net = with_compute(plain, Compute(precision))
    image = jax.random.uniform(jax.random.key(1), (24, 24, 3))
    taps = run_once(net.apply, net.prepare(params), image)
    assert {tap.dtype for tap in taps.values()} == {jnp.dtype("float32")}
    want = run_once(plain.apply, params, image)["relu4"]
    off = error(taps["relu4"], np.asarray(want))
    # A CPU multiplies in float32 whatever it is asked for, but stores what it is told to.
    assert off < tolerance and (precision == "tf32" or off > 1e-4)
    gradient = run_once(jax.grad(lambda x: net.apply(params, x)["relu4"].sum()), image)
    assert gradient.dtype == jnp.float32


@pytest.mark.parametrize("convolution", ["fast", "direct"])
@pytest.mark.parametrize(
    "precision, asked", [("float32", "HIGHEST"), ("tf32", "HIGH"), ("bfloat16", "DEFAULT")]
)
@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_every_product_is_asked_for_in_the_networks_precision(
    convolution, precision, asked, platform
):
    rows = (
        Layer("conv1", "conv", 4, 3, pad=1),
        Layer("conv2", "conv", 5, 3, 2),
        Layer("fc", "fc", 6),
    )
    plain = build_network("products", rows, input_size=(8, 8))
    net = with_compute(plain, Compute(precision, convolution))
    params, image = random_params(net, jax.random.key(0)), jnp.zeros((8, 8, 3))
    step = jax.jit(jax.value_and_grad(lambda p, x: net.apply(p, x)["fc"].sum(), (0, 1)))
    lowered = step.trace(params, image).lower(lowering_platforms=(platform,)).as_text()
    words = ("stablehlo.convolution", "stablehlo.dot_general")
    products = [line for line in lowered.splitlines() if any(word in line for word in words)]
    # Forward, and back to the input and to the kernel, of each of the three rows.
    assert len(products) == 9
    for line in products:
        if asked == "DEFAULT":
            assert "HIGH" not in line and "xbf16>" in line.partition("->")[2]
        else:
            assert line.count(f"precision {asked}>") == 2 or f"[{asked}, {asked}]" in line, line
            assert "xf32>" in line.partition("->")[2]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"precision": "half"}, "float32, tf32, bfloat16, not 'half'"),
        ({"convolution": "fft"}, "fast, direct, not 'fft'"),
    ],
)
def test_unknown_names_are_refused_in_words(options, words):
    with pytest.raises(ValueError, match=words):
        registry.build("vgg11", **options)
