"""Bounds for what a file may claim, so that no file takes minutes or gigabytes to open."""

import struct
from pathlib import Path

import numpy as np

from weights_convert.checkpoint import CheckpointError, DamageError

MAX_DESCRIPTION = 1 << 23
"""Bytes: no description (header, pickle, list of names) of a checkpoint is longer."""
MAX_PARTS = 10_000
"""Parts that a file may consist of: layers, fields, cells; the networks here have hundreds."""
MAX_AXES = 64
"""Axes of an array; the product of many sizes takes long to compute."""
MAX_MEAN = 1 << 24
"""Numbers of the largest mean image."""


class Budget:
    """Counts the parts of a file while it is read, and stops at a bound.

    Args:
      most: how many parts are read at most.
      what: the word for them in the error.
    """

    def __init__(self, most: int = MAX_PARTS, what: str = "parts") -> None:
        self.most = self.left = most
        self.what = what

    def spend(self, parts: int) -> None:
        """Counts `parts` more.

        Args:
          parts: how many.

        Raises:
          CheckpointError: if they are more than a network has.
        """
        self.left -= parts
        if self.left < 0:
            raise CheckpointError(f"has more than {self.most} {self.what}: it is no network")


def map_file(path: Path) -> np.ndarray:
    """Returns the bytes of a file, `[size]` uint8, mapped and not read.

    Args:
      path: the file.
    """
    return np.memmap(path, np.uint8, "r")


def unpack(code: str, data: np.ndarray, at: int) -> tuple[int, ...]:
    """Returns the numbers that `struct` finds in `data` at byte `at`.

    Args:
      code: the format, as `struct` writes it.
      data: `[size]` uint8, the file.
      at: byte offset.

    Raises:
      DamageError: if the file ends before.
    """
    end = at + struct.calcsize(code)
    check_end(end, len(data))
    return struct.unpack(code, data[at:end].tobytes())


def check_end(claimed: int, size: int) -> None:
    """Raises an error if a file claims to be longer than it is.

    Args:
      claimed: bytes that it says it has.
      size: bytes that it has.

    Raises:
      DamageError: if it has fewer.
    """
    if claimed > size:
        raise DamageError(f"it claims {claimed} bytes, the file has {size}")


def check_axes(count: int) -> None:
    """Raises an error if an array has more axes than any has.

    Args:
      count: how many it has.

    Raises:
      DamageError: if they are too many.
    """
    if count > MAX_AXES:
        raise DamageError(f"an array of {count} axes")
