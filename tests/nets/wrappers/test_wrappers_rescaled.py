"""A rescaled network is the same function, with mean activations of one."""

import jax
import numpy as np
import pytest

from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.wrappers.rescaled import average_activations, rectifiers_of, rescale


def test_a_rescaled_network_is_the_same_function(three, taps_of, image_of):
    net, params = three
    image, other = image_of((16, 16)), image_of((16, 16), 1)
    taps = rectifiers_of(net)
    assert taps == {"conv1": "relu1", "conv2": "relu2", "conv3": "relu3"}
    means = average_activations(net, params, [image, other])
    scaled = rescale(net, params, means)
    wanted = (*taps.values(), "fc")
    before = taps_of(net, params, image, wanted)
    after = taps_of(net, scaled, image, wanted)
    np.testing.assert_allclose(after["fc"], before["fc"], rtol=1e-4, atol=1e-4)
    for tap in taps.values():
        factors = np.where(means[tap] > 1e-6 * means[tap].mean(), means[tap], 1)
        np.testing.assert_allclose(after[tap] * factors, before[tap], rtol=1e-4, atol=1e-5)
    again = average_activations(net, scaled, [image, other])
    alive = np.concatenate([np.asarray(v) for v in again.values()])
    np.testing.assert_allclose(alive[alive > 0], 1, rtol=1e-3)


def test_what_cannot_be_rescaled_is_refused(three):
    net, params = three
    with pytest.raises(ValueError, match="means of 'relu1' must be 5 numbers"):
        rescale(net, params, {"relu1": np.ones(3)})
    with pytest.raises(ValueError, match="none negative"):
        rescale(net, params, {"relu1": -np.ones(5)})
    with pytest.raises(ValueError, match="of no image"):
        average_activations(net, params, [])
    rows = (
        Layer("conv1", "conv", 5, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("norm", "lrn", size=5, alpha=1e-4),
    )
    normed = build_network("normed", rows, input_size=(16, 16))
    with pytest.raises(ValueError, match="'norm'.*does not commute"):
        rescale(normed, random_params(normed, jax.random.key(0)), {"relu1": np.full(5, 2.0)})
