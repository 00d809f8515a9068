"""jaxvis rerun: what it says, and with which code it ends, whatever the record is like."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.output.io import read_image, write_image

TEXTURE = ("classical-texture", "x.png", "--window", 3, "--size", 6)


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """Runs in a folder with a photograph, with a cache of its own."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_image("x.png", np.random.default_rng(0).random((12, 12, 3)))
    return tmp_path


@pytest.fixture
def record(work, capsys):
    """Returns the record of a texture in the folder made."""
    assert run(*TEXTURE, "--out", "made") == 0
    capsys.readouterr()
    return Path("made/record.json")


def change(record, **changes):
    """Changes fields of a record; None removes one."""
    found = json.loads(record.read_text()) | changes
    found = {name: value for name, value in found.items() if value is not None}
    record.write_text(json.dumps(found))
    return found


def read(record):
    return json.loads(Path(record).read_text())


def test_the_same_command_makes_the_same_files(record, capsys):
    assert run("rerun", record) == 0
    assert "all 2 files are the same, byte for byte\n" in capsys.readouterr().out
    assert Path("jaxvis-rerun/x_0.png").read_bytes() == Path("made/x_0.png").read_bytes()
    assert run("rerun", record) == 0 and Path("jaxvis-rerun-2/record.json").exists()
    # What a rerun has made is itself a run.
    assert run("rerun", "jaxvis-rerun/record.json", "--out", "third") == 0
    first, third = read(record), read("third/record.json")
    assert first["files"] == third["files"] and first["inputs"] == third["inputs"]


def test_a_folder_that_holds_files_needs_overwrite(record, capsys):
    assert run("rerun", record, "--out", "made") == 2
    assert "already holds files" in capsys.readouterr().err
    assert run("rerun", record, "--out", "made", "--overwrite") == 0


def test_one_picture_is_one_file_again(capsys):
    assert run(*TEXTURE, "--out", "art.png") == 0
    assert run("rerun", "art.json", "--out", "new") == 0
    assert sorted(path.name for path in Path("new").iterdir()) == ["art.json", "art.png"]
    assert "the one file is the same, byte for byte" in capsys.readouterr().out


def test_a_photograph_that_has_changed_is_told_before_any_work(record, capsys):
    write_image("x.png", np.random.default_rng(1).random((12, 12, 3)))
    assert run("rerun", record) == 2
    error = capsys.readouterr().err
    assert "x.png has changed" in error and "--changed" in error
    assert len(error.strip().splitlines()) == 1 and not Path("jaxvis-rerun").exists()
    assert run("rerun", record, "--changed") == 1
    error = capsys.readouterr().err
    assert "2 of 2 files differ: x_0.png, contact.png" in error
    assert "inputs x.png: " in error and "although nothing else" not in error


def test_a_photograph_that_is_elsewhere_is_told_before_any_work(record, monkeypatch, capsys):
    monkeypatch.chdir("made")
    assert run("rerun", "record.json") == 2
    error = capsys.readouterr().err
    assert "x.png is not here" in error and "in the folder where the command ran" in error
    assert run("rerun", "record.json", "--changed") == 2
    assert "No such file" in capsys.readouterr().err


def test_files_that_differ_for_no_known_reason_are_an_error(record, capsys):
    change(record, files={**read(record)["files"], "x_0.png": "00"})
    assert run("rerun", record) == 1
    error = capsys.readouterr().err
    assert "1 of 2 files differ: x_0.png" in error and "although nothing else" in error


def test_what_can_explain_other_files_is_listed(record, capsys):
    found = read(record)
    versions, device = {**found["versions"], "jax": "0.1"}, {**found["device"], "count": 99}
    change(record, files={"x_0.png": "00"}, versions=versions, device=device)
    assert run("rerun", record) == 1
    error = capsys.readouterr().err
    assert "2 of 2 files differ: x_0.png, contact.png" in error  # one was not there then
    assert "versions jax: 0.1 then, " in error and "device count: 99 then, 1 now" in error
    # Other versions are no mistake where the files are the same.
    change(record, files=found["files"])
    assert run("rerun", record) == 0


