"""How a network shows itself: one line as text, the table of its layers in a notebook."""

import jax.numpy as jnp
import pytest

from jaxvis.nets.adapters import from_function
from jaxvis.nets.classical.networks import hog
from jaxvis.nets.registry import build
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import build_network, with_compute
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.wrappers.periodic import with_periodic_edges
from jaxvis.nets.wrappers.ranged import with_range
from jaxvis.nets.wrappers.tiled import with_tiles
from jaxvis.network import Forward, LayerDescription, Network
from tests.tiny_nets import conv_net


def look(params, image):
    return {"a<b": image, "mean & more": jnp.mean(image, axis=(0, 1))}


def adapt():
    return from_function(look, {}, input_size=(8, 6), name="mine")[0]


def test_repr_is_one_short_line():
    assert repr(build("vgg19")) == "Network('vgg19', 224x224, 44 taps from input to prob)"
    assert repr(adapt()) == "Network('mine', 8x6, 3 taps from input to mean & more)"


def test_repr_of_a_network_of_one_tap_or_none():
    one = Network("one", Forward(), ("input",), (4, 4))
    assert repr(one) == "Network('one', 4x4, 1 tap from input to input)"
    assert repr(Network("none", Forward(), (), (4, 4))) == "Network('none', 4x4, 0 taps)"


def test_equal_networks_still_are_equal_and_hash_equal():
    assert build("vgg19") == build("vgg19")
    assert hash(build("vgg19")) == hash(build("vgg19"))
    assert build("vgg19") != build("vgg16")


def test_layers_are_described_with_their_shapes_and_windows():
    net, _ = conv_net()
    layers = net.forward.describe_layers()
    assert tuple(layer.tap for layer in layers) == net.taps
    assert layers[1] == LayerDescription("conv1", "convolution", (16, 16, 6), 3, 1)
    assert layers[2] == LayerDescription("relu1", "ReLU", (16, 16, 6), None, None)
    assert layers[3] == LayerDescription("pool1", "max pooling", (8, 8, 6), 2, 2)
    assert layers[-1] == LayerDescription("fc", "fully connected", (5,), None, None)


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "densenet121", "googlenet"])
def test_described_shapes_are_those_of_the_taps(name):
    net = build(name)
    last = net.forward.describe_layers()[-2]
    assert last.tap == net.taps[-2]
    assert last.shape == (1000,)


def test_groups_are_named():
    rows = (Layer("conv", "conv", 6, 3, groups=3),)
    net = build_network("grouped", rows, input_size=(8, 8))
    assert net.forward.describe_layers()[1].what == "convolution, 3 groups"


def test_html_has_a_line_for_every_tap():
    net, _ = conv_net()
    html = net._repr_html_()
    assert html.count("<tr>") == 1 + len(net.taps)
    assert "<th>shape at 16x16</th>" in html
    assert (
        "<tr><td>conv1</td><td>convolution</td><td>16x16x6</td><td>3x3</td><td>1</td></tr>" in html
    )
    assert "<tr><td>relu1</td><td>ReLU</td><td>16x16x6</td><td></td><td></td></tr>" in html


def test_an_adapted_network_lists_its_taps_escaped():
    net = adapt()
    assert net.forward.describe_layers() == ()
    html = net._repr_html_()
    assert html.count("<td>") == 3
    assert "<td>a&lt;b</td>" in html
    assert "<td>mean &amp; more</td>" in html
    assert "a<b" not in html


def test_a_name_is_escaped():
    html = Network("<script>", Forward(), ("input",), (4, 4))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_changed_network_describes_the_same_layers():
    net, params = conv_net()
    layers = net.forward.describe_layers()
    changed = (
        net.rematerialise(),
        with_compute(net, Compute("bfloat16")),
        with_periodic_edges(net, ("relu2",)),
        with_range(net, params, jnp.zeros(3), jnp.ones(3))[0],
    )
    for other in changed:
        assert other.forward.describe_layers() == layers


def test_tiles_show_their_gram_matrices():
    net, _ = conv_net()
    net = with_tiles(net, ("relu1", "relu2"), tile=8, grams=("relu2",))
    layers = {layer.tap: layer for layer in net.forward.describe_layers()}
    assert layers["relu1"].shape == (16, 16, 6)
    assert layers["relu2"].shape == (8, 8)
    assert layers["relu2"].what == "ReLU, Gram matrix"


def test_stages_are_described_too():
    layers = hog(input_size=(64, 48)).forward.describe_layers()
    assert layers[-1].tap == "hog"
    assert layers[-1].shape == (8, 6, 27)
