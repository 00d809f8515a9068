"""A small network for every test of wrappers, and how it is run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import run_once

from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer


@pytest.fixture(scope="session")
def three():
    """Returns (net, params) of three convolutions and three pools: stride 4 at relu3."""
    rows = []
    for i in (1, 2, 3):
        rows += [Layer(f"conv{i}", "conv", 4 + i, 3, pad=1), Layer(f"relu{i}", "relu")]
        rows += [Layer(f"pool{i}", "avg", size=2, stride=2)]
    net = build_network("three", (*rows, Layer("fc", "fc", 5)), input_size=(16, 16))
    return net, random_params(net, jax.random.key(1), preprocess="imagenet")


@pytest.fixture(scope="session")
def taps_of():
    """Returns a function (net, params, image, stop) -> taps, compiled."""

    def run(net, params, image, stop):
        return run_once(lambda p, x: net.apply(p, x, stop=stop), params, image)

    return run


@pytest.fixture(scope="session")
def image_of():
    """Returns a function from a size (and a seed) to a random image."""

    def draw(size, seed=0):
        return jnp.asarray(np.random.default_rng(seed).random((*size, 3)), jnp.float32)

    return draw
