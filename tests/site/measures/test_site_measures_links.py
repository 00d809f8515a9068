"""What feeds a unit, and what it feeds: hand-made weights, and rises that are computed."""

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.nets import random_params
from jaxvis.site.measures.links import Links, pick_strongest
from jaxvis.site.measures.wiring import Wiring


def conv(name, width, size=1, **more):
    return {"name": name, "op": "conv", "width": width, "size": size, **more}


def chain():
    """Returns (net, params): two channels, rectified and pooled, then two, then two scores."""
    rows = [
        conv("conv1", 2),
        {"name": "relu1", "op": "relu"},
        {"name": "pool1", "op": "max", "size": 2, "stride": 2},
        conv("conv2", 2, 3, pad=1),
        {"name": "relu2", "op": "relu"},
        {"name": "gap", "op": "gap"},
        {"name": "fc", "op": "fc", "width": 2},
    ]
    net = jaxvis.from_layers(rows, input_size=(8, 8))
    params = {name: dict(row) for name, row in random_params(net, jax.random.key(0)).items()}
    params["conv1"]["kernel"] = np.array([[1.0, 0], [0, -2], [0, 0]], np.float32)[None, None]
    kernel = np.zeros((3, 3, 2, 2), np.float32)
    kernel[0, 0, 0, 0], kernel[2, 1, 0, 0], kernel[:, :, 1, 0] = 1, 2, -0.5
    kernel[1, 1, 1, 1] = 4
    params["conv2"]["kernel"] = kernel
    params["fc"]["kernel"] = np.array([[-1.0, 3], [0.5, 0]], np.float32)
    return net, params


def test_links_of_a_chain_are_sums_of_kernels_with_their_signs():
    links = Links(*chain(), taps=("conv1", "conv2", "fc"))
    assert links.find_feeding("conv1") == [[("input", 0, 1.0)], [("input", 1, -2.0)]]
    assert links.find_feeding("conv2") == [
        [("conv1", 1, -4.5), ("conv1", 0, 3.0)],
        [("conv1", 1, 4.0)],
    ]
    assert links.find_feeding("fc") == [
        [("conv2", 0, -1.0), ("conv2", 1, 0.5)],
        [("conv2", 0, 3.0)],
    ]
    assert links.find_fed("conv1") == [
        [("conv2", 0, 3.0)],
        [("conv2", 0, -4.5), ("conv2", 1, 4.0)],
    ]
    assert links.find_fed("fc") == [[], []]


def test_links_lead_to_the_layers_that_are_shown():
    links = Links(*chain(), taps=("relu1", "relu2"))
    assert links.find_feeding("relu2")[1] == [("relu1", 1, 4.0)]
    assert links.find_fed("relu1")[0] == [("relu2", 0, 3.0)]
    assert links.find_fed("relu2")[1] == [("fc", 0, 0.5)]


def test_only_the_strongest_are_kept():
    weights = np.arange(-6.0, 14.0)[None]
    (found,) = pick_strongest([("a", 0, weights[:, :5]), ("b", 100, weights[:, 5:])], 1)
    assert [value for *_, value in found] == [13, 12, 11, 10, 9, 8, 7, -6]
    assert found[0] == ("b", 114, 13.0) and found[-1] == ("a", 0, -6.0)


GRAPH = [
    conv("a", 4, 3, pad=1),
    {"name": "bn", "op": "bn"},
    {"name": "b", "op": "conv", "width": 2, "size": 1, "inputs": ("bn",)},
    {"name": "c", "op": "conv", "width": 4, "size": 3, "pad": 1, "groups": 2, "inputs": ("bn",)},
    {"name": "both", "op": "concat", "inputs": ("b", "c")},
    {"name": "pool", "op": "avg", "size": 2, "stride": 2},
    conv("d", 6, 3, pad=1),
    {"name": "sum", "op": "add", "inputs": ("d", "pool")},
    {"name": "e", "op": "conv", "width": 3, "size": 3, "pad": 1},
    {"name": "flat", "op": "fc", "width": 5, "inputs": ("e",)},
]


@pytest.fixture(scope="module")
def graph():
    net = jaxvis.from_layers(GRAPH, input_size=(16, 16))
    params = {
        name: dict(row)
        for name, row in random_params(net, jax.random.key(1), preprocess="unit").items()
    }
    draw = np.random.default_rng(0)
    params["bn"] |= {"scale": draw.normal(size=4), "var": draw.uniform(0.5, 2, 4)}
    params["bn"] = {name: np.asarray(leaf, np.float32) for name, leaf in params["bn"].items()}
    return net, params


def rise(net, params, source, target, index):
    """Returns by how much the middle of `target` rises when a channel of `source` does."""
    low = np.zeros(net.shape(params, source), np.float32)
    high = low.copy()
    high[..., index] = 1
    given = dict(start=source, stop=target)
    found = [np.asarray(net.apply(params, one, **given)[target]) for one in (low, high)]
    moved = found[1] - found[0]
    return moved[moved.shape[0] // 2, moved.shape[1] // 2] if moved.ndim == 3 else moved


@pytest.mark.parametrize(
    "source, target",
    [("input", "a"), ("a", "b"), ("a", "c"), ("e", "flat"), ("both", "d"), ("sum", "e")],
)
def test_a_link_is_how_much_a_unit_rises(graph, source, target):
    net, params = graph
    found = Links(net, params, (source, target)).find_feeding(target)
    for index in range(net.shape(params, source)[-1]):
        wanted = rise(net, params, source, target, index)
        weights = [dict((i, w) for tap, i, w in row if tap == source).get(index) for row in found]
        for weight, value in zip(weights, wanted):
            assert weight is None if abs(value) < 1e-6 else weight == pytest.approx(value, abs=1e-5)


def test_concatenated_channels_keep_their_numbers(graph):
    net, params = graph
    kernel = Wiring(net, params).sum_kernel("d")
    fed = Links(net, params, ("b", "c", "d")).find_fed("c")
    weights = dict((index, value) for tap, index, value in fed[1] if tap == "d")
    # Channel 1 of c is channel 3 of both; beside d it is e that reads it, through the sum.
    assert weights == pytest.approx({index: kernel[3, index] for index in weights}, abs=1e-6)
    assert len(fed[1]) == 8 and {tap for tap, *_ in fed[1]} == {"d", "e"}


def test_a_sum_is_fed_by_what_its_parts_read(graph):
    net, params = graph
    links = Links(net, params, ("pool", "sum"))
    found = links.find_feeding("sum")
    direct = Wiring(net, params).sum_kernel("d")
    for index, row in enumerate(found):
        weights = dict((i, value) for tap, i, value in row if tap == "pool")
        # What the convolution reads, and the channel itself, which is added.
        wanted = direct[:, index] + np.eye(6)[index]
        assert weights == pytest.approx(dict(enumerate(wanted)), abs=1e-6)


def test_nothing_is_said_of_what_no_kernel_stands_for():
    rows = [conv("a", 4, 3, pad=1), {"name": "up", "op": "up", "width": 3, "size": 4, "pad": 2}]
    net = jaxvis.from_layers([*rows, conv("b", 2)], input_size=(8, 8))
    params = random_params(net, jax.random.key(0))
    links = Links(net, params, ("a", "up", "b"))
    assert links.find_feeding("up") == [[]] * 3 and links.find_fed("a") == [[]] * 4
    assert [tap for tap, *_ in links.find_feeding("b")[0]] == ["up"] * 3
    assert Links(net, params, ("a", "b")).find_feeding("b") == [[], []]
