"""The sha256 of what a command reads and writes."""

import os
from hashlib import sha256

import pytest

from jaxvis.cli.checksums import hash_inputs, hash_outputs


def of(data):
    return sha256(data).hexdigest()


def test_inputs_are_hashed_by_the_paths_that_were_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.png").write_bytes(b"a")
    assert hash_inputs("deep/a.png", None, tmp_path / "deep/a.png") == {
        "deep/a.png": of(b"a"),
        str(tmp_path / "deep/a.png"): of(b"a"),
    }


def test_a_folder_is_the_sums_of_its_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/deep").mkdir(parents=True)
    for name in ("b.png", "deep/c.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
    (tmp_path / "photos/gone.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "photos/pipe.png")  # reading it would never end
    assert hash_inputs("photos") == {
        "photos": {
            "b.png": of(b"b.png"),
            "deep/c.jpg": of(b"deep/c.jpg"),
            "gone.png": None,
            "pipe.png": None,
        }
    }


def test_a_photograph_of_jaxvis_is_its_file_unless_there_is_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = hash_inputs("chelsea")["chelsea"]
    assert len(own) == 64 and own != hash_inputs("rocket")["rocket"]
    (tmp_path / "chelsea").write_bytes(b"mine")
    assert hash_inputs("chelsea") == {"chelsea": of(b"mine")}


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        hash_inputs(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="pipe.png is a pipe, socket or device"):
        hash_inputs(tmp_path / "pipe.png")


def test_outputs_are_hashed_by_their_names(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.png").write_bytes(b"a")
    assert hash_outputs(tmp_path, ["deep/a.png", "gone.png"]) == {"deep/a.png": of(b"a")}
