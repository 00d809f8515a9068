"""MatConvNet's .mat: a `net` (or its fields) with a cell of `layers`.

A layer's parameters are `weights{1}` and `weights{2}` (older: `filters`, `biases`),
kernels in HWIO; a fully connected layer is a convolution of the whole map. Input: RGB,
0..255, minus `averageImage`, here its mean colour.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from weights_convert.checkpoint import Checkpoint, Stored, damaged, mapped
from weights_convert.preprocessing import Preprocess
from weights_convert.readers import hdf5, matlab5

OLD_KEYS = ("filters", "biases")
WRONG = (AttributeError, TypeError, LookupError)
"""What comes of a layout that is another program's."""


def read(path: Path) -> Checkpoint:
    """Returns the tensors, the mean colour and the class labels of a MatConvNet file.

    Args:
      path: the file, MATLAB 5 to 7, or 7.3 (h5py).

    Raises:
      ValueError: if it is damaged, is no simple network, or h5py is missing for 7.3.
    """
    newer = mapped(path)[:16].tobytes().startswith(b"MATLAB 7.3")
    tree = _matlab73(path) if newer else matlab5.load(path)
    net = tree.get("net") or tree
    if "params" in net:
        raise ValueError(f"{path} is a DagNN; only simple networks (a chain of layers) are read")
    if "layers" not in net:
        raise ValueError(f"{path} has no `layers`: it is not a MatConvNet network")
    try:
        return _network(net)
    except WRONG as error:
        raise ValueError(f"{path} is not laid out as a MatConvNet network ({error})") from None


def _network(net: dict[str, Any]) -> Checkpoint:
    tensors = {}
    for layer in net["layers"]:
        pair = layer.get("weights") or [layer.get(key) for key in OLD_KEYS]
        for key, value in zip(OLD_KEYS, pair):
            if isinstance(value, Stored):
                tensors[f"{layer['name']}/{key}"] = value
    meta = net.get("meta") or net
    image = (meta.get("normalization") or {}).get("averageImage")
    labels = (meta.get("classes") or {}).get("description") or ()
    mean = None if image is None else _mean(image.read())
    return Checkpoint("matconvnet", tensors, mean, tuple(str(text) for text in labels))


def _mean(image: np.ndarray) -> Preprocess:
    """Returns RGB in 0..255 minus an image's (or a colour's) mean colour."""
    colour = image if image.size == 3 else image.reshape(-1, image.shape[-1]).mean(0)
    if colour.size != 3 or not np.all((colour >= 0) & (colour <= 255)):
        raise TypeError(f"averageImage {image.shape} is no image of 0..255")
    return Preprocess("rgb", 255, tuple(float(v) for v in colour.ravel()))


def _matlab73(path: Path) -> dict[str, Any]:
    """Returns the variables of a MATLAB 7.3 file, as `matlab5.load` does.

    In HDF5 axes are reversed, cells are references, and texts are numbers.
    """
    with hdf5.opened(path) as file:
        try:
            return {
                name: _value(path, file, item, 0)
                for name, item in file.items()
                if not name.startswith("#")
            }
        except (OSError, RuntimeError, LookupError, AttributeError) as error:
            raise damaged(path, error) from None


def _value(path: Path, file: Any, item: Any, depth: int) -> Any:
    if depth > matlab5.DEPTH:
        raise LookupError("references that never end")
    if isinstance(item, hdf5.h5py().Group):
        return {key: _value(path, file, item[key], depth + 1) for key in item}
    if "MATLAB_empty" in item.attrs:
        return None
    kind = item.attrs.get("MATLAB_class", b"")
    if kind == b"cell":
        return [_value(path, file, file[ref], depth + 1) for ref in item[()].ravel()]
    if kind == b"char":
        return "".join(map(chr, item[()].ravel()))
    return Stored(item.shape[::-1], partial(_dataset, path, item.name))


def _dataset(path: Path, name: str) -> np.ndarray:
    with hdf5.opened(path) as file:
        try:
            return file[name][()].T
        except (OSError, RuntimeError, LookupError) as error:
            raise damaged(path, error) from None
