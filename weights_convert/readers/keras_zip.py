"""Keras 3's .keras: an archive with `config.json` and the weights in HDF5, stored as they are."""

import zipfile
import zlib
from pathlib import Path

from weights_convert.checkpoint import Checkpoint, CheckpointError, DamageError
from weights_convert.readers import hdf5, keras_h5
from weights_convert.readers.archive import locate_entry, open_archive
from weights_convert.readers.bounds import map_file
from weights_convert.readers.hdf5_lists import check_lists

WEIGHTS = "model.weights.h5"


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a .keras file; each is read when it is asked for.

    Args:
      path: the file.

    Raises:
      DamageError: if it is damaged.
      CheckpointError: if it is compressed, or h5py is not installed.
    """
    with open_archive(path) as archive:
        entry = archive.getinfo(WEIGHTS)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(f"has {WEIGHTS} compressed, which Keras never does; save it again")
    start = locate_entry(path, entry)
    if zlib.crc32(map_file(path)[start : start + entry.file_size].data) != entry.CRC:
        raise DamageError(f"the checksum of {WEIGHTS} is wrong")
    check_lists(path, base=start)
    return keras_h5.read_tensors(hdf5.Region(path, start, entry.file_size))
