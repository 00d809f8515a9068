"""Activation maps: their scale, and their places in the image."""

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net, counted_net

from jaxvis.analysis.activations import activations, compute_maps, scale_maps
from jaxvis.analysis.places import find_placement


def test_flat_maps_are_zero_and_others_run_from_0_to_1():
    maps = np.array([[[1, 3], [2, 1]], [[4, 4], [4, 4]], [[0, np.inf], [1, 2]]], np.float32)
    found = scale_maps(maps)
    np.testing.assert_allclose(found[0], [[0, 1], [0.5, 0]])
    assert not found[1:].any()


def test_activations_are_the_networks_and_a_layer_with_others_in_one_pass():
    net, params = conv_net()
    image = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    maps = activations(net, params, image, "conv2")
    expected = net.apply(params, jnp.asarray(image), stop="conv2")["conv2"]
    np.testing.assert_allclose(maps.values, expected, atol=1e-5)
    assert maps.scale().shape == (8, 8, 8) and maps.place([1, 2]).shape == (2, 16, 16)
    assert maps.light(3).shape == (16, 16, 3)
    both = compute_maps(net, params, image, ("conv1", "conv2"))
    np.testing.assert_allclose(both[1].values, maps.values, atol=1e-6)
    assert list(maps.rank()) == list(np.argsort(-np.asarray(expected).max((0, 1))))


def test_heat_stands_where_units_are_centred():
    net, params = conv_net()
    place = find_placement(net, params, "pool1", size=(16, 16))
    # Units of pooling 2x2 are centred between pixels: 0.5, 2.5, 4.5...
    assert place.offset == (0.5, 0.5) and place.stride == (2, 2)
    maps = np.zeros((8, 8), np.float32)
    maps[1, 0] = 1
    heat = place.spread(maps)
    np.testing.assert_allclose(heat[:6, 0], [0, 0.25, 0.75, 0.75, 0.25, 0])
    np.testing.assert_allclose(heat[2, :4], [0.75, 0.75 * 0.75, 0.75 * 0.25, 0])
    np.testing.assert_allclose(place.spread(np.ones((8, 8))), 1)


def test_units_of_a_network_without_a_table_stand_evenly():
    net, params, _ = counted_net()
    place = find_placement(net, params, "map", size=(16, 16))
    assert place.field is None and "no table" in place.why and place.offset == (0, 0)


def test_mistakes_are_told():
    net, params = conv_net()
    image = np.zeros((16, 16, 3), np.float32)
    with pytest.raises(ValueError, match="without spatial extent"):
        activations(net, params, image, "fc")
    with pytest.raises(ValueError, match="has 8 channels"):
        activations(net, params, image, "conv2").place(8)
