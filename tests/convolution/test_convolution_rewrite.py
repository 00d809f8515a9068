"""Convolutions written as others: same values, same gradients, in whole tables too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tiny_nets import run_once

from jaxvis.convolution import conv
from jaxvis.convolution.kernels import prepare_kernels
from jaxvis.convolution.rewrite import convolve_by_columns, convolve_doubled
from jaxvis.convolution.winograd import KERNEL, TAPS, flip_kernel, transform_kernel
from jaxvis.nets import random_params
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import build_network, with_compute
from jaxvis.nets.table.fuse import find_doublings
from jaxvis.nets.table.layers import Layer

ZERO, ONE, CUT = ((0, 0), (0, 0)), ((1, 1), (1, 1)), ((-1, -1), (-1, -1))
ODD = ((1, 2), (0, 3))


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def plain(x, kernel, pads):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=numbers)


def close(ours, theirs, tolerance=1e-5):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < tolerance * np.abs(theirs).max()


@pytest.mark.parametrize(
    "size, pads",
    [(1, ONE), (2, ZERO), (3, ZERO), (3, ONE), (3, CUT), (3, ODD), (4, ZERO), (4, ODD)],
)
def test_a_doubled_convolution_is_that_of_repeated_pixels(size, pads):
    x, kernel = draw(2, 4, 5, 3), draw(size, size, 3, 2, seed=1)
    close(
        convolve_doubled(plain, x, kernel, pads),
        plain(x.repeat(2, axis=1).repeat(2, axis=2), kernel, pads),
    )


def test_three_taps_become_two_and_four_become_three():
    seen = []

    def conv(x, kernel, pads):
        seen.append(kernel.shape)
        return plain(x, kernel, pads)

    for size, pads in ((3, ZERO), (3, ONE), (3, CUT), (4, ZERO)):
        convolve_doubled(conv, draw(1, 4, 4, 3), draw(size, size, 3, 5), pads)
    assert seen == [(2, 2, 3, 20)] * 3 + [(3, 3, 3, 20)]


@pytest.mark.parametrize("width", [7, 9])
@pytest.mark.parametrize("pads", [ZERO, ((4, 4), (4, 4)), ODD])
def test_columns_as_channels_give_the_same(width, pads):
    x, kernel = draw(1, 11, 17, 3), draw(7, width, 3, 5, seed=1)
    close(convolve_by_columns(plain, x, kernel, pads), plain(x, kernel, pads))


@pytest.mark.parametrize(
    "shape, strides, pads",
    [
        ((3, 3, 3, 4), (1, 1), ZERO),  # no padding
        ((3, 3, 3, 4), (2, 2), ZERO),
        ((2, 3, 3, 4), (3, 1), ZERO),
        ((9, 9, 3, 4), (1, 1), ((4, 4), (4, 4))),  # few channels
        ((9, 9, 3, 4), (1, 1), ZERO),
    ],
)
def test_what_a_cpu_computes_otherwise_is_the_same_with_its_gradients(shape, strides, pads):
    x, kernel = draw(1, 13, 12, 3), draw(*shape, seed=1)

    def ours(x, kernel):
        return conv.conv_general_dilated(
            x, kernel, strides, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def theirs(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, strides, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    y, pull = jax.vjp(ours, x, kernel)
    expected, expected_pull = jax.vjp(theirs, x, kernel)
    close(y, expected)
    g = draw(*y.shape, seed=2)
    for found, wanted in zip(pull(g), expected_pull(g)):
        close(found, wanted)


@pytest.mark.parametrize(
    "window, strides, pads",
    [
        ((3, 3), (1, 1), ((1, 1), (1, 1))),
        ((5, 5), (2, 2), ((2, 2), (2, 2))),
        ((7, 2), (1, 3), ((3, 0), (0, 4))),
        ((4, 3), (2, 2), ((-1, 2), (0, -2))),
    ],
)
def test_a_depthwise_convolution_is_the_same_with_its_gradients(window, strides, pads):
    x, kernel = draw(2, 13, 12, 5), draw(*window, 1, 5, seed=1)
    options = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "feature_group_count": 5}

    def run(function):
        y, pull = jax.vjp(lambda x, k: function(x, k, strides, pads, **options), x, kernel)
        return y, *pull(draw(*y.shape, seed=2))

    for found, wanted in zip(run(conv.conv_general_dilated), run(lax.conv_general_dilated)):
        close(found, wanted)


def test_a_depthwise_convolution_has_the_types_and_digits_of_xlas():
    options = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "feature_group_count": 4}

    def run(function, dtype, **more):
        x, kernel = draw(1, 9, 8, 4).astype(dtype), draw(3, 3, 1, 4, seed=1).astype(dtype)
        return function(x, kernel, (1, 1), ONE, **options, **more)

    with jax.enable_x64(True):
        cases = [(jnp.bfloat16, {}), (jnp.bfloat16, {"preferred_element_type": jnp.float32})]
        for dtype, more in [*cases, (jnp.float64, {})]:
            found = run(conv.conv_general_dilated, dtype, **more)
            wanted = run(lax.conv_general_dilated, dtype, **more)
            assert found.dtype == wanted.dtype
            digits = float(jnp.finfo(wanted.dtype).eps)
            close(found.astype(float), wanted.astype(float), 8 * digits)


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_a_depthwise_convolution_has_no_convolution_on_a_cpu(strides):
    x, kernel = draw(1, 9, 9, 4), draw(3, 3, 1, 4, seed=1)

    def step(x, kernel):
        y = conv.conv_general_dilated(
            x,
            kernel,
            strides,
            ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=4,
        )
        return jnp.sum(y**2)

    text = jax.jit(jax.grad(step, (0, 1))).lower(x, kernel).as_text()
    assert "stablehlo.convolution" not in text


def test_a_4x4_kernel_that_is_prepared_in_the_step_learns_the_same():
    x, kernel = draw(2, 1, 10, 9, 5), draw(2, 4, 4, 5, 6, seed=1)

    def ours(x, kernel):
        return conv.conv_general_dilated(
            x,
            prepare_kernels((kernel,), (3,))[0],
            (1, 1),
            ((1, 2), (0, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    def both(x, kernel, g):
        found = []
        for f in (ours, lambda x, kernel: plain(x, kernel, ((1, 2), (0, 1)))):
            y, pull = jax.vjp(f, x, kernel)
            found.append((y, *pull(g)))
        return found

    y = jax.eval_shape(ours, x[0], kernel[0])
    g = draw(2, *y.shape, seed=2)
    found, expected = run_once(jax.vmap(both), x, kernel, g)
    for one, other in zip(found, expected):
        close(one, other, 3e-5)


def test_a_learned_kernel_is_transformed_where_maps_are_large():
    assert conv.choose_learned_tile((47, 60), (4, 4, 128, 128), ((1, 2), (1, 2))) is None
    assert conv.choose_learned_tile((113, 113), (4, 4, 128, 128), ((1, 2), (1, 2))) == 3
    assert conv.choose_learned_tile((49, 60), (4, 4, 128, 128), ZERO) is None
    assert conv.choose_learned_tile((64, 64), (3, 3, 8, 8), ONE) is None


def test_a_learned_kernel_is_transformed_on_a_cpu_alone():
    x, kernel = jnp.zeros((1, 48, 48, 64)), jnp.zeros((4, 4, 64, 128))
    learn = jax.grad(lambda x, k: jnp.sum(conv.convolve_learned(x, k, ((1, 2), (1, 2))) ** 2), 1)
    traced = jax.jit(learn).trace(x, kernel)
    on_cpu = traced.lower(lowering_platforms=("cpu",)).as_text()
    on_gpu = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.convolution" not in on_cpu and "stablehlo.convolution" in on_gpu
    assert "6x6x64x128" in on_cpu and "6x6x64x128" not in on_gpu


def test_a_learned_kernel_has_the_values_and_gradients_of_any_other():
    x, kernel = draw(1, 48, 49, 64), draw(4, 4, 64, 128, seed=1) / 30
    pads, g = ((1, 2), (0, 3)), draw(1, 48, 49, 128, seed=2)
    assert conv.choose_learned_tile(x.shape[1:3], kernel.shape, pads) == 3

    def pull(f, x, kernel, g):
        y, back = jax.vjp(lambda x, k: f(x, k, pads), x, kernel)
        return (y, *back(g))

    found = run_once(lambda *given: pull(conv.convolve_learned, *given), x, kernel, g)
    expected = run_once(lambda *given: pull(plain, *given), x, kernel, g)
    for one, other in zip(found, expected):
        close(one, other, 3e-5)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_the_flipped_kernel_is_transformed_without_being_flipped(m):
    kernel = draw(2, TAPS[m], TAPS[m], 3, 4)
    close(transform_kernel(kernel, m, flip=True), transform_kernel(flip_kernel(kernel), m))
    g = np.array(KERNEL[m])
    close(transform_kernel(kernel, m), np.einsum("ik,jl,nklco->nijco", g, g, kernel))


def test_a_network_that_repeats_draws_the_same_and_learns_the_same():
    rows = (
        Layer("twice", "repeat"),
        Layer("pad", "reflect", pad=1),
        Layer("conv", "conv", 4, 3, bias=False),
    )
    net = build_network("draws", rows, input_size=(6, 7))
    direct = with_compute(net, Compute(convolution="direct"))
    params = random_params(net, jax.random.key(0))
    image, wanted = draw(6, 7, 3), draw(12, 14, 4, seed=1)

    def loss(params, net):
        picture = net.apply(params, image)["conv"]
        return jnp.mean((picture - wanted) ** 2), picture

    found = jax.jit(jax.grad(loss, has_aux=True), static_argnums=1)
    (ours, picture), (theirs, expected) = found(params, net), found(params, direct)
    close(picture, expected)
    close(ours["conv"]["kernel"], theirs["conv"]["kernel"], 1e-4)
    # A tap that is asked for is there, and changes nothing.
    seen = net.apply(params, image, stop=("pad", "conv"))
    assert seen["pad"].shape == (14, 16, 3)
    close(seen["conv"], expected)


def test_only_what_nobody_else_sees_is_left_out():
    rows = (
        Layer("input", "input"),
        Layer("twice", "repeat"),
        Layer("conv", "conv", 3, 3, pad=1),
        Layer("sum", "add", inputs=("conv", "twice")),
    )
    every = frozenset(row.name for row in rows)
    assert find_doublings(rows[:3], every - {"sum"}, frozenset({"conv"}))
    assert not find_doublings(rows[:3], every - {"sum"}, frozenset({"conv", "twice"}))
    assert not find_doublings(rows, every, frozenset({"sum"}))
    net = build_network("twice", rows[1:3], input_size=(5, 5))
    params = random_params(net, jax.random.key(0))
    params["conv"]["bias"] = draw(3, seed=1)
    direct = with_compute(net, Compute(convolution="direct"))
    image = draw(5, 5, 3)
    close(net.apply(params, image)["conv"], direct.apply(params, image)["conv"])
