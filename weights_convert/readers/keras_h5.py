"""Keras .h5: full models, weights-only files, and Keras 3's .weights.h5.

All become `block1_conv1/kernel`: full models hold theirs below `model_weights`; layers
repeat their name (`block1_conv1/block1_conv1/kernel:0`); Keras 1 wrote
`block1_conv1_W_1:0`; Keras 3 writes `layers/conv2d_1/vars/0`, with the layer's name as an
attribute of `vars` (its first releases without).
"""

import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from weights_convert.checkpoint import Checkpoint, StoredTensor
from weights_convert.names.naming import naming_of
from weights_convert.readers import hdf5
from weights_convert.readers.bounds import Budget
from weights_convert.readers.hdf5_lists import check_lists

MODEL, OPTIMIZER = "model_weights/", ("optimizer_weights/", "optimizer/")
KERAS_1 = re.compile(r"^(?P<layer>.*)_(?P<leaf>[Wb])(_\d+)?$")
KERAS_3 = re.compile(r"^(?P<vars>(.*/)?(?P<layer>[^/]+)/vars)/(?P<leaf>[0-3])$")
LEAVES = {"W": "kernel", "b": "bias"}
PRODUCT, NORM = ("kernel", "bias"), ("gamma", "beta", "moving_mean", "moving_variance")
"""Parameters in the order in which Keras 3 numbers those of a layer."""


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a Keras file; each is read when it is asked for.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it holds other things than numbers, or h5py is not installed.
    """
    check_lists(path)
    return read_tensors(path)


def read_tensors(source: Path | hdf5.Region) -> Checkpoint:
    """Returns the tensors of an HDF5 file whose lists have been checked.

    Args:
      source: the file, or the part of one.

    Raises:
      CheckpointError: as `read`.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    layers: dict[str, str] = {}
    budget, dataset = Budget(), hdf5.import_h5py().Dataset

    def visit(name: str, item: Any) -> None:
        budget.spend(1)
        if name.startswith(OPTIMIZER):
            return
        if isinstance(item, dataset):
            shapes[name] = hdf5.check_numbers(item)
        elif name.endswith("vars"):
            layers[name] = hdf5.read_text(item, "name")

    with hdf5.open_file(source) as file:
        file.visititems(visit)
    tensors = {
        _shorten(name, shapes, layers): StoredTensor(shape, partial(hdf5.read_array, source, name))
        for name, shape in shapes.items()
    }
    return Checkpoint(naming_of(tensors), tensors)


def _shorten(name: str, shapes: Collection[str], layers: Mapping[str, str]) -> str:
    """Returns `layer/leaf` of a dataset's path."""
    *groups, last = name.removeprefix(MODEL).split(":")[0].split("/")
    if match := KERAS_3.match(name):
        leaves = NORM if f"{match['vars']}/3" in shapes else PRODUCT
        layer, number = layers.get(match["vars"]) or match["layer"], int(match["leaf"])
        return f"{layer}/{leaves[number]}" if number < len(leaves) else name
    if match := KERAS_1.match(last):
        return f"{match['layer']}/{LEAVES[match['leaf']]}"
    # TensorFlow 1 numbered repeated names: block1_conv1/block1_conv1_1/kernel.
    numbered = len(groups) > 1 and re.fullmatch(re.escape(groups[-2]) + r"(_\d+)?", groups[-1])
    layer = groups[-2] if numbered else "".join(groups[-1:])
    return f"{layer}/{last}"
