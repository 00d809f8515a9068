"""Networks on a torus, in tiles and in a range of their own see the same."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.convolution.forms import Prepared
from jaxvis.loss.matching.statistics import gram
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import network
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.wrappers.framed import periodic, ranged
from jaxvis.nets.wrappers.rescaled import (
    mean_activations,
    rectified_convolutions,
    rescaled,
)
from jaxvis.nets.wrappers.tiled import tiled

TAPS = ("relu1", "pool2", "relu3")


@pytest.fixture(scope="module")
def net():
    """Returns (net, params) of three convolutions and two pools: stride 4 at relu3."""
    rows = []
    for i in (1, 2, 3):
        rows += [Layer(f"conv{i}", "conv", 4 + i, 3, pad=1), Layer(f"relu{i}", "relu")]
        rows += [Layer(f"pool{i}", "avg", size=2, stride=2)]
    table = network("three", (*rows, Layer("fc", "fc", 5)), input_size=(16, 16))
    return table, random_params(table, jax.random.key(1), preprocess="imagenet")


@partial(jax.jit, static_argnums=(0, 3))
def _taps(net, params, image, stop):
    """Returns the taps, compiled: op by op it takes many times as long."""
    return net.apply(params, image, stop=stop)


def _image(size, seed=0):
    return jnp.asarray(np.random.default_rng(seed).random((*size, 3)), jnp.float32)


def test_a_torus_has_no_edge(net):
    table, params = net
    torus = periodic(table, TAPS)
    image = _image((16, 24))
    taps = _taps(torus, params, image, TAPS)
    turned = _taps(torus, params, jnp.roll(image, (8, -12), (0, 1)), TAPS)
    for tap, stride in zip(TAPS, (1, 4, 4)):
        assert taps[tap].shape[:2] == (16 // stride, 24 // stride)
        expected = jnp.roll(taps[tap], (8 // stride, -12 // stride), (0, 1))
        np.testing.assert_allclose(turned[tap], expected, atol=1e-5)
    # In the middle, which no edge reaches, the torus is the plane.
    plain = _taps(table, params, image, "relu1")["relu1"]
    np.testing.assert_allclose(taps["relu1"][1:-1, 1:-1], plain[1:-1, 1:-1], atol=1e-5)
    assert float(jnp.abs(taps["relu1"] - plain).max()) > 1e-3


def test_a_torus_may_be_smaller_than_what_a_unit_sees(net):
    table, params = net
    image = _image((4, 4))
    taps = _taps(periodic(table, ("relu3",)), params, image, "relu3")
    torus = periodic(table, ("relu3",))
    four = _taps(torus, params, jnp.tile(image, (2, 2, 1)), "relu3")
    np.testing.assert_allclose(jnp.tile(taps["relu3"], (2, 2, 1)), four["relu3"], atol=1e-5)


def test_what_a_torus_cannot_do_is_refused(net):
    table, params = net
    torus = periodic(table, ("relu3",))
    with pytest.raises(ValueError, match="multiples of 4 pixels.*of 'relu3'"):
        torus.apply(params, _image((16, 18)), stop="relu3")
    with pytest.raises(ValueError, match="'relu1' was not among the taps relu3"):
        torus.apply(params, _image((16, 16)), stop="relu1")
    with pytest.raises(ValueError, match="no tap 'relu9'"):
        periodic(table, ("relu9",))
    with pytest.raises(ValueError, match="'fc' is no map"):
        periodic(table, ("fc",))


@pytest.mark.parametrize(("size", "tile"), [((24, 32), 5), ((17, 30), 8), ((9, 9), 16)])
def test_tiles_give_the_taps_of_the_whole(net, size, tile):
    table, params = net
    cut = tiled(table, TAPS, tile=tile, grams=("relu1", "relu3"))
    image = _image(size)
    found = _taps(cut, params, image, TAPS)
    whole = _taps(table, params, image, TAPS)
    np.testing.assert_allclose(found["pool2"], whole["pool2"], atol=1e-5)
    for tap in ("relu1", "relu3"):
        np.testing.assert_allclose(found[tap], gram(whole[tap]), rtol=1e-4, atol=1e-5)


def test_tiles_give_the_gradient_of_the_whole_without_a_seam(net):
    table, params = net
    cut = tiled(table, TAPS, tile=8, grams=("relu1",))
    image = _image((20, 28))

    def loss(seen, image):
        taps = _taps(seen, params, image, TAPS)
        first = taps["relu1"] if taps["relu1"].ndim == 2 else gram(taps["relu1"])
        return jnp.sum(first**2) + jnp.sum(taps["pool2"] ** 3) + jnp.sum(taps["relu3"])

    found, expected = (jax.jit(jax.grad(partial(loss, seen)))(image) for seen in (cut, table))
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


def test_tiles_hold_less_of_the_image_at_once(net):
    table, params = net
    image = jax.ShapeDtypeStruct((512, 512, 3), "float32")
    sizes = []
    for seen in (table, tiled(table, ("relu1",), tile=32, grams=("relu1",))):

        def loss(image, seen=seen):
            taps = _taps(seen, params, image, "relu1")["relu1"]
            return jnp.sum((taps if taps.ndim == 2 else gram(taps)) ** 2)

        compiled = jax.jit(jax.grad(loss)).lower(image).compile()
        sizes.append(compiled.memory_analysis().temp_size_in_bytes)
    assert sizes[1] < sizes[0] / 2


def test_what_tiles_cannot_do_is_refused(net):
    table, params = net
    with pytest.raises(ValueError, match="at least 1 pixel"):
        tiled(table, TAPS, tile=0)
    with pytest.raises(ValueError, match="'fc' is no map"):
        tiled(table, ("fc",), tile=8)
    with pytest.raises(ValueError, match="'relu3' was not among the taps relu1"):
        tiled(table, ("relu1",), tile=8).apply(params, _image((16, 16)), stop="relu3")


def test_a_range_is_stretched(net):
    table, params = net
    low, high = jnp.asarray([0.1, 0.2, 0.0]), jnp.asarray([0.5, 1.0, 0.3])
    seen, full = ranged(table, params, low, high)
    unit = _image((16, 16))
    found = _taps(seen, full, unit, "relu2")["relu2"]
    expected = _taps(table, params, low + (high - low) * unit, "relu2")["relu2"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Entered behind the image, there is nothing to stretch.
    inside = seen.apply(full, expected, start="relu2", stop="pool2")["pool2"]
    other = table.apply(params, expected, start="relu2", stop="pool2")["pool2"]
    np.testing.assert_array_equal(inside, other)


def test_a_rescaled_network_is_the_same_function(net):
    table, params = net
    image = _image((16, 16))
    taps = rectified_convolutions(table)
    assert taps == {"conv1": "relu1", "conv2": "relu2", "conv3": "relu3"}
    means = mean_activations(table, params, [image, _image((16, 16), 1)])
    scaled = rescaled(table, params, means)
    wanted = (*taps.values(), "fc")
    before = _taps(table, params, image, wanted)
    after = _taps(table, scaled, image, wanted)
    np.testing.assert_allclose(after["fc"], before["fc"], rtol=1e-4, atol=1e-4)
    for tap in taps.values():
        factors = np.where(means[tap] > 1e-6 * means[tap].mean(), means[tap], 1)
        np.testing.assert_allclose(after[tap] * factors, before[tap], rtol=1e-4, atol=1e-5)
    again = mean_activations(table, scaled, [image, _image((16, 16), 1)])
    alive = np.concatenate([np.asarray(v) for v in again.values()])
    np.testing.assert_allclose(alive[alive > 0], 1, rtol=1e-3)


def test_what_cannot_be_rescaled_is_refused(net):
    table, params = net
    with pytest.raises(ValueError, match="means of 'relu1' must be 5 numbers"):
        rescaled(table, params, {"relu1": np.ones(3)})
    with pytest.raises(ValueError, match="none negative"):
        rescaled(table, params, {"relu1": -np.ones(5)})
    with pytest.raises(ValueError, match="of no image"):
        mean_activations(table, params, [])
    rows = (
        Layer("conv1", "conv", 5, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("norm", "lrn", size=5, alpha=1e-4),
    )
    normed = network("normed", rows, input_size=(16, 16))
    with pytest.raises(ValueError, match="'norm'.*does not commute"):
        rescaled(normed, random_params(normed, jax.random.key(0)), {"relu1": np.full(5, 2.0)})


def test_frames_keep_the_fast_form_of_the_kernels():
    rows = (
        Layer("conv1", "conv", 96, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("conv2", "conv", 96, 3, pad=1),
        Layer("relu2", "relu"),
    )
    table = network("wide", rows, input_size=(24, 24))
    params = random_params(table, jax.random.key(0), preprocess="imagenet")
    image = _image((24, 24))
    seen, own = ranged(table, params, jnp.zeros(3), jnp.ones(3))
    frames = {
        "plain": (table, params),
        "ranged": (seen, own),
        "periodic": (periodic(table, ("relu2",)), params),
        "tiled": (tiled(table, ("relu2",), tile=20), params),
    }
    for name, (frame, given) in frames.items():
        ready = frame.prepared(given, size=(24, 24))
        assert isinstance(ready["conv2"]["kernel"], Prepared), name
        expected = _taps(frame, given, image, "relu2")["relu2"]
        found = _taps(frame, ready, image, "relu2")["relu2"]
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=name)
