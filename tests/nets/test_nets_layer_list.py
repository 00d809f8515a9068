"""Networks from lists of layers: what they compute, and what is said of a wrong list."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.nets import from_layers, random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer

CONV = {"name": "conv", "op": "conv", "width": 4, "size": 3, "pad": 1}
ROWS = [
    CONV,
    {"name": "relu", "op": "relu"},
    {"name": "side", "op": "conv", "width": 4},
    {"name": "add", "op": "add", "inputs": ["relu", "side"]},
    {"name": "gap", "op": "gap"},
    {"name": "fc", "op": "fc", "width": 5},
    {"name": "prob", "op": "softmax"},
]
SIZE = (8, 6)


def test_rows_of_dicts_and_of_layers_are_one_network():
    rows = (
        Layer("conv", "conv", 4, 3, pad=1),
        Layer("relu", "relu"),
        Layer("side", "conv", 4),
        Layer("add", "add", inputs=("relu", "side")),
        Layer("gap", "gap"),
        Layer("fc", "fc", 5),
        Layer("prob", "softmax"),
    )
    net = from_layers(ROWS, input_size=SIZE, channels=1, name="net")
    same = build_network("net", rows, input_size=SIZE, scores="fc", channels=1)
    assert net == from_layers(rows, input_size=SIZE, channels=1, name="net") == same
    assert hash(net) == hash(same)
    assert net.taps == ("input", "conv", "relu", "side", "add", "gap", "fc", "prob")
    assert (net.scores, net.classes, net.channels) == ("fc", "fc", 1)


def test_a_graph_computes_what_its_inputs_say(key):
    net = jaxvis.from_layers(ROWS, input_size=SIZE)
    params = random_params(net, key, preprocess="unit")
    taps = net.apply(params, jax.random.uniform(key, (*SIZE, 3)))
    side = taps["relu"] @ params["side"]["kernel"][0, 0] + params["side"]["bias"]
    np.testing.assert_allclose(taps["add"], taps["relu"] + side, rtol=1e-5, atol=1e-5)
    scores = taps["add"].mean((0, 1)) @ params["fc"]["kernel"] + params["fc"]["bias"]
    np.testing.assert_allclose(taps["fc"], scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(taps["prob"], jax.nn.softmax(taps["fc"]), rtol=1e-5)


def test_scores_and_classes_are_those_that_are_named():
    net = from_layers(ROWS[:5], input_size=SIZE, classes="conv")
    assert (net.scores, net.classes) == ("gap", "conv")
    assert from_layers(ROWS[:2], input_size=SIZE).scores is None


def test_sides_of_windows_may_differ():
    net = from_layers([{**CONV, "size": [3, 1], "pad": [1, 0]}], input_size=[8, 6])
    assert net.rows[1] == Layer("conv", "conv", 4, (3, 1), pad=(1, 0))
    assert net.shape(random_params(net, jax.random.key(0)), "conv") == (8, 6, 4)


WRONG_ROWS = {
    "no rows": ([], "list of layers is empty"),
    "no dict": ([3], "row 1 is of type int: write a dict"),
    "no name": ([{"op": "relu"}], "row 1 has no name"),
    "no op": ([{"name": "a"}], r"row 1 \('a'\) has no op"),
    "unknown field": ([{**CONV, "widht": 3}], r"unknown field 'widht' \(did you mean 'width'\?\)"),
    "kind of a field": ([{**CONV, "width": "4"}], "width is '4'; write a whole number"),
    "kind of a size": ([{**CONV, "size": [3, 3, 3]}], "write a whole number or a pair"),
    "truth": ([{**CONV, "bias": 1}], "bias is 1; write true or false"),
    "truth for a number": ([{**CONV, "stride": True}], "write a whole number"),
    "kind of inputs": ([{**CONV, "inputs": [1]}], "write a list of names"),
    "unknown op": (
        [{**CONV, "op": "cnov"}],
        r"op 'cnov' \(did you mean 'conv'\?\): ops are",
    ),
    "another word": ([{**CONV, "op": "Conv2d"}], "unknown op 'Conv2d': write conv$"),
    "dropout": ([CONV, {"name": "d", "op": "dropout"}], "leave the row out: a trained network"),
    "no width": ([{"name": "c", "op": "conv"}], "has no width: conv needs one"),
    "width of others": ([{"name": "m", "op": "max", "width": 3}], "which max does not set"),
    "stride": ([{**CONV, "stride": 0}], "at least 1"),
    "padding": ([{"name": "m", "op": "max", "size": 2, "pad": 2}], "more than half of its window"),
    "same name": ([CONV, CONV], r"row 2 \('conv'\) has the name of row 1"),
    "name of the image": ([{**CONV, "name": "input"}], "has the name of the image"),
    "no such input": (
        [CONV, {**CONV, "name": "b", "inputs": "cnv"}],
        r"did you mean 'con",
    ),
    "later input": (
        [{**CONV, "inputs": ["b"]}, {**CONV, "name": "b"}],
        "comes later.*above",
    ),
    "one to join": ([CONV, {"name": "a", "op": "add"}], "add joins several rows"),
    "several to read": (
        [CONV, {**CONV, "name": "b", "inputs": ["input", "conv"]}],
        "reads one row",
    ),
    "groups": ([{**CONV, "groups": 2}], "2 groups do not divide the channels it reads, 3"),
    "groups of the width": ([{**CONV, "groups": 3}], "3 groups do not divide the width, 4"),
    "sum": ([CONV, {"name": "a", "op": "add", "inputs": ["conv", "input"]}], "different shapes"),
    "product": ([CONV, {"name": "a", "op": "mul", "inputs": ["conv", "input"]}], "multiplies"),
    "sides": (
        [{**CONV, "stride": 2}, {"name": "a", "op": "concat", "inputs": ["conv", "input"]}],
        "different sides",
    ),
    "map": ([*ROWS[:6], {**CONV, "name": "c2"}], r"row 7 \('c2'\): conv takes a map .* \(5,\)"),
    "small": ([CONV, {**CONV, "name": "b", "size": 9}], r"row 2 \('b'\): the image is too small"),
}


@pytest.mark.parametrize("what", WRONG_ROWS)
def test_a_wrong_row_is_named_with_the_cure(what):
    rows, message = WRONG_ROWS[what]
    with pytest.raises(ValueError, match=message):
        from_layers(rows, input_size=SIZE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 8}, "input_size is"),
        ({"input_size": (0, 8)}, "input_size is"),
        ({"channels": 0}, "channels is"),
        ({"scores": "x"}, "scores is 'x', which is no row; rows are input, conv"),
        ({"scores": "conv"}, "name a row with one number for each class"),
        ({"classes": "x"}, "classes is 'x'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        from_layers([CONV], **{"input_size": SIZE, **options})


def test_a_dict_is_no_list():
    with pytest.raises(ValueError, match="layers is a list of rows, not a dict"):
        from_layers(CONV, input_size=SIZE)


def test_every_op_of_tables_is_known():
    net = from_layers([CONV, {"name": "g", "op": "gelu"}], input_size=SIZE)
    assert jnp.shape(net.apply(random_params(net, jax.random.key(0)), jnp.ones((*SIZE, 3)))["g"])
