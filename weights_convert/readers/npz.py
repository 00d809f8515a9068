"""NumPy .npz with Caffe names (`conv1/weight`), Keras names or torch names.

A quantised Keras kernel is a pair: `fc1/kernel_q` (uint8) and `fc1/kernel_scale_min`
(scale and minimum); kernel = kernel_q * scale + minimum.
"""

import zipfile
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from weights_convert.checkpoint import DAMAGE, Checkpoint, Stored, damaged, naming_of

RATIO = 1100
"""Deflate cannot make a file smaller than about its 1032nd part."""
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(path: Path) -> Checkpoint:
    """Returns the arrays of an .npz file; each is read when it is asked for.

    Args:
      path: the file.

    Raises:
      ValueError: if it is damaged, holds Python objects, or claims more than it has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            tensors = {
                member.filename.removesuffix(".npy"): _stored(path, archive, member)
                for member in members
            }
    except DAMAGE as error:
        raise damaged(path, error) from None
    return Checkpoint(naming_of(tensors, path), _dequantised(tensors))


def _stored(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Stored:
    name = member.filename
    with archive.open(member) as raw:
        try:
            header = HEADERS[np.lib.format.read_magic(raw)]
            shape, _, dtype = header(raw)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}: {name} is not an array ({error})") from None
        start = raw.tell()
    if dtype.hasobject:
        raise ValueError(f"{path}: {name} holds Python objects, which may run code; refused")
    claimed = start + prod(shape) * dtype.itemsize
    end = member.header_offset + member.compress_size
    possible = claimed <= RATIO * (member.compress_size + 1)
    if claimed != member.file_size or not possible or end > path.stat().st_size:
        raise ValueError(
            f"{path} is truncated or damaged: {name} claims {claimed} bytes "
            f"{tuple(shape)}, the file has other ({member.compress_size} compressed)"
        )
    return Stored(tuple(shape), partial(_array, path, name))


def _array(path: Path, name: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as raw:
            return np.lib.format.read_array(raw, allow_pickle=False)
    except (*DAMAGE, ValueError) as error:
        raise damaged(path, error) from None


def _dequantised(tensors: dict[str, Stored]) -> dict[str, Stored]:
    out = {}
    for name, tensor in tensors.items():
        pair = tensors.get(name.removesuffix("_q") + "_scale_min")
        if name.endswith("_q") and pair is not None and pair.shape == (2,):
            out[name.removesuffix("_q")] = Stored(tensor.shape, partial(_dequantise, tensor, pair))
        elif not name.endswith("_scale_min"):
            out[name] = tensor
    return out


def _dequantise(tensor: Stored, pair: Stored) -> np.ndarray:
    scale, minimum = pair.read().astype(np.float32)
    kernel = tensor.read().astype(np.float32)
    kernel *= scale
    kernel += minimum
    return kernel
