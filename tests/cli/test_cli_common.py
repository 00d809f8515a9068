"""What commands share: their words, their network, their folder, their run."""

import hashlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvis.cli.common import (
    new_folder,
    open_net,
    parse_indices,
    parse_size,
    save_run,
    slug,
    summary,
)
from jaxvis.output.io import read_image
from jaxvis.output.record import read_record
from jaxvis.types import Run, Status
from jaxvis.weights import load as weights


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3", (3,)),
        ("0:4", (0, 1, 2, 3)),
        ("1,5,9:12", (1, 5, 9, 10, 11)),
        ("9:12, 1", (9, 10, 11, 1)),
        ("0:10:4", (0, 4, 8)),
        (":3", (0, 1, 2)),
    ],
)
def test_parse_indices_reads_numbers_and_ranges_in_order(text, wanted):
    assert parse_indices(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [(":", 5), ("3:", 2), ("::2", 3), ("4", 1), ("0:5", 5)]
)
def test_parse_indices_with_a_count_may_leave_the_ends_open(text, wanted):
    assert len(parse_indices(text, count=5)) == wanted


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        ("", None, "is no class: write numbers"),
        ("1,", None, "'' in '1,' is no class"),
        ("-1", None, "'-1' in '-1' is no class"),
        ("1-5", None, "is no class"),
        ("a:b", None, "is no class"),
        (":", None, "is no class"),
        ("3:", None, "is no class"),
        ("5:5", None, "the range '5:5' in '5:5' is empty"),
        ("5:2", None, "is empty"),
        ("1:5:0", None, "is empty"),
        ("1,0:3", None, "names class 1 twice"),
        ("7", 5, "there is no class 7: they go from 0 to 4"),
        ("0:6", 5, "there is no class 5: they go from 0 to 4"),
        ("0:99999999999999", None, "more than 1000000 numbers"),
        ("0:99999999999999", 5, "there is no class 99999999999998"),
    ],
)
def test_parse_indices_quotes_what_is_wrong(text, count, words):
    with pytest.raises(ValueError, match=words):
        parse_indices(text, count=count, what="class")


@settings(deadline=None)
@given(st.text("0123456789:,- ", max_size=12))
def test_parse_indices_gives_numbers_below_the_count_or_a_value_error(text):
    try:
        numbers = parse_indices(text, count=50)
    except ValueError:
        return
    assert numbers and len(set(numbers)) == len(numbers)
    assert all(0 <= n < 50 for n in numbers)


@pytest.mark.parametrize(
    ("text", "wanted"), [("224", (224, 224)), ("224x320", (224, 320)), ("1X2", (1, 2))]
)
def test_parse_size_is_height_by_width(text, wanted):
    assert parse_size(text) == wanted


@pytest.mark.parametrize("text", ["", "0", "224x", "a", "1x2x3", "-3", "1.5", "99999"])
def test_parse_size_refuses_in_words(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_open_net_draws_random_parameters_from_the_seed():
    opened = open_net("demo", weights="random:3")
    net, params = weights.load("demo", weights=jax.random.key(3))
    assert opened.net == net and opened.weights == "random:3"
    assert opened.sha256 is None and opened.labels == ()
    jax.tree.map(np.testing.assert_array_equal, opened.params, params)


def test_open_net_says_which_file_the_parameters_came_from(tmp_path):
    net, params = weights.load("demo", weights=jax.random.key(3))
    file = tmp_path / "demo.safetensors"
    weights.save(file, net, params, facts={"labels": '["a", "b"]'})
    opened = open_net("demo", weights=str(file))
    assert opened.weights == str(file) and opened.labels == ("a", "b")
    assert opened.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["random", "random:", "random:x", "random:-1"])
def test_open_net_wants_a_seed_for_random_parameters(text):
    with pytest.raises(ValueError, match="random:SEED"):
        open_net("squeezenet1_1", weights=text)


@pytest.mark.parametrize("name", ["none.safetensors", "random_net.safetensors"])
def test_open_net_of_a_missing_file_is_an_os_error(name):
    with pytest.raises(FileNotFoundError, match=name):
        open_net("squeezenet1_1", weights=name)


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


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("tench, Tinca tinca", "tench"),
        ("Great White shark", "great_white_shark"),
        ("jack-o'-lantern", "jack_o_lantern"),
        ("../../etc", "etc"),
        ("été", "été"),
        ("a" * 90, "a" * 40),
    ],
)
def test_slug_is_a_file_name(label, wanted):
    assert slug(label) == wanted


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
    return Run(None, image, {"loss": np.ones((3, 2, 5)), "status": status})


def test_save_run_writes_pictures_sheet_and_record(tmp_path):
    run, items = a_run(), [{"class": n, "top1": [True, n < 5]} for n in (4, 5, 6)]
    pictures = save_run(
        tmp_path,
        run,
        ["a", "b", "c"],
        items=items,
        bits=16,
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
    line = summary(Path("out"), pictures)
    assert line.startswith("out: 6 pictures, 2 of them not finished")


def test_save_run_leaves_files_alone_that_are_already_written(tmp_path):
    (tmp_path / "a_0.png").write_bytes(b"earlier")
    options = {"command": "sweep", "arguments": {}}
    save_run(tmp_path, a_run(), ["a", "b", "c"], saved={"a_0.png"}, **options)
    assert (tmp_path / "a_0.png").read_bytes() == b"earlier"
    assert (tmp_path / "a_1.png").stat().st_size > 7


def test_save_run_refuses_names_that_would_overwrite_each_other(tmp_path):
    with pytest.raises(ValueError, match="names of their own, not a, b, a"):
        save_run(tmp_path, a_run(), ["a", "b", "a"], command="x", arguments={})
    assert not list(tmp_path.iterdir())


def test_save_run_without_seeds_and_with_a_photograph_first(tmp_path):
    run = Run(None, np.zeros((2, 8, 8, 3), np.float32), {"loss": np.ones((2, 5))})
    photo = np.ones((8, 8, 3), np.float32)
    pictures = save_run(
        tmp_path,
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
    assert summary(tmp_path, pictures[:1]) == f"{tmp_path}: 1 picture, contact sheet, record"
