"""Files of tensors: their hash, and the bytes that the same content gives."""

import hashlib
import json

import numpy as np
from safetensors.numpy import load

from jaxvis.weights import tensor_file
from jaxvis.weights.tensor_file import hash_file, open_tensors, write_tensors


def test_hash_file_is_the_hash_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    wanted = hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert hash_file(tmp_path / "a") == wanted


ARRAYS = {
    "b/kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "a": np.array(7, np.int64),
    "ü": np.zeros((0, 2), np.uint8),
}


def test_tensors_are_read_back_and_their_metadata_is_sorted(tmp_path):
    names = [f"name {i}" for i in range(20)]
    write_tensors(tmp_path / "a", ARRAYS, metadata={name: '"ü"' for name in reversed(names)})
    data = (tmp_path / "a").read_bytes()
    back = load(data)
    assert set(back) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    assert list(metadata) == sorted(names) and set(metadata.values()) == {'"ü"'}
    assert length % 8 == 0


def test_the_same_tensors_give_the_same_bytes(tmp_path):
    # Unsorted, twenty entries would agree by chance once in 20! tries.
    metadata = {f"name {i}": str(i) for i in range(20)}
    files = set()
    for name in "abcde":
        write_tensors(tmp_path / name, ARRAYS, metadata=metadata)
        files.add((tmp_path / name).read_bytes())
    assert len(files) == 1


def test_a_file_that_is_replaced_while_it_is_opened_is_read_whole(tmp_path, monkeypatch):
    path, check = tmp_path / "a.safetensors", tensor_file.check_regular
    write_tensors(path, {"x": np.zeros(3, np.float32)}, metadata={})

    def replace_after(path):
        size = check(path)
        write_tensors(path, {"x": np.arange(999, dtype=np.float32)}, metadata={})
        return size

    monkeypatch.setattr(tensor_file, "check_regular", replace_after)
    with open_tensors(path) as file:
        np.testing.assert_array_equal(file.read("x"), np.arange(999))
