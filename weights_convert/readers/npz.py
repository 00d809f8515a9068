"""NumPy .npz with Caffe names (`conv1/weight`), Keras names or torch names.

A quantised Keras kernel is a pair: `fc1/kernel_q` (uint8) and `fc1/kernel_scale_min`
(scale and minimum); kernel = kernel_q * scale + minimum.
"""

import warnings
import zipfile
import zlib
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from jaxvis.escape import describe_shape, escape
from weights_convert.checkpoint import Checkpoint, CheckpointError, DamageError, StoredTensor
from weights_convert.names.naming import naming_of
from weights_convert.readers.archive import open_archive

RATIO = 1100
"""Deflate cannot make a file smaller than about its 1032nd part."""
MAX_SIZE = 1 << 63
"""Numbers along an axis; a header may state any, of thousands of digits."""
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(path: Path) -> Checkpoint:
    """Returns the arrays of an .npz file; each is read when it is asked for.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it is damaged, holds Python objects, or claims more than it has.
    """
    size = path.stat().st_size
    with open_archive(path) as archive:
        tensors = {
            entry.filename.removesuffix(".npy"): _describe(path, size, archive, entry)
            for entry in archive.infolist()
        }
    return Checkpoint(naming_of(tensors), _join_quantized(tensors))


def _describe(
    path: Path, size: int, archive: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> StoredTensor:
    name = escape(entry.filename)
    with archive.open(entry) as raw:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of headers that Python 2 wrote
                shape, _, dtype = HEADERS[np.lib.format.read_magic(raw)](raw)
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise
        except Exception as error:  # NumPy parses the header as Python, which raises anything
            raise CheckpointError(f"has an entry {name} that is not an array") from error
        start = raw.tell()
    if dtype.hasobject:
        raise CheckpointError(f"holds Python objects in {name}, which may run code: refused")
    if not all(0 <= n < MAX_SIZE for n in shape):
        raise DamageError(f"{name} has no sensible shape")
    claimed = start + prod(shape) * dtype.itemsize
    end = entry.header_offset + entry.compress_size
    possible = claimed <= RATIO * (entry.compress_size + 1)
    if claimed != entry.file_size or not possible or end > size:
        raise DamageError(
            f"{name} claims {claimed} bytes {describe_shape(shape)}, the file has others "
            f"({entry.compress_size} compressed)"
        )
    return StoredTensor(tuple(shape), partial(_read_array, path, entry.filename))


def _read_array(path: Path, name: str) -> np.ndarray:
    with open_archive(path) as archive, archive.open(name) as raw, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.lib.format.read_array(raw, allow_pickle=False)


def _join_quantized(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    out = {}
    for name, tensor in tensors.items():
        pair = tensors.get(name.removesuffix("_q") + "_scale_min")
        if name.endswith("_q") and pair is not None and pair.shape == (2,):
            read = partial(_dequantize, tensor, pair)
            out[name.removesuffix("_q")] = StoredTensor(tensor.shape, read)
        elif not name.endswith("_scale_min"):
            out[name] = tensor
    return out


def _dequantize(tensor: StoredTensor, pair: StoredTensor) -> np.ndarray:
    scale, minimum = pair.read().astype(np.float32)
    kernel = tensor.read().astype(np.float32)
    kernel *= scale
    kernel += minimum
    return kernel
