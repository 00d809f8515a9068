"""MatConvNet's .mat: a `net` (or its fields) with a cell of `layers`.

A layer's parameters are `weights{1}` and `weights{2}` (older: `filters`, `biases`),
kernels in HWIO; a fully connected layer is a convolution of the whole map. Input: RGB,
0..255, minus `averageImage`, here its mean colour.
"""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.escape import describe_shape, escape
from weights_convert.checkpoint import Checkpoint, CheckpointError, StoredTensor
from weights_convert.preprocessing import Preprocess
from weights_convert.readers import matlab5, matlab73
from weights_convert.readers.bounds import MAX_MEAN, map_file

OLD_KEYS = ("filters", "biases")
WRONG = (AttributeError, TypeError, LookupError)
"""What comes of a layout that is another program's."""


def read(path: Path) -> Checkpoint:
    """Returns the tensors, the mean colour and the class labels of a MatConvNet file.

    Args:
      path: the file, MATLAB 5 to 7, or 7.3 (h5py).

    Raises:
      CheckpointError: if it is damaged, is no simple network, or h5py is missing for 7.3.
    """
    newer = map_file(path)[:16].tobytes().startswith(b"MATLAB 7.3")
    tree = (matlab73 if newer else matlab5).load(path)
    net = tree.get("net") or tree
    if not isinstance(net, dict) or "layers" not in net and "params" not in net:
        raise CheckpointError("has no `layers`: it is not a MatConvNet network")
    if "params" in net:
        raise CheckpointError("is a DagNN; only simple networks (a chain of layers) are read")
    try:
        return _make_checkpoint(net)
    except WRONG as error:
        raise CheckpointError(
            f"is not laid out as a MatConvNet network ({escape(str(error))})"
        ) from error


def _make_checkpoint(net: dict[str, Any]) -> Checkpoint:
    tensors = {}
    for layer in net["layers"]:
        pair = layer.get("weights") or [layer.get(key) for key in OLD_KEYS]
        for key, value in zip(OLD_KEYS, pair):
            if isinstance(value, StoredTensor):
                tensors[f"{_check_text(layer['name'])}/{key}"] = value
    meta = net.get("meta") or net
    image = (meta.get("normalization") or {}).get("averageImage")
    labels = (meta.get("classes") or {}).get("description") or []
    if not isinstance(labels, list):
        raise TypeError("the class labels are no cell of texts")
    mean = None if image is None else _read_mean(image)
    return Checkpoint("matconvnet", tensors, mean, tuple(map(_check_text, labels)))


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{escape(value)} where a text belongs")
    return value


def _read_mean(tensor: StoredTensor) -> Preprocess:
    """Returns RGB in 0..255 minus an image's (or a colour's) mean colour."""
    if prod(tensor.shape) > MAX_MEAN:
        raise CheckpointError(f"claims a mean image of {describe_shape(tensor.shape)}")
    image = tensor.read()
    colour = image if image.size == 3 else image.reshape(-1, image.shape[-1]).mean(0)
    if colour.size != 3 or not np.all((colour >= 0) & (colour <= 255)):
        raise TypeError(f"averageImage {describe_shape(image.shape)} is no image of 0..255")
    red, green, blue = (float(value) for value in colour.ravel())
    return Preprocess("rgb", 255, (red, green, blue))
