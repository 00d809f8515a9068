"""safetensors with torchvision's, timm's, Caffe's or Keras' names."""

from functools import partial
from pathlib import Path

import numpy as np

from jaxvis.weights.tensor_file import open_tensors
from weights_convert.checkpoint import Checkpoint, CheckpointError, StoredTensor
from weights_convert.names.naming import naming_of


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a .safetensors file; each is read when it is asked for.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it is a converted file already.
      TensorFileError: if it is damaged.
    """
    with open_tensors(path) as file:
        if "net" in file.metadata:
            raise CheckpointError("is converted already: load it as it is")
        shapes = {name: file.shape_of(name) for name in file.names}
    tensors = {
        name: StoredTensor(shape, partial(_read_array, path, name))
        for name, shape in shapes.items()
    }
    return Checkpoint(naming_of(tensors), tensors)


def _read_array(path: Path, name: str) -> np.ndarray:
    with open_tensors(path) as file:
        return file.read(name)
