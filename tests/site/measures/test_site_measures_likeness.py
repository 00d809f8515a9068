"""Which units are most alike: cosines of kernels, and correlations of responses."""

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.nets import random_params
from jaxvis.site.measures import likeness
from jaxvis.site.measures.likeness import (
    find_near_by_activation,
    find_near_by_weight,
    find_nearest,
)


def make(rows):
    net = jaxvis.from_layers(rows, input_size=(8, 8))
    return net, {name: dict(row) for name, row in random_params(net, jax.random.key(0)).items()}


def test_near_by_weight_is_the_cosine_of_kernels():
    rows = [
        {"name": "conv", "op": "conv", "width": 4, "size": 1},
        {"name": "bn", "op": "bn"},
        {"name": "relu", "op": "relu"},
    ]
    net, params = make(rows)
    units = np.array([[1.0, 0, 0], [3, 4, 0], [-2, 0, 0], [0, 0, 0]], np.float32)
    params["conv"]["kernel"] = units.T[None, None]
    found = find_near_by_weight(net, params, "conv")
    assert [index for index, _ in found[0]] == [1, 2]
    assert [value for _, value in found[0]] == pytest.approx([0.6, -1])
    assert found[3] == []  # a kernel of zeros is like nothing
    # A norm that turns a channel's sign turns the kernel's.
    params["bn"]["scale"] = np.array([1.0, 1, -1, 1], np.float32)
    assert find_near_by_weight(net, params, "relu")[0][0] == (2, pytest.approx(1))


def test_units_of_other_groups_and_branches_are_not_compared():
    rows = [
        {"name": "a", "op": "conv", "width": 4, "size": 1},
        {"name": "b", "op": "conv", "width": 4, "size": 3, "pad": 1, "groups": 2},
        {"name": "both", "op": "concat", "inputs": ("a", "b")},
        {"name": "deep", "op": "conv", "width": 8, "size": 3, "pad": 1, "groups": 8},
        {"name": "sum", "op": "add", "inputs": ("deep", "both")},
    ]
    net, params = make(rows)
    found = find_near_by_weight(net, params, "both")
    others = [sorted(index for index, _ in row) for row in found]
    assert others == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [5], [4], [7], [6]]
    assert find_near_by_weight(net, params, "deep") == [[]] * 8
    assert find_near_by_weight(net, params, "sum") == [[]] * 8


def test_correlations_are_numpys(monkeypatch):
    responses = np.random.default_rng(0).normal(size=(9, 30)).astype(np.float32)
    responses[:, 7], responses[2, 8] = 0.1, np.nan
    alive = [index for index in range(30) if index not in (7, 8)]
    wanted = np.corrcoef(responses[:, alive].astype(np.float64).T)
    np.fill_diagonal(wanted, -2)
    for few in (likeness.FEW, 4):  # on the host, and in blocks on the device
        monkeypatch.setattr(likeness, "FEW", few)
        found = find_near_by_activation(responses)
        assert found[7] == found[8] == []
        for own, row in zip(alive, wanted):
            order = np.argsort(-row)[:8]
            assert [index for index, _ in found[own]] == [alive[n] for n in order]
            assert [value for _, value in found[own]] == pytest.approx(row[order], abs=1e-6)


def test_two_images_correlate_nothing():
    assert find_near_by_activation(np.eye(2, 3)) == [[], [], []]
    assert find_nearest(np.ones((1, 3))) == [[]]


def test_kernels_of_a_network_without_a_table_are_found_by_name():
    def forward(params, image):
        mixed = jax.numpy.tensordot(image, params["mix"]["kernel"][0, 0], 1)
        return {"mix": mixed, "mean": mixed.mean((0, 1))}

    kernel = np.random.default_rng(0).normal(size=(1, 1, 3, 5)).astype(np.float32)
    net, params = jaxvis.from_function(forward, {"mix": {"kernel": kernel}}, input_size=(8, 8))
    units = kernel[0, 0].T / np.linalg.norm(kernel[0, 0].T, axis=1, keepdims=True)
    index, value = find_near_by_weight(net, params, "mix")[0][0]
    assert value == pytest.approx(units[0] @ units[index], abs=1e-6)
    assert find_near_by_weight(net, params, "mean") == [[]] * 5
