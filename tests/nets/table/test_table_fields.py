"""Schedules of C, pictures as large as a receptive field, the reach of taps, the softmax."""

import pytest
from tiny_nets import counted_net

from jaxvis.methods.preimage.schedule import codes_of, fidelity_of
from jaxvis.nets import build
from jaxvis.nets.table.fields import canvas_of, field_of, reach_of, refuse_probabilities, round_up


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "caffe_alexnet",
            {
                "conv1": 300,
                "relu3": 300,
                "conv4": 100,
                "relu4": 100,
                "conv5": 20,
                "relu5": 20,
                "pool5": 1,
                "fc8": 1,
            },
        ),
        ("vgg_m", {"norm2": 300, "conv5": 20, "fc6": 1}),
        (
            "vgg16",
            {
                "conv1_1": 300,
                "conv4_3": 300,
                "conv5_1": 100,
                "conv5_2": 20,
                "conv5_3": 20,
                "pool5": 1,
                "fc7": 1,
            },
        ),
        ("vgg19", {"conv4_4": 300, "relu5_1": 100, "relu5_4": 20, "fc6": 1}),
        ("hogb", {"hog": 100}),
        (
            "googlenet",
            {
                "pool1/3x3_s2": 300,
                "inception_4a/output": 20,
                "inception_5b/output": 1,
                "loss3/classifier": 1,
            },
        ),
    ],
)
def test_fidelity_is_the_papers_for_net_and_layer(name, expected):
    net = build(name)
    assert {tap: fidelity_of(net, {}, tap) for tap in expected} == expected


def test_fidelity_of_a_function_goes_by_the_image_over_the_map():
    net, params, _ = counted_net()
    assert fidelity_of(net, params, "map") == 300
    with pytest.raises(ValueError, match="has no tap 'nowhere'"):
        fidelity_of(net, params, "nowhere")


@pytest.mark.parametrize(
    ("name", "tap", "cells", "field"),
    [
        ("vgg16", "conv1_1", 3, 3),
        ("vgg16", "conv3_3", 11, 40),
        ("vgg16", "conv5_3", 13, 196),
        ("caffe_alexnet", "conv3", 7, 99),
    ],
)
def test_canvas_is_the_largest_with_the_cells_of_a_receptive_field(name, tap, cells, field):
    net = build(name)
    side, other = canvas_of(net, tap)
    assert side == other and field_of(net, tap) == field
    from jaxvis.nets.table.layers import shapes

    rows = net.rows[: net.taps.index(tap) + 1]
    assert shapes(rows, (side, side))[tap][0] == cells
    assert shapes(rows, (side + 1, side + 1))[tap][0] > cells


def test_canvas_of_scores_and_of_functions_is_the_native_image():
    assert canvas_of(build("vgg16"), "fc8") == (224, 224)
    net, _, _ = counted_net(12)
    assert canvas_of(net, "map") == (12, 12) and field_of(net, "map") == 12


def test_the_softmax_is_refused_and_left_out_of_all():
    net = build("caffe_alexnet")
    with pytest.raises(ValueError, match="after the softmax.*'fc8'"):
        refuse_probabilities(net, "prob")
    taps = codes_of(net)
    assert taps[0] == "conv1" and taps[-1] == "fc8" and len(taps) == 20


def test_the_reach_of_taps_is_a_multiple_of_their_strides():
    net = build("vgg16")
    reach = reach_of(net, ("relu1_1", "pool2", "relu3_1"))
    assert reach.strides == (("relu1_1", 1), ("pool2", 4), ("relu3_1", 4))
    assert reach.coarse == 4 and reach.margin == 12
    assert reach.strides_of(("pool2",)) == {"pool2": 4}
    with pytest.raises(ValueError, match="'conv1_1' was not among the taps relu1_1, pool2"):
        reach.strides_of(("conv1_1",))
    assert [round_up(number, 4) for number in (0, 1, 4, 5)] == [0, 4, 4, 8]
