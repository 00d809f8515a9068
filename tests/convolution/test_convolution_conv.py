"""The convolution against float64, its gradients, its batching rule, its switch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxvis.convolution import conv, forms
from jaxvis.convolution.winograd import flipped, transform, winograd
from jaxvis.nets import registry
from jaxvis.nets.random import random_params
from jaxvis.nets.table.compute import Compute

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
    seed=st.integers(0, 99),
)
def test_winograd_is_within_2e_5_of_float64(m, size, channels, pads, batch, seed):
    x = draw(batch, *size, channels[0], seed=seed)
    kernel = draw(3, 3, *channels, seed=seed + 1)
    pads = (pads[:2], pads[2:])
    y = jax.jit(lambda x, kernel: winograd(x, transform(kernel, m), pads))(x, kernel)
    assert error(y, exact(x, kernel, pads=pads)) < 2e-5


@pytest.mark.parametrize("size, channels", [(56, (256, 64)), (28, (128, 192))])
def test_deep_layers_stay_within_2e_5(size, channels):
    x, kernel = jax.nn.relu(draw(1, size, size, channels[0])), draw(3, 3, *channels)
    prepared = conv.prepare((kernel,), (conv.tile((size, size), kernel.shape),))[0]
    y = conv.conv_general_dilated(x, prepared, (1, 1), SAME, dimension_numbers=_numbers)
    assert error(y, exact(x, kernel)) < 2e-5


_numbers = forms.NHWC


@pytest.mark.slow
@pytest.mark.parametrize("pads", [SAME, ((0, 0), (0, 0)), ((2, 1), (0, 2))])
def test_the_turned_transform_is_the_flipped_kernels(pads):
    g, kernel = draw(2, 9, 8, 5), draw(3, 3, 7, 5)
    turned = winograd(g, transform(kernel, 2), pads, turned=True)
    assert error(turned, exact(g, flipped(kernel), pads=pads)) < 1e-5


CASES = {
    "3x3": ((3, 3, 6, 8), {}),
    "3x3 valid": ((3, 3, 6, 8), {"padding": "VALID"}),
    "1x1": ((1, 1, 6, 8), {"padding": "VALID"}),
    "5x5 strided": ((5, 5, 6, 8), {"strides": (2, 3), "padding": ((2, 2), (1, 2))}),
    "grouped": ((3, 3, 3, 8), {"feature_group_count": 2}),
    "dilated": ((3, 3, 6, 8), {"rhs_dilation": (2, 2)}),
    "transposed": ((3, 3, 6, 8), {"lhs_dilation": (2, 2)}),
}


def both(case, prepared=None):
    """Returns (our function, lax's) of x and a kernel."""
    options = {"padding": SAME, **CASES[case][1]}
    strides = options.pop("strides", (1, 1))

    def ours(x, k):
        k = k if prepared is None else conv.prepare((k,), (prepared,))[0]
        return conv.conv_general_dilated(x, k, strides, dimension_numbers=_numbers, **options)

    def theirs(x, k):
        return lax.conv_general_dilated(x, k, strides, dimension_numbers=_numbers, **options)

    return ours, theirs


FORMS = [(case, None) for case in CASES] + [("3x3", 2), ("3x3", 4), ("3x3 valid", 4)]


@pytest.fixture(params=["cpu", "gpu"])
def backend(request, monkeypatch):
    """Takes the branch of another backend, on this one."""
    conv._batched.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: request.param)
    yield request.param
    conv._batched.cache_clear()


def gradients(f, x, k, g):
    y, pull = jax.vjp(f, x, k)
    return (y, *pull(g))


@pytest.mark.parametrize("case, m", FORMS)
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_values_and_both_gradients_under_vmap(backend, case, m, axes):
    ours, theirs = both(case, m)
    x, k = draw(3, 2, 12, 11, 6), draw(3, *CASES[case][0], seed=1)
    one = [a if axis == 0 else a[0] for a, axis in zip((x, k), axes)]
    shape = jax.eval_shape(jax.vmap(theirs, axes), *one).shape
    g = draw(*shape, seed=2)
    got = jax.jit(jax.vmap(lambda x, k, g: gradients(ours, x, k, g), (*axes, 0)))(*one, g)
    want = jax.vmap(lambda x, k, g: gradients(theirs, x, k, g), (*axes, 0))(*one, g)
    for a, b in zip(got, want):
        assert error(a, np.asarray(b)) < 3e-5


@pytest.mark.slow
@pytest.mark.parametrize("case, m", FORMS)
def test_the_gradient_of_a_vmap_is_the_vmap_of_the_gradient(case, m):
    ours, theirs = both(case, m)
    x, k = draw(2, 1, 12, 11, 6), draw(2, *CASES[case][0], seed=1)

    def total(f):
        return lambda x, k: jnp.sum(jnp.sin(jax.vmap(f)(x, k)))

    for a, b in zip(*(jax.grad(total(f), (0, 1))(x, k) for f in (ours, theirs))):
        assert error(a, np.asarray(b)) < 3e-5


