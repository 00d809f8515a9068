"""HDF5 needs h5py, which the extra `convert` installs."""

from pathlib import Path
from types import ModuleType
from typing import Any

from weights_convert.checkpoint import damaged


def h5py() -> ModuleType:
    """Returns the module h5py.

    Raises:
      ValueError: if it is not installed; says how to.
    """
    try:
        import h5py as module
    except ImportError:
        raise ValueError(
            "HDF5 files (.h5, MATLAB 7.3) need h5py: pip install 'jaxvis[convert]'"
        ) from None
    return module


def opened(path: Path) -> Any:
    """Returns an open HDF5 file, a context manager.

    Args:
      path: the file.

    Raises:
      ValueError: if it is damaged, or h5py is not installed.
    """
    try:
        return h5py().File(path, "r")
    except OSError as error:
        raise damaged(path, error) from None
