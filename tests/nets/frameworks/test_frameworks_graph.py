"""Networks of nodes that are written by hand: their taps, their starts, their parameters."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.convolution.kernels import PreparedKernel
from jaxvis.nets.frameworks.build import Builder, Reading, build
from jaxvis.nets.frameworks.graph import Graph, Node, Ref, Weight, as_constant
from jaxvis.nets.preprocessing import Preprocessing

SIZE = (6, 8)
IMAGES = Preprocessing(mean=0.5, std=0.25, layout="CHW")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def read(name="small", size=SIZE, width=4, images=IMAGES, fixed=False):
    """Reads a convolution, a branch around it, tokens and scores, as a front end would."""
    arrays = {
        ("conv", "weight"): draw(width, 3, 3, 3),
        ("conv", "bias"): draw(width, seed=1),
        ("norm", "weight"): draw(width, seed=2),
        ("fc", "weight"): draw(5, width, seed=3),
        ("unused", "weight"): draw(2, 2),
    }
    forms = {("conv", "weight"): "kernel", ("fc", "weight"): "matrix"}
    builder = Builder(arrays, forms)
    kernel = builder.take(Weight(("conv", "weight")), "kernel")
    bias = Weight(("conv", "bias"))
    conv = builder.emit("convolve", Ref("input"), kernel, bias, pads=((1, 1), (1, 1)))
    relu = builder.emit("relu", conv)
    both = builder.emit("add", conv, relu)
    tokens = builder.emit(
        "permute", builder.emit("flatten", both, start=2, end=-1), order=(0, 2, 1)
    )
    tokens = builder.emit("layer_norm", tokens, Weight(("norm", "weight")), first=-1, epsilon=1e-5)
    mean = builder.emit("mean", tokens, axes=(1,))
    fc = builder.emit("connect", mean, builder.take(Weight(("fc", "weight")), "matrix"))
    builder.emit("relu", Weight(("unused", "weight")))
    outputs = {"conv": conv, "relu": relu, "both": both, "tokens": tokens, "output": fc}
    return Reading(name, builder, outputs, ("output",), fixed, size, images)


@pytest.fixture
def image(key):
    return jax.random.uniform(key, (*SIZE, 3))


def test_taps_are_maps_tokens_and_vectors(image):
    net, params = build(read(), None, None)
    assert net.taps == ("input", "conv", "relu", "both", "tokens", "output")
    assert (net.scores, net.classes, net.channels, net.input_size) == ("output", "output", 3, SIZE)
    assert jax.tree.map(jnp.shape, params) == {
        "conv": {"kernel": (3, 3, 3, 4), "bias": (4,)},
        "norm": {"weight": (4,)},
        "fc": {"kernel": (4, 5)},
    }
    taps = net.apply(params, image)
    prepared = (image - 0.5) / 0.25
    np.testing.assert_allclose(taps["input"], prepared, rtol=1e-6)
    kernel = params["conv"]["kernel"]
    conv = jax.lax.conv_general_dilated(
        prepared[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    conv = conv[0] + params["conv"]["bias"]
    np.testing.assert_allclose(taps["conv"], conv, rtol=1e-4, atol=1e-5)
    tokens = (conv + jnp.maximum(conv, 0)).reshape(-1, 4)
    tokens = (tokens - tokens.mean(-1, keepdims=True)) / tokens.std(-1, keepdims=True)
    tokens *= params["norm"]["weight"]
    np.testing.assert_allclose(taps["tokens"], tokens, rtol=1e-2, atol=1e-3)
    expected = taps["tokens"].mean(0) @ params["fc"]["kernel"]
    np.testing.assert_allclose(taps["output"], expected, rtol=1e-4, atol=1e-5)
    assert net.shape(params, "both") == (*SIZE, 4)


def test_only_what_is_wanted_is_computed(image):
    net, params = build(read(), None, None)
    assert list(net.apply(params, image, stop="conv")) == ["input", "conv"]
    assert list(net.apply(params, image, stop="input")) == ["input"]
    params = {"conv": params["conv"]}
    assert list(net.apply(params, image, stop="relu")) == ["input", "conv", "relu"]


def test_a_network_starts_at_every_tap(image):
    net, params = build(read(), None, None)
    taps = net.apply(params, image)
    for tap in ("conv", "both", "tokens"):
        found = net.apply(params, taps[tap], start=tap)
        np.testing.assert_allclose(found["output"], taps["output"], rtol=1e-5, atol=1e-6)
    found = net.apply(params, (taps["conv"], taps["relu"]), start=("conv", "relu"), stop="both")
    np.testing.assert_allclose(found["both"], taps["both"])
    with pytest.raises(ValueError, match="cannot be computed from '1' alone|other branches"):
        net.apply(params, taps["relu"], start="relu")


def test_jit_and_vmap_give_what_one_image_gives(image):
    net, params = build(read(), None, None)
    alone = net.apply(params, image)["output"]
    many = jax.vmap(lambda p, x: net.apply(p, x)["output"], (None, 0))
    np.testing.assert_allclose(many(params, jnp.stack([image, -image]))[0], alone, rtol=1e-4)
    own = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    np.testing.assert_allclose(
        jax.vmap(net.apply, (0, None))(own, image)["output"][0], alone, rtol=1e-4
    )
    np.testing.assert_allclose(net.code(params, image, "output"), alone, rtol=1e-4)


def test_equal_networks_are_equal():
    nets = [build(read(), None, None)[0] for _ in range(2)]
    assert nets[0] == nets[1] and hash(nets[0]) == hash(nets[1])
    assert build(read(width=5), None, None)[0] != nets[0]
    first, second = (as_constant(np.array(numbers)) for numbers in ([1, 2], [1, 3]))
    graphs = [Graph((Node("0", "index", (Ref("input"), each)),)) for each in (first, second)]
    assert graphs[0] != graphs[1]


def test_other_sizes_work_unless_the_graph_holds_its_own(image):
    net, params = build(read(), None, None)
    large = jnp.concatenate([image, image])
    assert net.apply(params, large)["both"].shape == (12, 8, 4)
    net, params = build(read(fixed=True), None, None)
    with pytest.raises(ValueError, match=r"other than 6x8, got 12x8.*input_size=\(12, 8\)"):
        net.apply(params, large)
    assert net.apply(params, image)["output"].shape == (5,)


def test_a_size_that_fails_names_the_cure(image):
    reading = read()
    both = reading.outputs["both"]
    flat = reading.builder.emit("reshape", both, shape=(1, 4 * 48))
    reading = Reading("flat", reading.builder, {"flat": flat}, ("flat",), False, SIZE, IMAGES)
    net, params = build(reading, None, None)
    with pytest.raises(ValueError, match=r"failed on an image of 12x8; its native size is 6x8"):
        net.apply(params, jnp.concatenate([image, image]))


def test_kernels_are_prepared_for_a_processor():
    reading = read(size=(32, 32), width=64)
    reading.builder.arrays[("conv", "weight")] = draw(64, 3, 3, 3)
    more = reading.builder
    more.arrays[("second", "weight")] = draw(128, 64, 3, 3)
    more.forms[("second", "weight")] = "kernel"
    kernel = more.take(Weight(("second", "weight")), "kernel")
    second = more.emit("convolve", reading.outputs["both"], kernel, pads=((1, 1), (1, 1)))
    reading = Reading("two", more, {"second": second}, ("second",), False, (32, 32), IMAGES)
    net, params = build(reading, None, None)
    ready = net.prepare(params)
    kernels = [ready[name]["kernel"] for name in ("second", "conv")]
    assert all(isinstance(kernel, PreparedKernel) for kernel in kernels)
    assert [kernel.m for kernel in kernels] == [4, 1]
    assert net.prepare(ready) is ready
    image = jax.random.uniform(jax.random.key(1), (32, 32, 3))
    plain, fast = (net.apply(each, image)["second"] for each in (params, ready))
    assert np.abs(fast - plain).max() < 1e-4 * np.abs(plain).max()


def test_taps_can_be_chosen_and_renamed(image):
    net, params = build(read(), {"scores": "output", "map": "both"}, None)
    assert net.taps == ("input", "map", "scores") and net.scores == "scores"
    assert set(net.apply(params, image)) == {"input", "map", "scores"}
    net, _ = build(read(), ["conv"], None)
    assert net.taps == ("input", "conv") and net.scores is None
    with pytest.raises(ValueError, match="small has no output 'cnv'; its outputs are conv, relu"):
        build(read(), ["cnv"], None)
    with pytest.raises(ValueError, match="no tap 'nothing'"):
        build(read(), None, "nothing")


def test_grey_networks_take_one_channel():
    reading = read(images=Preprocessing(channels="grey", layout="CHW"))
    reading.builder.arrays[("conv", "weight")] = draw(4, 1, 3, 3)
    net, params = build(reading, None, None)
    assert net.channels == 1
    assert net.apply(params, jnp.zeros((*SIZE, 1)))["conv"].shape == (*SIZE, 4)


def test_a_network_that_fails_says_on_what():
    with pytest.raises(ValueError, match="small fails on an image of 6x8; check input_size and"):
        build(read(images=Preprocessing(channels="grey", layout="CHW")), None, None)


def test_methods_take_such_a_network(image):
    net, params = build(read(), None, None)
    run = jaxvis.maximize(net, params, tap="conv", index=[1], recipe="plain", steps=2)
    assert run.image.shape == (1, 1, *SIZE, 3) and np.isfinite(run.image).all()


@pytest.mark.parametrize("package, call", [("torch", "from_torch"), ("onnx", "from_onnx")])
def test_a_missing_package_is_named(package, call, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"{call} needs .*pip install"):
        getattr(jaxvis, call)("network", input_size=SIZE)
