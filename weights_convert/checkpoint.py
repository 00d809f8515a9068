"""What a reader hands on: the tensors of a checkpoint, described but not yet read."""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from weights_convert.preprocessing import Preprocess

LIMIT = 1 << 26
"""Bytes: no description (header, pickle, JSON) of a checkpoint is longer than this."""

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)
"""What Python raises about damaged archives."""


@dataclass(frozen=True)
class Stored:
    """Returns one tensor when it is read; its shape is known before.

    Args:
      shape: its shape in the file's own layout.
      read: returns the array; may be called more than once.
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """Returns the content of one file.

    Args:
      naming: who names tensors like this: "torch", "caffe", "keras", "matconvnet" or
        "variables".
      tensors: name -> tensor; the last part of a name says which parameter it is.
      preprocess: what the file itself says of its input; None if it says nothing.
      labels: class labels by class index; () if the file has none.
    """

    naming: str
    tensors: dict[str, Stored]
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] = field(default=())


def stored(array: np.ndarray) -> Stored:
    """Returns an array that is in memory already as a tensor of a checkpoint.

    Args:
      array: of any shape and numeric type.
    """
    return Stored(array.shape, lambda: array)


def mapped(path: Path) -> np.ndarray:
    """Returns the bytes of a file, `[size]` uint8, mapped and not read.

    Args:
      path: the file.
    """
    return np.memmap(path, np.uint8, "r")


def unpack(code: str, data: np.ndarray, at: int, path: Path) -> tuple[int, ...]:
    """Returns the numbers that `struct` finds in `data` at byte `at`.

    Args:
      code: the format, as `struct` writes it.
      data: `[size]` uint8, the file.
      at: byte offset.
      path: the file's, for the error.

    Raises:
      ValueError: if the file ends before.
    """
    size = struct.calcsize(code)
    if at < 0 or at + size > len(data):
        raise truncated(path, at + size, len(data))
    return struct.unpack(code, data[at : at + size].tobytes())


def damaged(path: Path, error: Exception | str) -> ValueError:
    """Returns the error for a file that another program fails to read.

    Args:
      path: the file.
      error: what that program said.
    """
    return ValueError(f"{path} is truncated or damaged ({error}); fetch it again")


def truncated(path: Path, claimed: int, size: int) -> ValueError:
    """Returns the error for a file that says it is longer than it is.

    Args:
      path: the file.
      claimed: bytes that it says it has.
      size: bytes that it has.
    """
    return ValueError(
        f"{path} is truncated or damaged: it claims {claimed} bytes, the file has "
        f"{size}; fetch it again"
    )


def naming_of(names: Iterable[str], path: Path) -> str:
    """Returns who names tensors like this: "torch", "caffe", "keras" or "variables".

    "variables" is TensorFlow's Variable_0, Variable_1... in the order of their making.

    Args:
      names: the tensors' names.
      path: for the error.

    Raises:
      ValueError: if the names are none of theirs; quotes the first of them.
    """
    names = list(names)
    leaves = {re.split(r"[./]", name)[-1].split(":")[0] for name in names}
    if names and all(re.fullmatch(r"Variable_\d+", name) for name in names):
        return "variables"
    if leaves & {"kernel", "kernel_q"}:
        return "keras"
    if "weight" in leaves:
        return "caffe" if any("/" in name for name in names) else "torch"
    raise ValueError(
        f"{path}: no weights are recognised among its {len(names)} names "
        f"({', '.join(names[:5])}): they end in weight (torch, Caffe) or kernel (Keras)"
    )
