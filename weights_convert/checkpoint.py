"""What a reader hands on: the tensors of a checkpoint, described but not yet read."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from weights_convert.preprocessing import Preprocess


class CheckpointError(ValueError):
    """The one error of the readers: a file that is not read as a checkpoint.

    Its text continues a sentence that begins with the path of the file, which
    `weights_convert.readers.detect.read` puts in front.
    """


class DamageError(CheckpointError):
    """The file is cut off, or was changed.

    Args:
      what: what was found in it.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"is truncated or damaged: {what}; fetch it again")


class Refusal(CheckpointError):
    """The file asks for something that tensors do not need; nothing of it was done."""


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file: its shape is known, its numbers are read when asked for.

    Args:
      shape: its shape in the file's own layout.
      read: returns the array; may be called more than once.
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """The content of one file.

    Args:
      naming: who names tensors like this: "torch", "caffe", "keras", "matconvnet" or
        "variables".
      tensors: name -> tensor; the last part of a name says which parameter it is.
      preprocess: what the file itself says of its input; None if it says nothing.
      labels: class labels by class index; () if the file has none.
      foreign: name -> what another program would have made there, which is not read.
      files: the files that it was read from, if a folder was named.
      architecture: what it calls its network; "" if it does not say.
    """

    naming: str
    tensors: dict[str, StoredTensor]
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] = ()
    foreign: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    architecture: str = ""

    def with_tensors(self, tensors: dict[str, StoredTensor]) -> "Checkpoint":
        """Returns the same checkpoint with other tensors.

        Args:
          tensors: name -> tensor.
        """
        return replace(self, tensors=tensors)
