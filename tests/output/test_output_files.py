"""Atomic writing: the old file or the new one, whatever happens between."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load

from jaxvis.output.files import encode_safetensors, read_regular_file, write_atomically


def test_write_atomically_replaces_the_whole_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    write_atomically(path, b"long old content")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError(1)])
def test_write_atomically_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_write_atomically_names_the_file_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "none" / "a.bin"
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(path, b"")
    assert caught.value.filename == str(path)


def test_read_regular_file_reads_a_file_and_a_link_to_it(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "a.bin")
    assert read_regular_file(tmp_path / "a.bin") == b"content"
    assert read_regular_file(tmp_path / "link") == b"content"
    with pytest.raises(IsADirectoryError):
        read_regular_file(tmp_path)


ARRAYS = {
    "b/kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "a": np.array(7, np.int64),
    "ü": np.zeros((0, 2), np.uint8),
}


def test_encode_safetensors_is_read_back_and_sorts_its_metadata():
    names = [f"name {i}" for i in range(20)]
    data = encode_safetensors(ARRAYS, {name: '"ü"' for name in reversed(names)})
    back = load(data)
    assert set(back) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    assert list(metadata) == sorted(names) and set(metadata.values()) == {'"ü"'}
    assert length % 8 == 0


def test_encode_safetensors_gives_the_same_bytes_for_the_same_content():
    # Unsorted, twenty entries would agree by chance once in 20! tries.
    metadata = {f"name {i}": str(i) for i in range(20)}
    files = {encode_safetensors(ARRAYS, metadata) for _ in range(5)}
    assert len(files) == 1
