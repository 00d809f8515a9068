"""Where a command's pictures go, and with which words and code it ends."""

import json

import numpy as np
import pytest

from jaxvis.cli.flags import OutputFlags
from jaxvis.cli.saving import (
    Output,
    end_command,
    new_folder,
    open_output,
    run_or_interrupt,
    save_run,
)
from jaxvis.output.io import read_image
from jaxvis.output.record import read_record
from jaxvis.types import Interrupted, Run, Status


def test_new_folder_takes_the_next_free_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [new_folder(None, "weights get").name for _ in range(3)]
    assert names == [
        "jaxvis-weights-get",
        "jaxvis-weights-get-2",
        "jaxvis-weights-get-3",
    ]


def test_new_folder_makes_parents_and_takes_an_empty_folder(tmp_path):
    out = tmp_path / "a" / "b"
    assert new_folder(out, "x") == out and out.is_dir()
    assert new_folder(out, "x") == out


def test_new_folder_never_writes_over_files_unless_told(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(ValueError, match="already holds files.*--overwrite"):
        new_folder(tmp_path, "x")
    assert new_folder(tmp_path, "x", overwrite=True) == tmp_path
    assert (tmp_path / "keep.txt").read_text() == "mine"
    with pytest.raises(ValueError, match="is a file"):
        new_folder(tmp_path / "keep.txt", "x", overwrite=True)


def a_run() -> Run:
    image = np.random.default_rng(0).random((3, 2, 8, 8, 3), np.float32)
    image[1, 1, 0, 0, 0] = np.nan
    status = np.array(
        [
            [Status.DONE, Status.DONE],
            [Status.DONE, Status.FAILED],
            [Status.UNFINISHED, Status.DONE],
        ],
        np.int8,
    )
    return Run((), image, {"loss": np.ones((3, 2, 5))}, status, {})


def test_save_run_writes_pictures_sheet_and_record(tmp_path):
    run, items = a_run(), [{"class": n, "top1": [True, n < 5]} for n in (4, 5, 6)]
    pictures = save_run(
        Output(tmp_path, bits=16),
        run,
        ["a", "b", "c"],
        items=items,
        command="maximize",
        arguments={"net": "demo"},
        net="demo",
        steps=5,
    )
    files = ["a_0.png", "a_1.png", "b_0.png", None, "c_0.png", "c_1.png"]
    assert [picture["file"] for picture in pictures] == files
    written = {"contact.png", "record.json", *filter(None, files)}
    assert {path.name for path in tmp_path.iterdir()} == written
    back = read_image(tmp_path / "c_1.png")
    np.testing.assert_allclose(back, run.image[2, 1], atol=1e-5)
    found = read_record(tmp_path / "record.json")
    assert found["pictures"] == pictures and found["steps"] == 5
    words = [picture["status"] for picture in pictures]
    assert words == ["done", "done", "done", "failed", "unfinished", "done"]
    assert pictures[5] == {
        "file": "c_1.png",
        "name": "c",
        "seed": 1,
        "status": "done",
        "class": 6,
        "top1": False,
    }


def test_save_run_leaves_files_alone_that_are_already_written(tmp_path):
    (tmp_path / "a_0.png").write_bytes(b"earlier")
    options = {"command": "sweep", "arguments": {}}
    save_run(Output(tmp_path), a_run(), ["a", "b", "c"], saved={"a_0.png"}, **options)
    assert (tmp_path / "a_0.png").read_bytes() == b"earlier"
    assert (tmp_path / "a_1.png").stat().st_size > 7


def test_save_run_refuses_names_that_would_overwrite_each_other(tmp_path):
    with pytest.raises(ValueError, match="names of their own, not a, b, a"):
        save_run(Output(tmp_path), a_run(), ["a", "b", "a"], command="x", arguments={})
    assert not list(tmp_path.iterdir())


def test_save_run_without_seeds_and_with_a_photograph_first(tmp_path):
    image, status = np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, np.int8)
    run = Run((), image, {"loss": np.ones((2, 5))}, status, {})
    photo = np.ones((8, 8, 3), np.float32)
    pictures = save_run(
        Output(tmp_path),
        run,
        ["x", "y"],
        first=[("photo", photo)],
        prefix="relu1_1_",
        command="invert",
        arguments={},
    )
    assert [picture["file"] for picture in pictures] == [
        "relu1_1_x.png",
        "relu1_1_y.png",
    ]
    sheet = read_image(tmp_path / "relu1_1_contact.png")
    np.testing.assert_array_equal(sheet[8:16, 8:16], 1)
    np.testing.assert_array_equal(sheet[8:16, 24:32], 0)
    assert json.loads((tmp_path / "relu1_1_record.json").read_text())["schema"] == 1


def one_picture(status=Status.DONE):
    image = np.full((1, 1, 8, 8, 3), 0.5, np.float32)
    return Run((), image, {"loss": np.ones((1, 1, 5))}, np.full((1, 1), status, np.int8), {})


