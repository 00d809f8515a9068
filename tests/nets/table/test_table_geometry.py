"""Receptive fields, strides and offsets, against the papers and against gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets import build, from_function, layers_table, random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.geometry import geometry
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.zoo.blocks import squeeze_rows

# Mahendran & Vedaldi, natural pre-images, tables 1 to 3: name, receptive field size,
# stride, channels.
ALEXNET = """
conv1 11 4 96; relu1 11 4 96; norm1 11 4 96; pool1 19 8 96; conv2 51 8 256;
relu2 51 8 256; norm2 51 8 256; pool2 67 16 256; conv3 99 16 384; relu3 99 16 384;
conv4 131 16 384; relu4 131 16 384; conv5 163 16 256; relu5 163 16 256;
pool5 195 32 256; fc6 355 32 4096; relu6 355 32 4096; fc7 355 32 4096;
relu7 355 32 4096; fc8 355 32 1000; prob 355 32 1000
"""
VGG_M = """
conv1 7 2 96; relu1 7 2 96; norm1 7 2 96; pool1 11 4 96; conv2 27 8 256;
relu2 27 8 256; norm2 27 8 256; pool2 43 16 256; conv3 75 16 512; relu3 75 16 512;
conv4 107 16 512; relu4 107 16 512; conv5 139 16 512; relu5 139 16 512;
pool5 171 32 512; fc6 331 32 4096; relu6 331 32 4096; fc7 331 32 4096;
relu7 331 32 4096; fc8 331 32 1000; prob 331 32 1000
"""
VGG16 = """
conv1_1 3 1 64; relu1_1 3 1 64; conv1_2 5 1 64; relu1_2 5 1 64; pool1 6 2 64;
conv2_1 10 2 128; relu2_1 10 2 128; conv2_2 14 2 128; relu2_2 14 2 128;
pool2 16 4 128; conv3_1 24 4 256; relu3_1 24 4 256; conv3_2 32 4 256;
relu3_2 32 4 256; conv3_3 40 4 256; relu3_3 40 4 256; pool3 44 8 256;
conv4_1 60 8 512; relu4_1 60 8 512; conv4_2 76 8 512; relu4_2 76 8 512;
conv4_3 92 8 512; relu4_3 92 8 512; pool4 100 16 512; conv5_1 132 16 512;
relu5_1 132 16 512; conv5_2 164 16 512; relu5_2 164 16 512; conv5_3 196 16 512;
relu5_3 196 16 512; pool5 212 32 512; fc6 404 32 4096; relu6 404 32 4096;
fc7 404 32 4096; relu7 404 32 4096; fc8 404 32 1000; prob 404 32 1000
"""


@pytest.mark.parametrize(
    ("name", "table"),
    [("caffe_alexnet", ALEXNET), ("vgg_m", VGG_M), ("vgg16", VGG16)],
    ids=["table1", "table2", "table3"],
)
def test_geometry_equals_the_papers_tables_at_every_row(name, table):
    rows = [
        (row.name, row.receptive_field, row.stride, row.shape[-1]) for row in geometry(build(name))
    ]
    expected = [line.split() for line in table.split(";")]
    expected = [(name, *map(int, figures)) for name, *figures in expected]
    assert rows == [("input", 1, 1, 3), *expected]


CHAIN = (
    Layer("conv1", "conv", 2, 5, 2, pad=1),
    Layer("relu1", "relu"),
    Layer("pool1", "avg", size=3, stride=2, ceil=True),
    Layer("conv2", "conv", 2, 3, pad=1),
    Layer("norm2", "bn"),
    Layer("pool2", "avg", size=2, stride=2),
)
BRANCHES = (
    Layer("stem", "conv", 2, 3, 2, pad=1),
    Layer("left", "conv", 2, 1, inputs=("stem",)),
    Layer("right", "conv", 2, 5, pad=2, inputs=("stem",)),
    Layer("even", "avg", size=2, inputs=("stem",)),
    Layer("join", "concat", inputs=("left", "right")),
    Layer("narrow", "conv", 4, 1, inputs=("left",)),
    Layer("sum", "add", inputs=("narrow", "join")),
    Layer("last", "conv", 2, 3, 2),
)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [CHAIN, BRANCHES], ids=["chain", "branches"])
def test_geometry_equals_the_support_of_one_units_gradient(rows, key):
    net = build_network("small", rows, input_size=(64, 64))
    # Positive kernels and pixels: nothing is rectified away and nothing cancels.
    params = jax.tree.map(jnp.abs, random_params(net, key, preprocess="unit"))
    image = jax.random.uniform(key, (64, 64, 3), minval=0.1)
    for row in geometry(net):
        at = row.shape[0] // 2

        def unit(x, name=row.name, at=at):
            return net.apply(params, x, stop=name)[name][at, at].sum()

        gradient = np.abs(jax.jit(jax.grad(unit))(image))
        for axis in (0, 1):
            seen = np.flatnonzero(gradient.sum((1 - axis, 2)))
            centre = row.offset + at * row.stride
            half = (row.receptive_field - 1) / 2
            assert (seen[0], seen[-1]) == (centre - half, centre + half), row.name


def test_geometry_of_a_fully_connected_row_covers_the_whole_image(key):
    rows = (Layer("conv", "conv", 2, 3, 2), Layer("fc", "fc", 4), Layer("fc2", "fc", 2))
    net = build_network("small", rows, input_size=(15, 11))
    table = {row.name: row for row in geometry(net)}
    assert (table["fc"].receptive_field, table["fc"].stride) == (15, 2)
    assert table["fc"].offset == 7 and table["fc2"] != table["fc"]
    assert table["fc2"].receptive_field == 15


def test_kernels_that_are_not_square_see_a_rectangle_with_a_longer_side():
    rows = (
        Layer("first", "conv", 2, 3, 2, pad=1),
        Layer("across", "conv", 2, (1, 7), pad=(0, 3)),
        Layer("down", "conv", 2, (5, 1), pad=(2, 0)),
        Layer("pool", "avg", size=(3, 1), stride=2, pad=(1, 0)),
    )
    table = {r.name: r for r in geometry(build_network("small", rows, input_size=(32, 32)))}
    assert [table[name].shape for name in ("across", "down", "pool")] == [
        (16, 16, 2),
        (16, 16, 2),
        (8, 8, 2),
    ]
    # Across it sees 3 + 6 * 2 pixels throughout; down 3, then 3 + 4 * 2, then 11 + 2 * 2.
    assert [table[name].receptive_field for name in ("first", "across", "down")] == [3, 15, 15]
    assert (table["pool"].receptive_field, table["pool"].stride) == (15, 4)
    assert table["across"].parameters == 7 * 2 * 2 + 2


def test_a_product_sees_what_its_map_sees_and_a_squeeze_the_whole_map():
    rows = (Layer("conv", "conv", 8, 3, 2, pad=1), *squeeze_rows("se", "conv", 8, 4))
    table = {r.name: r for r in geometry(build_network("small", rows, input_size=(16, 16)))}
    assert table["se.avgpool"].receptive_field == table["se.fc2"].receptive_field == 3 + 7 * 2
    assert table["se.mul"].receptive_field == 3 and table["se.mul"].stride == 2
    assert table["se.mul"].shape == (8, 8, 8)


def test_global_mean_sees_everything_and_keeps_the_stride():
    table = {row.name: row for row in geometry(build("resnet18"))}
    assert table["layer4.1.relu_1"].receptive_field == 435
    assert table["avgpool"].receptive_field == 435 + 6 * 32
    assert table["avgpool"].stride == table["fc"].stride == 32


def test_layers_table_shows_every_row_and_the_total():
    net = build("vgg16")
    lines = layers_table(net).splitlines()
    assert lines[0].split() == [
        "name",
        "op",
        "shape",
        "field",
        "stride",
        "offset",
        "parameters",
    ]
    assert [line.split()[0] for line in lines[1:]] == [*net.taps, "total"]
    pool5 = next(line for line in lines if line.startswith("pool5"))
    assert pool5.split() == ["pool5", "max", "7x7x512", "212", "32", "15.5"]
    assert lines[-1].split() == ["total", "138,357,544"]


def test_geometry_refuses_an_adapted_network():
    net, _ = from_function(lambda p, x: {"twice": 2 * x}, {}, input_size=(8, 8))
    with pytest.raises(ValueError, match="not a table network"):
        geometry(net)
