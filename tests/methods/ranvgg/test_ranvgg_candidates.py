"""Random networks: their keys, their scale, the layers that are stacked and inverted."""

import chex
import jax
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, photograph

from jaxvis.methods.ranvgg.candidates import (
    Distribution,
    draw_candidates,
    draw_networks,
    join_networks,
    list_inverted_layers,
    list_stacked_layers,
    normalise_layer,
    take_network,
)
from jaxvis.nets.zoo.vgg import vgg

NET, PARAMS = conv_net()
IMAGE = photograph(SIDE)


def test_a_candidate_depends_on_neither_their_number_nor_the_networks():
    for k, one in enumerate(draw_candidates(NET, 5, 1, 2, stop="relu2")):
        other = draw_candidates(NET, jax.random.key(5), 1, 3, stop="relu2")[k]
        chex.assert_trees_all_equal(one, other)
    first = draw_networks(NET, IMAGE, networks=2, key=5, stop="relu2")
    (second,) = draw_candidates(NET, 5, 1, 1, stop="relu2")
    chex.assert_trees_all_equal(take_network(first, 1), second)


def test_unit_networks_have_mean_activation_one_and_the_same_function():
    options = {"networks": 2, "key": 5, "stop": "relu2"}
    params = draw_networks(NET, IMAGE, distribution=Distribution("unit"), **options)
    plain = draw_networks(NET, IMAGE, **options)
    for n in range(2):
        for tap in ("relu1", "relu2"):
            code = NET.code(take_network(params, n), IMAGE, tap)
            other = NET.code(take_network(plain, n), IMAGE, tap)
            np.testing.assert_allclose(np.mean(code), 1, rtol=1e-5)
            np.testing.assert_allclose(code, other / np.mean(other), rtol=1e-4)


def test_gaussian_networks_have_the_standard_deviation_that_is_asked_for():
    distribution = Distribution("gaussian", sigma=0.3)
    params = draw_networks(NET, IMAGE, distribution=distribution, stop="relu2")
    kernel = params["conv2"]["kernel"]  # 432 numbers: 10 % are three standard errors
    np.testing.assert_allclose(kernel.std(), 0.3, rtol=0.1)


def test_layers_to_invert_and_to_stack():
    net = vgg("vgg19", pool="avg")
    layers = list_inverted_layers(net)
    assert len(layers) == 16 + 5 and layers[-1] == "pool5"
    assert list_inverted_layers(net, stop="relu7")[-2:] == ("relu6", "relu7")
    assert len(list_stacked_layers(net)) == 16
    assert list_stacked_layers(net, stop="pool2")[-1] == ("conv2_2", "relu2_2")


def test_rows_of_many_networks_share_what_is_the_same():
    one, two = ({"conv1": {"kernel": np.ones(4)}} for _ in range(2))
    assert join_networks([one, one])["conv1"]["kernel"].strides[0] == 0
    assert join_networks([one, two])["conv1"]["kernel"].strides[0] > 0


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="scheme is one of he, gaussian, unit"):
        Distribution("xavier")
    with pytest.raises(ValueError, match="sigma must be above 0"):
        Distribution("gaussian", sigma=0.0)
    with pytest.raises(ValueError, match="networks must be at least 1"):
        draw_networks(NET, IMAGE, networks=0)
    with pytest.raises(ValueError, match="no rectified convolution"):
        list_stacked_layers(NET, stop="conv1")
    dead = PARAMS | {"conv1": jax.tree.map(np.zeros_like, PARAMS["conv1"])}
    with pytest.raises(ValueError, match="does not fire"):
        normalise_layer(NET, dead, IMAGE, row="conv1", tap="relu1")