def test_a_record_of_before_is_compared_with_the_files_beside_it(record, capsys):
    change(record, files=None, inputs=None, chunk=None)
    assert run("rerun", record) == 0
    said = capsys.readouterr()
    assert "all 2 files are the same" in said.out and "keeps no sha256 of its inputs" in said.err
    Path("made/contact.png").unlink()
    assert run("rerun", record) == 0
    said = capsys.readouterr()
    assert "the one file is the same" in said.out
    assert "could not be compared: contact.png" in said.err
    Path("made/x_0.png").write_bytes(b"other")
    assert run("rerun", record) == 1
    record.rename("alone.json")
    assert run("rerun", "alone.json") == 0
    said = capsys.readouterr()
    assert "no file could be compared" in said.out and "x_0.png, contact.png" in said.err


def test_a_renamed_record_finds_its_files(record, capsys):
    assert run("rerun", record.rename("copy.json")) == 0
    assert "all 2 files are the same" in capsys.readouterr().out


def test_of_an_interrupted_run_the_finished_pictures_are_compared(record, capsys):
    (picture,) = read(record)["pictures"]
    change(record, interrupted=True, files={"x_0.png": read(record)["files"]["x_0.png"]})
    assert run("rerun", record) == 0
    said = capsys.readouterr()
    assert "only what was finished is compared" in said.err and "the one file is" in said.out
    change(record, pictures=[{**picture, "status": "unfinished"}])
    assert run("rerun", record, "--out", "new") == 2
    assert "finish it with --resume first" in capsys.readouterr().err
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, "has schema 99"),
        ({"schema": None}, "is not a record"),
        ({"command": None}, "names no command"),
        ({"command": "paint"}, "no command 'paint'"),
        ({"command": "convert"}, "no command 'convert' that writes records"),
        ({"command": 5}, "its command is no str"),
        ({"arguments": [1]}, "its arguments is no dict"),
        ({"arguments": {"glitter": 1}}, "has no --glitter of that command"),
        ({"arguments": {}}, "lacks image"),
        ({"arguments": {"image": "x.png", "window": "wide"}}, "--window is 'wide', which is no"),
        ({"arguments": {"image": "x.png", "bits": 9}}, "--bits is 9"),
        ({"arguments": {"image": "x.png", "window": 4}}, "window is odd"),
        ({"pictures": "none"}, "its pictures is no list"),
        ({"pictures": [5]}, "its pictures are not described"),
        ({"network": {"name": 1, "weights": 2, "sha256": 3}}, "2 are not here"),
        ({"inputs": {"\0": 1, "/dev/zero": 2}}, "/dev/zero cannot be read"),
    ],
)
def test_a_record_that_cannot_be_used_is_one_line(record, changes, message, capsys):
    change(record, **changes)
    assert run("rerun", record) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not list(Path().glob("jaxvis-rerun/*"))


@pytest.mark.parametrize("content", ["", "{", '["a"]', "\x00"])
def test_a_file_that_is_no_record_is_one_line(content, capsys):
    Path("bad.json").write_text(content)
    assert run("rerun", "bad.json") == 2
    assert "is not a record" in capsys.readouterr().err
    assert run("rerun", "gone.json") == 2
    assert "gone.json" in capsys.readouterr().err


def test_ctrl_c_ends_a_rerun_without_a_comparison(record, monkeypatch, capsys):
    from jaxvis.methods.classical_texture import efros_leung

    def press(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(efros_leung, "_fill_round", press)
    assert run("rerun", record) == 130
    assert "byte for byte" not in capsys.readouterr().out


def test_the_files_of_a_record_are_those_of_its_folder(record):
    from hashlib import sha256

    found = read(record)
    assert found["files"] == {
        name: sha256(Path("made", name).read_bytes()).hexdigest()
        for name in ("x_0.png", "contact.png")
    }
    assert found["inputs"] == {"x.png": sha256(Path("x.png").read_bytes()).hexdigest()}
    assert found["options"] == {"window": 3, "tolerance": 0.1, "tileable": False}
    assert read_image("made/x_0.png").shape == (6, 6, 3)
