"""Atomic writing: the old file or the new one, whatever happens between."""

import os

import pytest

from jaxvis.output.files import read_regular_file, write_atomically


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
