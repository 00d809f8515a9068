"""safetensors with torchvision's, timm's, Caffe's or Keras' names."""

from functools import partial
from pathlib import Path

import numpy as np

from jaxvis.weights import file as weights_file
from weights_convert.checkpoint import Checkpoint, Stored, naming_of


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a .safetensors file; each is read when it is asked for.

    Args:
      path: the file.

    Raises:
      ValueError: if it is damaged, or a converted file already.
    """
    with weights_file.opened(path) as file:
        if "net" in (file.metadata() or {}):
            raise ValueError(f"{path} is converted already: load it as it is")
        shapes = {name: weights_file.shape_of(file, name) for name in file.keys()}
    tensors = {name: Stored(shape, partial(_array, path, name)) for name, shape in shapes.items()}
    return Checkpoint(naming_of(tensors, path), tensors)


def _array(path: Path, name: str) -> np.ndarray:
    with weights_file.opened(path) as file:
        return file.get_tensor(name)
