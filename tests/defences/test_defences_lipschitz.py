"""Lipschitz bounds: against singular values of dense matrices, and never exceeded."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from tests import tiny_nets

SLOW = pytest.mark.slow


def build(*rows, side=6):
    net = build_network("tiny", rows, input_size=(side, side))
    net = replace(net, scores=rows[-1].name)
    return net, random_params(net, jax.random.key(1), preprocess="unit")


@pytest.mark.parametrize(
    "row",
    [
        Layer("end", "conv", 4, 3, pad=1),
        pytest.param(Layer("end", "conv", 5, 3), marks=SLOW),
        pytest.param(Layer("end", "conv", 4, 3, stride=2, pad=1), marks=SLOW),
        pytest.param(Layer("end", "conv", 4, (2, 5), stride=3, pad=(0, 2)), marks=SLOW),
        pytest.param(Layer("end", "conv", 6, 3, pad=1, groups=3), marks=SLOW),
        pytest.param(Layer("end", "up", 4, 3, pad=1), marks=SLOW),
        Layer("end", "fc", 4),
    ],
    ids=lambda row: f"{row.op} {row.size} {row.stride} {row.groups}",
)
def test_norms_are_singular_values(row):
    net, params = build(row)
    image = jnp.zeros((6, 6, 3))
    matrix = jax.jacobian(lambda x: net.apply(params, x)["end"].ravel())(image)
    exact = np.linalg.norm(np.asarray(matrix).reshape(len(matrix), -1), 2)
    bound = jaxvis.lipschitz_bounds(net, params).layers["end"]
    estimate = jaxvis.lipschitz_bounds(net, params, method="power", iterations=500).layers["end"]
    assert exact * (1 - 1e-5) <= bound <= 1.4 * exact
    assert exact * 0.99 <= estimate <= exact * (1 + 1e-4)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            (Layer("p", "max", size=3, stride=2, pad=1), Layer("r", "leaky", alpha=0.1)),
            marks=SLOW,
        ),
        (Layer("p", "avg", size=3, stride=1, pad=1), Layer("r", "silu")),
        pytest.param(
            (
                Layer("c", "conv", 3, 3, pad=1),
                Layer("a", "add", inputs=("c", "input")),
                Layer("j", "concat", inputs=("a", "c")),
                Layer("g", "gelu"),
                Layer("b", "bn"),
            ),
            marks=SLOW,
        ),
        pytest.param(
            (Layer("l", "lrn", size=3, alpha=1.0), Layer("h", "hswish"), Layer("m", "gap")),
            marks=SLOW,
        ),
    ],
    ids=["max", "avg", "branches", "lrn"],
)
def test_no_two_images_move_the_scores_further(rows):
    net, params = build(*rows, Layer("end", "fc", 3))
    found = jaxvis.lipschitz_bounds(net, params).network
    images = jax.random.uniform(jax.random.key(2), (200, 6, 6, 3))
    nearby = images + 0.01 * jax.random.normal(jax.random.key(3), images.shape)
    score = jax.jit(jax.vmap(lambda x: net.apply(params, x)["end"]))
    for others in (nearby, images[::-1]):
        moved = np.linalg.norm(score(others) - score(images), axis=-1)
        length = np.linalg.norm((others - images).reshape(len(images), -1), axis=-1)
        assert np.max(moved / np.maximum(length, 1e-9)) <= found


def test_a_chain_is_a_product_and_a_sum_is_a_sum():
    net, params = build(Layer("one", "fc", 4), Layer("two", "fc", 3))
    params = {**params, "input": {"scale": jnp.array([1.0, -3.0, 2.0]), "shift": jnp.zeros(3)}}
    found = jaxvis.lipschitz_bounds(net, params)
    norms = [np.linalg.norm(params[name]["kernel"], 2) for name in ("one", "two")]
    np.testing.assert_allclose(found.network, 3 * norms[0] * norms[1], rtol=1e-5)
    twice, own = build(Layer("a", "add", inputs=("input", "input")))
    assert jaxvis.lipschitz_bounds(twice, own).network == 2.0
    # A radius from the bound is never larger than the one that a linear network has.
    assert jaxvis.lipschitz_bounds(net, params, tap="one").network < found.network * 10


def test_what_has_no_bound_is_said():
    net, params = tiny_nets.conv_net()
    with pytest.raises(ValueError, match="fourier or power"):
        jaxvis.lipschitz_bounds(net, params, method="guess")
    with pytest.raises(ValueError, match="at least 1"):
        jaxvis.lipschitz_bounds(net, params, iterations=0)
    strange, own = build(Layer("s", "mul", inputs=("input", "input")))
    with pytest.raises(ValueError, match="'s' has no Lipschitz bound, since its op is 'mul'"):
        jaxvis.lipschitz_bounds(strange, own)
