"""Which reader opens a file: its first bytes tell; its name decides only where they do not.

Whatever goes wrong in a reader, or in a library that it uses, becomes one kind of error
that names the file. Damaged files make libraries raise errors of every kind.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxvis.escape import escape, escape_path
from jaxvis.weights.tensor_file import TensorFileError, check_regular
from weights_convert.checkpoint import Checkpoint, CheckpointError, DamageError, StoredTensor
from weights_convert.readers import (
    caffemodel,
    hf_folder,
    keras_h5,
    keras_zip,
    matconvnet,
    npz,
    safetensors_file,
    torch_stream,
    torch_zip,
)
from weights_convert.readers.archive import open_archive

FORMATS = ".pth, .pt, .ckpt, .bin, .safetensors, .npz, .h5, .keras, .caffemodel, .mat"
STARTS: dict[bytes, Callable[[Path], Checkpoint]] = {
    **{bytes([0x80, protocol]): torch_stream.read for protocol in range(6)},
    b"\x89HDF\r\n": keras_h5.read,
    b"MATLAB ": matconvnet.read,
}
SUFFIXES: dict[str, Callable[[Path], Checkpoint]] = {
    ".caffemodel": caffemodel.read,
    **dict.fromkeys((".pth", ".pt", ".ckpt", ".pkl", ".bin", ".tar"), torch_stream.read),
}
NOT_WEIGHTS = {
    b"<": "a web page or XML, not a checkpoint: the download went wrong",
    b"version https://git-lfs": "a Git LFS pointer, not the file: run `git lfs pull`",
}


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a checkpoint in any of the known formats.

    Args:
      path: the file, or a folder as Hugging Face's programs write it.

    Raises:
      FileNotFoundError: if it does not exist.
      OSError: if it cannot be opened.
      CheckpointError: if it is no regular file, empty, damaged, refused, or of no known
        format, or half a folder. The tensors raise it too when they are read.
    """
    if path.is_dir():
        return _read_folder(path)
    with _name_file(path, passing=(OSError,)):
        check_regular(path)
        with path.open("rb") as file:
            start = file.read(64)
    with _name_file(path):
        checkpoint = _find_reader(path, start)(path)
    tensors = {
        name: StoredTensor(tensor.shape, partial(_read_tensor, path, name, tensor))
        for name, tensor in checkpoint.tensors.items()
    }
    return checkpoint.with_tensors(tensors)


def _read_folder(path: Path) -> Checkpoint:
    """Returns the tensors of all files of a folder, and what the folder says of them."""
    with _name_file(path, passing=(OSError,)):
        folder = hf_folder.read(path)
    parts = [read(file) for file in folder.files]
    tensors = {name: tensor for part in parts for name, tensor in part.tensors.items()}
    foreign = {name: maker for part in parts for name, maker in part.foreign.items()}
    return Checkpoint(
        parts[0].naming,
        tensors,
        folder.preprocess,
        folder.labels,
        foreign,
        folder.files,
        folder.architecture,
    )


def _find_reader(path: Path, start: bytes) -> Callable[[Path], Checkpoint]:
    if start[5:9] == b"\0\0\0{":  # first: the length before it may look like any other sign
        return safetensors_file.read
    for sign, what in NOT_WEIGHTS.items():
        if start.startswith(sign):
            raise CheckpointError(f"is {what}")
    if start.startswith(b"PK"):
        with open_archive(path) as archive:
            names = archive.namelist()
        if keras_zip.WEIGHTS in names:
            return keras_zip.read
        return npz.read if any(name.endswith(".npy") for name in names) else torch_zip.read
    for sign, reader in STARTS.items():
        if start.startswith(sign):
            return reader
    if start[8:9] == b"{":
        return safetensors_file.read
    if path.suffix in SUFFIXES:
        return SUFFIXES[path.suffix]
    raise CheckpointError(f"is of no format that is read here: {FORMATS}")


@contextlib.contextmanager
def _name_file(path: Path, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns what is raised inside into a `CheckpointError` that names the file."""
    try:
        yield
    except passing:
        raise
    except CheckpointError as error:
        error.args = (f"{escape_path(path)} {error}",)
        raise
    except TensorFileError as error:
        raise CheckpointError(str(error)) from error
    except Exception as error:
        damage = DamageError(f"{type(error).__name__}, {escape(str(error))}")
        damage.args = (f"{escape_path(path)} {damage}",)
        raise damage from error


def _read_tensor(path: Path, name: str, tensor: StoredTensor) -> np.ndarray:
    # Its shape is known to be the network's, so a lack of memory is no fault of the file.
    with _name_file(path, passing=(MemoryError,)):
        array = np.asarray(tensor.read())
        if array.dtype.kind not in "biuf" and array.dtype != jnp.bfloat16:
            held = escape(str(array.dtype))
            raise CheckpointError(f"has {held} in {escape(name)}, not real numbers")
        if array.shape != tensor.shape:
            raise DamageError(f"{escape(name)} has another shape than it says")
    return array
