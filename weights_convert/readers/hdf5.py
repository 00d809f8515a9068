"""HDF5 files, which need h5py (the extra `convert` installs it).

A file may point to other files: external links, external storage, virtual datasets.
None of them is followed: other files on this machine are no part of a checkpoint.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxvis.weights.escape import escape
from weights_convert.checkpoint import CheckpointError


def import_h5py() -> ModuleType:
    """Returns the module h5py.

    Raises:
      CheckpointError: if it is not installed; says how to install it.
    """
    try:
        import h5py
    except ImportError:
        raise CheckpointError(
            "is an HDF5 file (.h5, MATLAB 7.3), which needs h5py: pip install 'jaxvis[convert]'"
        ) from None
    return h5py


def open_file(path: Path) -> Any:
    """Returns an open HDF5 file, a context manager.

    Args:
      path: the file.

    Raises:
      CheckpointError: if h5py is not installed.
      OSError: if the file is damaged.
    """
    return import_h5py().File(path, "r")


def get_item(group: Any, name: str) -> Any:
    """Returns the group or dataset that a group has under a name.

    Args:
      group: the group.
      name: the name.

    Raises:
      CheckpointError: if it is a link to another file.
    """
    if isinstance(group.get(name, getlink=True), import_h5py().ExternalLink):
        raise CheckpointError(f"links {escape(name)} to another file, which is not read")
    return group[name]


def check_local(dataset: Any) -> None:
    """Raises an error if the content of a dataset is in another file.

    Args:
      dataset: the dataset.

    Raises:
      CheckpointError: if it is.
    """
    if dataset.external or dataset.is_virtual:
        raise CheckpointError(f"keeps {escape(dataset.name)} in another file, which is not read")


def check_numbers(dataset: Any) -> tuple[int, ...]:
    """Returns the shape of a dataset of real numbers that are in the file itself.

    Args:
      dataset: the dataset.

    Raises:
      CheckpointError: if it is empty, holds other things, or keeps them in another file.
    """
    check_local(dataset)
    if dataset.shape is None or dataset.dtype.kind not in "biuf":
        held = "nothing" if dataset.shape is None else escape(str(dataset.dtype))
        raise CheckpointError(f"holds no numbers in {escape(dataset.name)}, but {held}")
    return dataset.shape


def read_array(path: Path, name: str) -> np.ndarray:
    """Returns the numbers of a dataset, of any shape.

    Args:
      path: the file.
      name: the dataset's name in it.

    Raises:
      CheckpointError: as `check_numbers`.
      OSError: if the file is damaged.
    """
    with open_file(path) as file:
        dataset = file[name]
        check_numbers(dataset)
        return dataset[()]
