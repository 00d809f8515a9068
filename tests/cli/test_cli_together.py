"""The commands whose pictures know of each other, on the embedded network."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxvis.cli import main
from jaxvis.cli.parsing import parse_units

pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*words):
    return main([str(word) for word in words])


def pictures_of(folder):
    return json.loads((folder / "record.json").read_text())["pictures"]


@pytest.mark.slow
def test_diverse_pictures_are_written_one_by_one(elsewhere):
    words = ("--index", "red,blue", "--diverse", 2, "--steps", 2, "--size", 32, "--seeds", 2)
    assert run("maximize", "demo", *words, "--out", "a") == 0
    names = sorted(path.name for path in (elsewhere / "a").glob("016*.png"))
    assert names == [f"016_red_{s}_{k}.png" for s in (0, 1) for k in (0, 1)]
    found = pictures_of(elsewhere / "a")
    assert [(one["seed"], one["member"]) for one in found[:4]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {one["label"] for one in found} == {"red", "blue"} and "top1" in found[0]


@pytest.mark.slow
def test_transparent_pictures_are_rgba_files(elsewhere):
    words = ("--recipe", "alpha", "--steps", 2, "--size", 32)
    assert run("maximize", "demo", *words, "--index", "red", "--out", "a") == 0
    (path,) = (elsewhere / "a").glob("*red_0.png")
    with Image.open(path) as picture:
        assert picture.mode == "RGBA" and picture.size == (32, 32)
    assert run("maximize", "demo", *words, "--tap", "relu2_1", "--bits", 16, "--out", "b") == 0


@pytest.mark.slow
def test_further_channels_change_the_picture(elsewhere):
    words = ("--tap", "relu2_1", "--index", 3, "--steps", 3, "--size", 32)
    assert run("maximize", "demo", *words, "--out", "a") == 0
    assert run("maximize", "demo", *words, "--also", "relu3_1:5:2,relu1_1:0", "--out", "b") == 0
    first, second = (
        np.asarray(Image.open(next((elsewhere / name).glob("relu2_1*.png"))), float)
        for name in ("a", "b")
    )
    assert np.abs(first - second).max() > 3
    assert run("maximize", "demo", *words, "--also", "relu3_1:999") == 2


@pytest.mark.slow
def test_a_row_is_a_row_of_the_sheet(elsewhere):
    words = ("red", "relu2_1:3", "--count", 3, "--steps", 2, "--size", 32)
    assert run("interpolate", "demo", *words) == 0
    found = pictures_of(elsewhere / "jaxvis-interpolate")
    assert [one["share"] for one in found] == [0, 0.5, 1] and len(found) == 3


@pytest.mark.slow
def test_an_accentuated_photograph_has_a_page(elsewhere):
    words = ("--tap", "relu2_1", "--index", "3,5", "--steps", 2, "--size", 32)
    assert run("accentuate", "demo", "chelsea", *words) == 0
    folder = elsewhere / "jaxvis-accentuate"
    names = sorted(path.name for path in folder.glob("*.png"))
    assert names == ["contact.png", "page.png", "relu2_1_003_0.png", "relu2_1_005_0.png"]
    assert {"before", "after", "index"} <= set(pictures_of(folder)[0])


def test_units_are_read_with_their_weights():
    assert parse_units("a/b:3, c:4:-0.5") == [("a/b", 3, 1.0), ("c", 4, -0.5)]
    for text in ("a", "a:x", "a:3:b", "", "a:3:1e"):
        with pytest.raises(ValueError, match="no channel"):
            parse_units(text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("maximize", "demo", "--diverse", 1), "at least 2 pictures"),
        (("maximize", "demo", "--also", "x:1"), "no tap 'x'"),
        (("maximize", "demo", "--redirect", -1), "--redirect goes from 0"),
        (("interpolate", "demo", "red", "nothing"), "nothing"),
        (("interpolate", "demo", "red", "blue", "--count", 1), "at least 2"),
        (("accentuate", "demo", "chelsea", "--index", "red", "--seeds", 0), "from 1 to"),
    ],
)
def test_mistakes_are_told_in_one_line(words, message, capsys):
    assert run(*words) == 2
    assert message in capsys.readouterr().err
