"""Lists inside HDF5 files that lead back to themselves are found before libhdf5 follows them."""

import struct

import h5py
import numpy as np
import pytest

from weights_convert.checkpoint import CheckpointError, DamageError
from weights_convert.readers import hdf5_lists
from weights_convert.readers.hdf5_lists import check_lists
from weights_convert.readers.keras_h5 import read


@pytest.fixture(params=[0, 512, 2048])
def file(tmp_path, request):
    """Returns a file of 60 layers, after as much text of others as MATLAB's files have."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", userblock_size=request.param) as found:
        for number in range(60):
            found[f"model_weights/layer{number}/kernel:0"] = np.ones((2, 2), np.float32)
    return path


def test_a_whole_file_has_no_circle(file):
    check_lists(file)
    assert len(read(file).tensors) == 60


def test_free_space_that_leads_back_to_itself_is_told(file):
    data = bytearray(file.read_bytes())
    at = data.find(b"HEAP")
    _, first, start = struct.unpack_from("<QQQ", data, at + 8)
    start += data.find(b"\x89HDF")
    struct.pack_into("<Q", data, start + first, first)
    file.write_bytes(data)
    with pytest.raises(DamageError, match="goes round in a circle"):
        read(file)


def test_nodes_that_lead_back_to_themselves_are_told(file):
    data = bytearray(file.read_bytes())
    at = data.find(b"TREE")
    struct.pack_into("<Q", data, at + 16, at - data.find(b"\x89HDF"))
    file.write_bytes(data)
    with pytest.raises(DamageError, match="goes round in a circle"):
        read(file)


def test_many_heaps_that_share_a_long_list_take_no_time(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_lists, "MAX_LINKS", 1000)
    links = b"".join(struct.pack("<QQ", 16 * (i + 1), 0) for i in range(500))
    heaps = struct.pack("<4sB3sQQQ", b"HEAP", 0, bytes(3), 8000, 0, 0) * 9
    (tmp_path / "bomb").write_bytes(links + heaps)
    with pytest.raises(CheckpointError, match="links of lists"):
        check_lists(tmp_path / "bomb")


def test_four_letters_by_chance_are_no_list(tmp_path):
    (tmp_path / "words").write_bytes(b"HEAPS of TREES " * 20)
    check_lists(tmp_path / "words")
