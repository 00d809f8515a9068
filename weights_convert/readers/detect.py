"""Which reader opens a file: told by its first bytes; its name decides only at last."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from weights_convert.checkpoint import Checkpoint, damaged
from weights_convert.readers import (
    caffemodel,
    keras_h5,
    matconvnet,
    npz,
    safetensors_file,
    torch_stream,
    torch_zip,
)

FORMATS = ".pth, .safetensors, .npz, .h5, .caffemodel, .mat"
STARTS: dict[bytes, Callable[[Path], Checkpoint]] = {
    b"\x80": torch_stream.read,
    b"\x89HDF\r\n": keras_h5.read,
    b"MATLAB ": matconvnet.read,
}
SUFFIXES: dict[str, Callable[[Path], Checkpoint]] = {
    ".caffemodel": caffemodel.read,
    **dict.fromkeys((".pth", ".pt", ".pkl", ".bin", ".tar"), torch_stream.read),
}
NOT_WEIGHTS = {
    b"<": "a web page or XML, not a checkpoint: the download went wrong",
    b"version https://git-lfs": "a Git LFS pointer, not the file: run `git lfs pull`",
}


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a checkpoint in any of the known formats.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is empty, damaged, refused, or of no known format.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a checkpoint")
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise ValueError(f"{path} is empty: fetch it again")
    for sign, what in NOT_WEIGHTS.items():
        if start.startswith(sign):
            raise ValueError(f"{path} is {what}")
    if start.startswith(b"PK"):
        return _zipped(path)
    for sign, reader in STARTS.items():
        if start.startswith(sign):
            return reader(path)
    if start[8:9] == b"{":
        return safetensors_file.read(path)
    if path.suffix in SUFFIXES:
        return SUFFIXES[path.suffix](path)
    raise ValueError(f"{path} is of no format that is read here: {FORMATS}")


def _zipped(path: Path) -> Checkpoint:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise damaged(path, error) from None
    arrays = any(name.endswith(".npy") for name in names)
    return (npz if arrays else torch_zip).read(path)
