"""`Network.apply`: the whole equals its parts, stop prunes, jit = eager = vmap."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets import build, random_params
from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import rows_between, shapes

# Name -> side of the smallest image that is worth passing.
CHAINS = {
    "alexnet": 63,
    "caffe_alexnet": 67,
    "caffenet": 67,
    "vgg_m": 57,
    "vgg11": 32,
    "vgg11_bn": 32,
}
GRAPHS = {"squeezenet1_1": 33, "googlenet": 63, "resnet18": 33}
BRANCHES = ("fire2/relu_expand1x1", "fire2/relu_expand3x3")


def _run(function, *args):
    """Returns what a function computes, compiled in a hurry: it runs only once."""
    compiled = jax.jit(function).lower(*args)
    return compiled.compile({"xla_backend_optimization_level": 0})(*args)


@functools.cache
def _net(name):
    side = (CHAINS | GRAPHS)[name]
    net = build(name, input_size=(side, side))
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    image = jax.random.uniform(jax.random.key(1), (side, side, 3))
    return net, params, image, _run(net.apply, params, image)


def _assert_close(got, expected):
    expected = np.asarray(expected)
    scale = max(np.abs(expected).max(), 1e-6)
    np.testing.assert_allclose(np.asarray(got), expected, atol=2e-5 * scale, rtol=1e-4)


def _cuts(net):
    """Returns the taps that everything after them reads through."""
    cuts = []
    for tap in net.taps[1:-1]:
        try:
            rows_between(net.rows, frozenset([tap]), net.taps[-1:])
        except ValueError:
            continue
        cuts.append(tap)
    return cuts


def _steps(net, cuts):
    """Returns the function that computes every tap from the cut before it alone."""

    def run(params, whole):
        spans = zip(cuts, (*cuts[1:], net.taps[-1]))
        return [net.apply(params, whole[before], start=before, stop=tap) for before, tap in spans]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_restarts_at_every_tap(name):
    net, params, _, whole = _net(name)
    cuts = _cuts(net)
    assert tuple(cuts) == net.taps[1:-1]
    # One row at a time: together the steps are the whole network.
    for before, tap, parts in zip(cuts, net.taps[2:], _run(_steps(net, cuts), params, whole)):
        assert set(parts) == {before, tap}
        _assert_close(parts[tap], whole[tap])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GRAPHS))
def test_a_graph_restarts_at_every_tap_that_cuts_it(name):
    net, params, _, whole = _net(name)
    cuts = _cuts(net)
    assert len(cuts) >= 8
    computed = {"input", cuts[0]}
    for parts in _run(_steps(net, cuts), params, whole):
        computed |= set(parts)
        for tap in parts:
            _assert_close(parts[tap], whole[tap])
    assert computed == set(net.taps)


@pytest.mark.parametrize("start", ["pool3", "conv5_2", "fc7"])
def test_a_start_without_a_stop_runs_to_the_end(start):
    net, params, _, whole = _net("vgg11")
    parts = _run(lambda p, x: net.apply(p, x, start=start), params, whole[start])
    assert set(parts) == set(net.taps[net.taps.index(start) :])
    for tap in parts:
        _assert_close(parts[tap], whole[tap])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GRAPHS))
def test_a_graph_refuses_to_start_where_a_branch_is_missing(name):
    net, params, _, whole = _net(name)
    inner = next(tap for tap in net.taps[1:] if tap not in _cuts(net))
    with pytest.raises(ValueError, match="cannot be reached.*start="):
        net.apply(params, whole[inner], start=inner)


def test_several_taps_start_together():
    net, params, _, whole = _net("squeezenet1_1")
    given = tuple(whole[name] for name in BRANCHES)
    parts = _run(lambda p, x: net.apply(p, x, start=BRANCHES), params, given)
    assert "fire2/squeeze1x1" not in parts
    _assert_close(parts["fire2/concat"], whole["fire2/concat"])
    _assert_close(parts["prob"], whole["prob"])


def test_a_changed_start_changes_what_follows():
    net, params, _, whole = _net("vgg11")
    parts = net.apply(params, 0 * whole["pool5"], start="pool5", stop="fc6")
    # A product with zeros is zero, and so are the biases.
    np.testing.assert_array_equal(parts["fc6"], jnp.zeros(4096))
    assert np.abs(whole["fc6"]).max() > 0


@pytest.mark.parametrize(
    ("name", "stop", "convolutions"),
    [
        ("vgg11", "relu1_1", 1),
        ("vgg11", "conv3_2", 4),
        ("vgg11", ("pool1", "pool2"), 2),
        ("squeezenet1_1", "fire2/expand1x1", 3),
        ("resnet18", "layer2.0.conv1", 6),
        ("googlenet", "inception_3a/pool_proj", 4),
    ],
    ids=str,
)
def test_stop_leaves_out_what_it_does_not_need(name, stop, convolutions):
    net, params, image, _ = _net(name)
    traced = jax.make_jaxpr(lambda x: net.apply(params, x, stop=stop))(image)
    assert _convolutions(traced.jaxpr) == convolutions


def _convolutions(jaxpr):
    """Counts in calls too: printed, calls that are equal may stand there once.

    Of the ways that platforms choose from, only one is taken.
    """
    total = 0
    for eqn in jaxpr.eqns:
        total += eqn.primitive.name == "conv_general_dilated"
        values = jax.tree.leaves(list(eqn.params.values()))
        inner = [getattr(value, "jaxpr", value) for value in values]
        counts = [_convolutions(j) for j in inner if hasattr(j, "eqns")]
        total += max(counts, default=0) if eqn.primitive.name == "cond" else sum(counts)
    return total


@pytest.mark.parametrize("name", ["vgg11", "squeezenet1_1"])
def test_stop_gives_what_the_whole_gives(name):
    net, params, image, whole = _net(name)
    middle = net.taps[len(net.taps) // 2]
    part = _run(lambda p, x: net.apply(p, x, stop=middle), params, image)
    for tap in part:
        _assert_close(part[tap], whole[tap])
    assert middle in part and net.taps[-1] not in part


def test_parameters_of_rows_that_are_not_needed_may_be_absent():
    net, params, image, whole = _net("vgg11")
    few = {name: params[name] for name in ("input", "conv1_1")}
    _assert_close(net.apply(few, image, stop="pool1")["pool1"], whole["pool1"])
    with pytest.raises(ValueError, match="'conv2_1' are missing"):
        net.apply(few, image, stop="relu2_1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["caffe_alexnet", "resnet18"])
def test_jit_eager_and_vmap_agree(name):
    net, params, image, whole = _net(name)
    eager = net.apply(params, image, stop=net.scores)
    two = jnp.stack([image, image[::-1]])
    batch = _run(jax.vmap(lambda x: net.apply(params, x, stop=net.scores)), two)
    for tap in eager:
        _assert_close(eager[tap], whole[tap])
        _assert_close(batch[tap][0], whole[tap])
    assert np.abs(batch[net.scores][0] - batch[net.scores][1]).max() > 0


def test_an_equal_network_built_again_does_not_trace_again():
    @functools.partial(jax.jit, static_argnums=0)
    @chex.assert_max_traces(n=1)
    def run(net, params, image):
        return net.apply(params, image, stop="pool1")

    net, params, image, _ = _net("vgg11")
    run(net, params, image)
    run(build("vgg11", input_size=(32, 32)), params, image + 0.1)


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet", "resnet18"])
def test_global_means_let_any_size_pass(name):
    net, params, _, _ = _net(name)
    image = jnp.full((71, 90, 3), 0.5)
    taps = jax.eval_shape(lambda x: net.apply(params, x), image)
    assert {tap: value.shape for tap, value in taps.items()} == shapes(net.rows, (71, 90))


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((32, 32, 3), {"stop": "relu9"}, "no tap 'relu9'; its taps are input, conv1_1"),
        ((32, 32, 3), {"start": "x"}, "no tap 'x'"),
        ((1, 32, 32, 3), {}, r"one image \[H, W, 3\], got shape \(1, 32, 32, 3\)"),
        ((48, 64, 3), {}, "'fc6' takes images of 32x32.*got 48x64.*input_size"),
        (
            (31, 64, 3),
            {"stop": "pool5"},
            "'pool5', from an image of 31x64; at least 32",
        ),
        ((4096,), {"start": "fc6", "stop": "conv1_1"}, "cannot be reached"),
        ((4096,), {"start": ("fc6", "fc7")}, "names 2 taps but"),
    ],
    ids=["stop", "start", "rank", "fc-size", "too-small", "backwards", "count"],
)
def test_apply_says_what_is_wrong(shape, options, message):
    net, params, _, _ = _net("vgg11")
    value = jnp.zeros(shape)
    value = (value,) if isinstance(options.get("start"), tuple) else value
    with pytest.raises(ValueError, match=message):
        net.apply(params, value, **options)


def test_convolutions_pass_images_that_the_first_fully_connected_row_refuses():
    net, params, _, _ = _net("vgg11")
    image = jnp.zeros((48, 64, 3))
    taps = jax.eval_shape(lambda x: net.apply(params, x, stop="pool5"), image)
    assert taps["pool5"].shape == (1, 2, 512)


def test_average_pooling_uses_the_same_parameters():
    net, params, image, whole = _net("vgg11")
    other = build("vgg11", pool="avg", input_size=(32, 32))
    taps = other.apply(params, image, stop="pool1")
    _assert_close(taps["relu1_1"], whole["relu1_1"])
    mean = np.asarray(whole["relu1_1"]).reshape(16, 2, 16, 2, 64).mean((1, 3))
    _assert_close(taps["pool1"], mean)
    assert isinstance(other.forward, Table)
