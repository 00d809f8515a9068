"""Rematerialisation: the same gradient, less memory."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import Grey, conv_net, counted_net, relu_net, run_once

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite, Match
from jaxvis.nets import build
from jaxvis.nets.random import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer, rows_between, sources
from jaxvis.nets.table.segments import segments
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.rules.first_order import adam
from jaxvis.types import Status

SIDE = 32


def vgg():
    """Returns (net, params) like VGG's: blocks of four convolutions, then pooling."""
    rows = []
    for block, width in enumerate((8, 16, 32), 1):
        for i in range(1, 5):
            rows += [
                Layer(f"conv{block}_{i}", "conv", width, 3, pad=1),
                Layer(f"relu{block}_{i}", "relu"),
            ]
        rows.append(Layer(f"pool{block}", "max", size=2, stride=2))
    net = build_network("like_vgg", tuple(rows), input_size=(SIDE, SIDE))
    return net, random_params(net, jax.random.key(0))


def temporaries(net, params, tap):
    """Returns the bytes that the gradients of two images take beside themselves."""

    def energy(image):
        return jnp.sum(net.apply(params, image, stop=tap)[tap] ** 2)

    images = jax.ShapeDtypeStruct((2, *net.input_size, 3), "float32")
    compiled = jax.jit(jax.vmap(jax.value_and_grad(energy))).lower(images).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.slow
def test_the_same_pictures_for_less_memory(key):
    net, params = vgg()
    assert temporaries(net.rematerialise(), params, "pool3") < 0.8 * temporaries(
        net, params, "pool3"
    )
    canvas = Pixels((SIDE, SIDE), noise=0.1)
    full = Problem(compose(net, canvas), canvas, adam(0.02), 2)
    spare = replace(full, remat=True)
    items = jax.vmap(lambda i: Excite("pool3", i))(jnp.arange(2))
    one, other = (solve(problem, params, items, key) for problem in (full, spare))
    np.testing.assert_allclose(one.z, other.z, atol=1e-5)
    np.testing.assert_allclose(one.trace["loss"], other.trace["loss"], rtol=1e-5)


def test_a_deep_net_of_one_size_takes_little_more_than_half():
    net, params = relu_net(32, depth=16)
    need = [temporaries(one, params, "relu16") for one in (net.rematerialise(), net)]
    assert need[0] < 0.65 * need[1]


@pytest.mark.parametrize("name", ["vgg11", "googlenet", "resnet18", "densenet121"])
def test_segments_join_to_the_whole_network(name):
    net = build(name)
    rows, reads = net.rows, sources(net.rows)
    order = [row.name for row in rows]
    wanted = (order[len(order) // 3], order[-3])
    needed = rows_between(rows, frozenset(["input"]), wanted)
    parts = segments(rows, net.input_size, needed, wanted)
    joined = [row for inner, _ in parts for row in inner]
    assert joined == [row for row in order if row in needed]
    assert len(parts) > 2
    known = set()
    for inner, outputs in parts:
        outside = {n for row in inner for n in reads[row]} - set(inner)
        assert outside <= known
        known = set(outputs) | (known & set(wanted))
        assert len(set(outputs) - set(wanted)) <= 1
    assert set(wanted) <= {tap for _, outputs in parts for tap in outputs}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_taps_and_gradients_of_branching_networks_stay(name):
    net = build(name)
    stop = {"squeezenet1_1": "fire4/concat", "googlenet": "inception_3b/output"}[name]
    params = random_params(net, jax.random.key(0), stop=stop)
    taps = (net.taps[4], stop)
    image = jax.random.uniform(jax.random.key(1), (40, 40, 3))

    def energy(net):
        def function(image):
            found = net.apply(params, image, stop=taps)
            return sum(jnp.sum(found[tap] ** 2) for tap in taps)

        return run_once(jax.value_and_grad(function), image)

    (one, grad), (other, regrad) = energy(net), energy(net.rematerialise())
    np.testing.assert_allclose(one, other, rtol=1e-5)
    np.testing.assert_allclose(grad, regrad, atol=1e-4 * np.abs(grad).max())


def test_gradients_of_parameters_stay_too():
    net, params = relu_net(12, depth=6, width=4)
    image = jax.random.uniform(jax.random.key(1), (12, 12, 3))

    def function(net):
        def energy(params):
            return jnp.sum(net.apply(params, image, stop="relu6")["relu6"] ** 2)

        return run_once(jax.grad(energy), params)

    one, other = function(net), function(net.rematerialise())
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other)):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(a).max() + 1e-7)


@pytest.mark.slow
def test_a_bad_item_stays_alone(key):
    net, params = conv_net(8)
    codes = jax.random.uniform(key, (2, 4, 4, 8)).at[1, 0, 0, 0].set(jnp.nan)
    items = jax.vmap(lambda code: Match("relu2", code))(codes)
    canvas = Grey((8, 8))
    problem = Problem(compose(net, canvas), canvas, adam(0.1), 3, remat=True)
    run = solve(problem, params, items, key)
    assert run.status.tolist() == [Status.DONE, Status.FAILED]
    assert np.isfinite(run.z).all()


def test_it_is_made_once_and_equal():
    net, _ = conv_net()
    assert net.rematerialise() == net.rematerialise()
    assert hash(net.rematerialise()) == hash(net.rematerialise())
    assert net.rematerialise().rematerialise() == net.rematerialise()


def test_what_cannot_be_cut_is_refused():
    net, _, _ = counted_net()
    with pytest.raises(ValueError, match="not built from a table"):
        net.rematerialise()
    with pytest.raises(ValueError, match="not built from a table"):
        compose(net, Grey((8, 8))).rematerialise()