def test_out_may_name_the_one_picture_that_a_command_makes(tmp_path):
    file = tmp_path / "new" / "art.png"
    output = open_output(OutputFlags(out=file), "maximize", count=1)
    pictures = save_run(output, one_picture(), ["a"], command="maximize", arguments={})
    assert sorted(path.name for path in file.parent.iterdir()) == ["art.json", "art.png"]
    assert pictures[0]["file"] == "art.png" and end_command(output, pictures) == 0
    with pytest.raises(ValueError, match="art.png is there already.*--overwrite"):
        open_output(OutputFlags(out=file), "maximize", count=1)
    assert open_output(OutputFlags(out=file, overwrite=True), "x", count=1).file == file


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.webp", "a.tif", "a.tiff", "a.bmp"])
def test_the_ending_of_the_one_picture_chooses_its_format(tmp_path, name):
    output = open_output(OutputFlags(out=tmp_path / name), "maximize", count=1)
    pictures = save_run(output, one_picture(), ["a"], command="maximize", arguments={})
    assert {path.name for path in tmp_path.iterdir()} == {name, "a.json"}
    assert pictures[0]["file"] == name
    np.testing.assert_allclose(read_image(tmp_path / name), 0.5, atol=0.01)
    found = read_record(tmp_path / "a.json")
    assert list(found["files"]) == [name] == list(found["formats"])
    assert found["formats"][name].split(",")[0].upper().startswith(name[2:4].upper())


def test_two_pictures_never_share_a_record(tmp_path):
    (tmp_path / "art.json").write_text("{}")
    with pytest.raises(ValueError, match=r"art\.json, where .* art\.webp goes, is there"):
        open_output(OutputFlags(out=tmp_path / "art.webp"), "x", count=1)
    assert open_output(OutputFlags(out=tmp_path / "art.webp", overwrite=True), "x", count=1).file


@pytest.mark.parametrize("ending", ["gif", "pdf", "SVG", "avif", "json"])
@pytest.mark.parametrize("count", [1, None])
def test_other_endings_are_refused_with_those_that_are_written(tmp_path, ending, count):
    with pytest.raises(ValueError, match=rf"ends in \.png, \.jpg.*not \.{ending}: name another"):
        open_output(OutputFlags(out=tmp_path / f"art.{ending}"), "x", count=count)
    assert not any(tmp_path.iterdir())


def test_a_folder_may_have_a_dot_in_its_name(tmp_path):
    assert open_output(OutputFlags(out=tmp_path / "run.v2"), "x", count=1).file is None
    (tmp_path / "old.gif").mkdir()
    assert open_output(OutputFlags(out=tmp_path / "old.gif"), "x").folder == tmp_path / "old.gif"


def test_16_bits_are_for_png_alone_and_said_before_any_work(tmp_path):
    with pytest.raises(ValueError, match=r"a\.jpg: bits is 8, or 16 for PNG files"):
        open_output(OutputFlags(out=tmp_path / "a.jpg", bits=16), "x", count=1)
    assert open_output(OutputFlags(out=tmp_path / "a.png", bits=16), "x", count=1).bits == 16


@pytest.mark.parametrize("count", [2, None])
def test_several_pictures_want_a_folder(tmp_path, count):
    with pytest.raises(ValueError, match="art.png is one picture and x makes"):
        open_output(OutputFlags(out=tmp_path / "art.png"), "x", count=count)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (Status.DONE, 0, ""),
        (Status.CONVERGED, 0, ""),
        (Status.STALLED, 0, ""),
        (Status.FAILED, 1, "1 of 1 failed"),
        (Status.DEAD, 1, "1 of 1 dead: no gradient ever reached the canvas"),
        (Status.UNFINISHED, 1, "1 of 1 not finished"),
    ],
)
def test_the_exit_code_tells_how_pictures_ended(tmp_path, capsys, status, code, words):
    run = one_picture(status)
    pictures = save_run(Output(tmp_path), run, ["a"], command="x", arguments={})
    assert end_command(Output(tmp_path), pictures) == code
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}: 1 picture, contact sheet, record\n"
    assert said.err.startswith(words) and bool(said.err) == bool(words)
    assert end_command(Output(tmp_path), pictures, interrupted=True) == 130
    assert read_record(tmp_path / "record.json")["status"] == [[status.name.lower()]]


def test_the_number_of_pictures_is_that_of_the_files(tmp_path, capsys):
    pictures = save_run(Output(tmp_path), a_run(), list("abc"), command="x", arguments={})
    assert end_command(tmp_path, pictures) == 1
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}: 5 pictures of 6, contact sheet, record\n"
    assert "1 of 6 failed" in said.err and "1 of 6 not finished" in said.err


def test_an_interrupted_method_gives_what_it_has():
    def stop(run):
        raise Interrupted(run)

    run = one_picture(Status.UNFINISHED)
    assert run_or_interrupt(lambda: run) == (run, False)
    assert run_or_interrupt(lambda: stop(run)) == (run, True)
    with pytest.raises(KeyboardInterrupt):
        run_or_interrupt(lambda: stop(None))
