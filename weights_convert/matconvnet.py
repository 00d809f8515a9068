"""MatConvNet's .mat: a `net` (or its fields) with a cell of `layers`.

A layer's parameters are `weights{1}` and `weights{2}` (older: `filters`, `biases`),
kernels in HWIO; a fully connected layer is a convolution of the whole map. Input: RGB,
0..255, minus `averageImage`, here its mean colour.
"""

import struct
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from weights_convert import hdf5
from weights_convert.checkpoint import (
    Checkpoint,
    Stored,
    damaged,
    mapped,
    stored,
    truncated,
    unpack,
)
from weights_convert.preprocess import Preprocess

HEADER, TAG = 128, 8
OLD_KEYS = ("filters", "biases")


def read(path: Path) -> Checkpoint:
    """Returns the tensors, the mean colour and the class labels of a MatConvNet file.

    Args:
      path: the file, MATLAB 5 to 7 (scipy) or 7.3 (h5py).

    Raises:
      ValueError: if it is damaged, is no simple network, or h5py is missing for 7.3.
    """
    if mapped(path)[:16].tobytes().startswith(b"MATLAB 7.3"):
        with hdf5.opened(path) as file:
            return _network(_Matlab73(path, file, file), path)
    return _network(_Matlab5(_load(path)), path)


def _network(root: Any, path: Path) -> Checkpoint:
    net = root.get("net") or root
    if net.get("params") is not None:
        raise ValueError(
            f"{path} is a DagNN; only simple networks (a chain of layers) are read"
        )
    layers = net.get("layers")
    if layers is None:
        raise ValueError(f"{path} has no `layers`: it is not a MatConvNet network")
    tensors = {}
    for layer in layers.cells():
        pair = layer.get("weights")
        values = pair.cells() if pair is not None else map(layer.get, OLD_KEYS)
        for key, value in zip(OLD_KEYS, values):
            if value is not None and (array := value.tensor()) is not None:
                tensors[f"{layer.get('name').text()}/{key}"] = array
    meta = net.get("meta") or net
    image = _at(meta, "normalization", "averageImage")
    classes = _at(meta, "classes", "description")
    return Checkpoint(
        "matconvnet",
        tensors,
        None if image is None else _mean(image.tensor().read()),
        () if classes is None else tuple(cell.text() for cell in classes.cells()),
    )


def _at(node: Any, *keys: str) -> Any:
    for key in keys:
        node = node.get(key) if node is not None else None
    return node


def _mean(image: np.ndarray) -> Preprocess:
    """Returns RGB in 0..255 minus an image's (or a colour's) mean colour."""
    colour = image if image.size == 3 else image.reshape(-1, image.shape[-1]).mean(0)
    return Preprocess("rgb", 255, tuple(float(v) for v in colour.ravel()))


class _Matlab5:
    """A value of scipy.io.loadmat: a struct, a cell, text or numbers."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, key: str) -> "_Matlab5 | None":
        """Returns a struct's field; None where there is none."""
        if isinstance(self.value, dict):
            found = self.value.get(key)
        else:
            item = self.value
            if isinstance(item, np.ndarray) and item.dtype == object and item.size:
                item = item.flat[0]
            found = getattr(item, key, None)
        return None if found is None else _Matlab5(found)

    def cells(self) -> Iterable["_Matlab5"]:
        """Yields what is in a cell array."""
        return (_Matlab5(item) for item in np.asarray(self.value).ravel(order="F"))

    def text(self) -> str:
        return "".join(np.asarray(self.value).ravel().tolist())

    def tensor(self) -> Stored | None:
        return stored(self.value) if np.asarray(self.value).size else None


class _Matlab73:
    """An item of a MATLAB 7.3 file: axes are reversed, cells are references."""

    def __init__(self, path: Path, file: Any, item: Any) -> None:
        self.path, self.file, self.item = path, file, item

    def get(self, key: str) -> "_Matlab73 | None":
        """Returns a struct's field; None where there is none."""
        if not hasattr(self.item, "keys") or key not in self.item:
            return None
        return _Matlab73(self.path, self.file, self.item[key])

    def cells(self) -> Iterable["_Matlab73"]:
        """Yields what is in a cell array."""
        for reference in np.asarray(self.item).ravel():
            yield _Matlab73(self.path, self.file, self.file[reference])

    def text(self) -> str:
        return "".join(chr(code) for code in np.asarray(self.item).ravel())

    def tensor(self) -> Stored | None:
        if "MATLAB_empty" in self.item.attrs:
            return None
        read = partial(_dataset, self.path, self.item.name)
        return Stored(self.item.shape[::-1], read)


def _dataset(path: Path, name: str) -> np.ndarray:
    with hdf5.opened(path) as file:
        try:
            return file[name][()].T
        except (OSError, KeyError) as error:
            raise damaged(path, error) from None


def _load(path: Path) -> dict[str, Any]:
    _check_tags(path)
    from scipy.io import loadmat  # only these files need it
    from scipy.io.matlab import MatReadError

    try:
        return loadmat(path, struct_as_record=False)
    except (MatReadError, ValueError, TypeError, OSError, zlib.error) as error:
        raise damaged(path, error) from None
    except (struct.error, IndexError, KeyError) as error:
        raise damaged(path, error) from None


def _check_tags(path: Path) -> None:
    """Raises ValueError if a variable says that it is longer than the file.

    scipy would allocate what it claims.
    """
    data, at = mapped(path), HEADER
    order = ">" if data[126:128].tobytes() == b"MI" else "<"
    while at < len(data):
        _, size = unpack(f"{order}II", data, at, path)
        at += TAG + size
        if at > len(data):
            raise truncated(path, at, len(data))
