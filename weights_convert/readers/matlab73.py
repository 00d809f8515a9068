"""MATLAB 7.3 files, which are HDF5, as plain trees; see `matlab5`.

In HDF5 axes are reversed, cells are references, and texts are numbers.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.escape import escape
from weights_convert.checkpoint import CheckpointError, DamageError, StoredTensor
from weights_convert.readers import hdf5
from weights_convert.readers.bounds import Budget
from weights_convert.readers.hdf5_lists import check_lists

MAX_DEPTH, MAX_VALUES, MAX_TEXT = 64, 5000, 1 << 16
"""References inside references, values (each takes a millisecond), and characters of a
text: bounds that no network reaches."""


def load(path: Path) -> dict[str, Any]:
    """Returns the variables of a file: dicts, lists, text and tensors.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it is damaged, too large, points to other files, or h5py is not
        installed.
    """
    check_lists(path)
    with hdf5.open_file(path) as file:
        reader = _Reader(path, file)
        return {
            name: reader.read_value(hdf5.get_item(file, name), 0)
            for name in file
            if not name.startswith("#")
        }


class _Reader:
    """Values of an open file; their number is bounded, since references may share them."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path, self.file, self.budget = path, file, Budget(MAX_VALUES)

    def read_value(self, item: Any, depth: int) -> Any:
        self.budget.spend(1)
        if depth > MAX_DEPTH:
            raise DamageError("its references never end")
        if isinstance(item, hdf5.import_h5py().Group):
            return {key: self.read_value(hdf5.get_item(item, key), depth + 1) for key in item}
        if "MATLAB_empty" in item.attrs:
            return None
        hdf5.check_storage(item)
        kind = hdf5.read_word(item, "MATLAB_class")
        if kind == b"cell":
            self.budget.spend(item.size or 0)
            references = _read(item, "O")
            return [self.read_value(self.file[ref], depth + 1) for ref in references]
        if kind == b"char":
            if (item.size or 0) > MAX_TEXT:
                raise CheckpointError(f"has a text of {item.size} characters")
            return "".join(map(chr, _read(item, "ui")))
        shape = hdf5.check_numbers(item)
        return StoredTensor(shape[::-1], partial(_read_array, self.path, item.name))


def _read(item: Any, kinds: str) -> np.ndarray:
    """Returns the values of a cell or a text, `[n]`."""
    sound = item.shape is not None and item.dtype.kind in kinds
    # Texts of any length are objects, as references are: many may share one in the file.
    if not sound or kinds == "O" and hdf5.import_h5py().check_ref_dtype(item.dtype) is None:
        raise DamageError(f"a cell or a text of {escape(str(item.dtype))}")
    return hdf5.read_values(item).ravel()


def _read_array(path: Path, name: str) -> np.ndarray:
    return hdf5.read_array(path, name).T
