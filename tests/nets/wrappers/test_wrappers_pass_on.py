"""Wrappers pass on what the network inside them offers: preparation, rematerialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import counted_net, run_once

from jaxvis.convolution.kernels import PreparedKernel
from jaxvis.nets import random_params
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import build_network, with_compute
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.table.segments import SegmentedForward
from jaxvis.nets.wrappers.periodic import with_periodic_edges
from jaxvis.nets.wrappers.ranged import with_range
from jaxvis.nets.wrappers.tiled import with_tiles

NAMES = ("plain", "ranged", "periodic", "tiled", "tiled grams", "cast")


def wrap(name, net, params, tap):
    """Returns (net, params) in one wrapper."""
    if name == "ranged":
        return with_range(net, params, jnp.full(3, 0.1), jnp.ones(3))
    if name == "periodic":
        return with_periodic_edges(net, (tap,)), params
    if name.startswith("tiled"):
        grams = (tap,) if name == "tiled grams" else ()
        return with_tiles(net, (tap,), tile=20, grams=grams), params
    if name == "cast":
        # Only a network that is no table is cast, so the table is inside another wrapper.
        net, params = with_range(net, params, jnp.full(3, 0.1), jnp.ones(3))
        return with_compute(net, Compute("tf32")), params
    return net, params


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_prepared_inside_a_wrapper(name, image_of):
    rows = (
        Layer("conv1", "conv", 96, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("conv2", "conv", 96, 3, pad=1),
        Layer("relu2", "relu"),
    )
    net = build_network("wide", rows, input_size=(24, 24))
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    net, params = wrap(name, net, params, "relu2")
    ready = net.prepare(params)
    assert isinstance(ready["conv2"]["kernel"], PreparedKernel)
    image = image_of((24, 24))
    expected = run_once(lambda p, x: net.apply(p, x, stop="relu2"), params, image)["relu2"]
    found = run_once(lambda p, x: net.apply(p, x, stop="relu2"), ready, image)["relu2"]
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_wrapped_network_is_rematerialised_inside_its_wrapper(name, three, image_of):
    net, params = wrap(name, *three, "relu2")
    lean = net.rematerialise()
    forward = lean.forward
    while not isinstance(forward, SegmentedForward):
        assert type(forward) is not type(forward.forward)
        forward = forward.forward
    assert type(lean.forward) is (SegmentedForward if name == "plain" else type(net.forward))
    assert lean == net.rematerialise() and lean.rematerialise() == lean
    image = image_of((16, 16))

    def energy(net):
        return lambda x: jnp.sum(net.apply(params, x, stop="relu2")["relu2"] ** 2)

    value, gradient = run_once(jax.value_and_grad(energy(lean)), image)
    expected, expected_gradient = run_once(jax.value_and_grad(energy(net)), image)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    scale = np.abs(expected_gradient).max()
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-5 * scale)


def test_a_cast_network_is_prepared_in_its_precision():
    net, params, _ = counted_net()
    cast = with_compute(net, Compute("bfloat16"))
    ready = cast.prepare(params)
    assert ready["mix"].dtype == jnp.bfloat16
    image = jax.random.uniform(jax.random.key(0), (8, 8, 3))
    found, expected = (run_once(cast.apply, given, image) for given in (ready, params))
    np.testing.assert_allclose(found["map"], expected["map"], atol=1e-6)


def test_an_adapted_network_refuses_rematerialisation_in_every_wrapper():
    net, params, _ = counted_net()
    ranged, _ = with_range(net, params, jnp.zeros(3), jnp.ones(3))
    for one in (net, ranged, with_compute(net, Compute("tf32"))):
        with pytest.raises(ValueError, match="not built from a table"):
            one.rematerialise()