def test_items_with_their_own_kernels_are_never_a_grouped_convolution(backend):
    ours, _ = both("3x3")

    def loss(x, k):
        return jnp.sum(jax.vmap(ours)(x, k) ** 2)

    program = str(jax.make_jaxpr(jax.grad(loss, (0, 1)))(draw(3, 1, 8, 8, 6), draw(3, 3, 3, 6, 8)))
    assert "feature_group_count=3" not in program
    assert "batch_group_count=3" not in program
    assert ("feature_group_count=1" in program) == (backend == "cpu")


def test_one_item_with_its_own_kernel_is_not_in_a_loop():
    ours, theirs = both("3x3", 4)

    def program(count):
        x, k = draw(count, 1, 8, 8, 6), draw(count, 3, 3, 6, 8)
        y = jax.eval_shape(jax.vmap(ours), x, k)
        pull = jax.vmap(lambda x, k, g: gradients(ours, x, k, g))
        return str(jax.make_jaxpr(pull)(x, k, jnp.zeros(y.shape)))

    assert "scan[" in program(2) and "scan[" not in program(1)
    x, k = draw(1, 1, 8, 8, 6), draw(1, 3, 3, 6, 8, seed=1)
    assert error(jax.vmap(ours)(x, k), np.asarray(theirs(x[0], k[0])[None])) < 2e-5


@pytest.mark.slow
def test_a_whole_network_computes_the_same_with_prepared_parameters():
    net = registry.build("vgg11", pool="avg")
    params = random_params(net, jax.random.key(0), stop="relu3_2")
    prepared = net.prepare(params, size=(64, 64))
    kinds = {
        name: leaves["kernel"].forward.shape[0] - 2
        for name, leaves in prepared.items()
        if isinstance(leaves.get("kernel"), forms.Prepared)
    }
    assert kinds == {"conv2_1": 4, "conv3_2": 2}
    image = jax.random.uniform(jax.random.key(1), (64, 64, 3))

    def loss(params, image):
        return jnp.mean(net.apply(params, image, stop="relu3_2")["relu3_2"] ** 2)

    value, gradient = jax.jit(jax.value_and_grad(loss, 1))(params, image)
    fast, fast_gradient = jax.jit(jax.value_and_grad(loss, 1))(prepared, image)
    np.testing.assert_allclose(fast, value, rtol=2e-5)
    cosine = jnp.vdot(gradient, fast_gradient) / jnp.linalg.norm(gradient)
    assert cosine / jnp.linalg.norm(fast_gradient) > 0.9999
    # Weights that train are differentiated through the preparation.
    kernel = jax.jit(jax.grad(loss))(prepared, image)["conv3_2"]["kernel"].kernel
    direct = jax.jit(jax.grad(loss))(params, image)["conv3_2"]["kernel"]
    assert error(kernel, np.asarray(direct)) < 1e-3


def test_preparing_twice_changes_nothing_and_items_keep_their_axis():
    net = registry.build("vgg11")
    keys = jax.random.split(jax.random.key(0), 2)
    params = jax.vmap(lambda key: random_params(net, key, stop="relu2_1"))(keys)
    prepared = net.prepare(params)
    assert prepared["conv2_1"]["kernel"].forward.shape == (2, 6, 6, 64, 128)
    again = net.prepare(prepared)
    assert again["conv2_1"]["kernel"] is prepared["conv2_1"]["kernel"]


def test_the_switch_leaves_everything_to_xla():
    net = registry.build("vgg11", convolution="direct")
    params = random_params(net, jax.random.key(0), stop="relu2_1")
    assert net.prepare(params) is params
    image = jax.random.uniform(jax.random.key(1), (32, 32, 3))

    def tap(image):
        return net.apply(params, image, stop="relu2_1")["relu2_1"]

    # Forward mode is what the fast one lacks.
    jax.jvp(tap, (image,), (image,))
    other = dataclasses.replace(net, forward=dataclasses.replace(net.forward, compute=Compute()))
    np.testing.assert_allclose(
        other.apply(params, image, stop="relu2_1")["relu2_1"],
        tap(image),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision, tolerance", [("tf32", 1e-5), ("bfloat16", 3e-2)])
def test_precision_changes_products_not_taps(precision, tolerance):
    net = registry.build("vgg11", precision=precision)
    plain = registry.build("vgg11")
    params = random_params(net, jax.random.key(0), stop="relu3_2")
    image = jax.random.uniform(jax.random.key(1), (32, 32, 3))
    taps = _taps(net)(net.prepare(params), image)
    assert {tap.dtype for tap in taps.values()} == {jnp.dtype("float32")}
    want = _taps(plain)(params, image)["relu3_2"]
    off = error(taps["relu3_2"], np.asarray(want))
    assert off < tolerance and (precision == "tf32" or off > 1e-4)
    gradient = jax.grad(lambda x: _taps(net)(params, x)["relu3_2"].sum())
    assert gradient(image).dtype == jnp.float32


def _taps(net):
    return jax.jit(lambda params, image: net.apply(params, image, stop="relu3_2"))


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
