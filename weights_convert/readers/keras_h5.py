"""Keras .h5: full models, weights-only files, and Keras 3's .weights.h5.

All become `block1_conv1/kernel`: full models hold theirs below `model_weights`; layers
repeat their name (`block1_conv1/block1_conv1/kernel:0`); Keras 1 wrote
`block1_conv1_W_1:0`; Keras 3 writes `layers/block1_conv1/vars/0`.
"""

import re
from functools import partial
from pathlib import Path

from weights_convert.checkpoint import Checkpoint, StoredTensor
from weights_convert.names import naming_of
from weights_convert.readers import hdf5
from weights_convert.readers.bounds import Budget
from weights_convert.readers.hdf5_lists import check_lists

MODEL, OPTIMIZER = "model_weights/", "optimizer_weights/"
KERAS_1 = re.compile(r"^(?P<layer>.*)_(?P<leaf>[Wb])(_\d+)?$")
KERAS_3 = re.compile(r"^(.*/)?(?P<layer>[^/]+)/vars/(?P<leaf>[01])$")
LEAVES = {"W": "kernel", "b": "bias", "0": "kernel", "1": "bias"}


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a Keras file; each is read when it is asked for.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it holds other things than numbers, or h5py is not installed.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    budget, dataset = Budget(), hdf5.import_h5py().Dataset

    def visit(name: str, item: object) -> None:
        budget.spend(1)
        if isinstance(item, dataset) and not name.startswith(OPTIMIZER):
            shapes[name] = hdf5.check_numbers(item)

    check_lists(path)
    with hdf5.open_file(path) as file:
        file.visititems(visit)
    tensors = {
        _shorten(name): StoredTensor(shape, partial(hdf5.read_array, path, name))
        for name, shape in shapes.items()
    }
    return Checkpoint(naming_of(tensors), tensors)


def _shorten(name: str) -> str:
    """Returns `layer/leaf` of a dataset's path."""
    *groups, last = name.removeprefix(MODEL).split(":")[0].split("/")
    if match := KERAS_3.match(name):
        return f"{match['layer']}/{LEAVES[match['leaf']]}"
    if match := KERAS_1.match(last):
        return f"{match['layer']}/{LEAVES[match['leaf']]}"
    # TensorFlow 1 numbered repeated names: block1_conv1/block1_conv1_1/kernel.
    numbered = len(groups) > 1 and re.fullmatch(re.escape(groups[-2]) + r"(_\d+)?", groups[-1])
    layer = groups[-2] if numbered else "".join(groups[-1:])
    return f"{layer}/{last}"
