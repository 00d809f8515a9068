"""jaxvis sweep measure: what it writes and says, and mistakes in one line."""

import json

import pytest

from jaxvis.cli import main
from jaxvis.output.io import read_sample_photo, write_image


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("chelsea", "coffee", "rocket"):
        write_image(folder / f"{name}.png", read_sample_photo(name, size=(64, 64)))
    return folder


def call(*words):
    return main(["sweep", "measure", *map(str, words)])


def test_it_measures_a_layer_once(photos, tmp_path, capsys):
    words = (tmp_path / "sweep", "demo", "--tap", "conv1_1", "--photos", photos, "--top", "2")
    assert call(*words) == 0
    assert "16 units of 1 layer" in capsys.readouterr().out
    facts = json.loads((tmp_path / "sweep/network.json").read_text())
    assert facts["weights"] == "embedded" and facts["labels"][16] == "red"
    found = json.loads((tmp_path / "sweep/measures/conv1_1.json").read_text())
    assert len(found["units"][0]["top"]["patches"]) == 2
    assert call(*words) == 0
    assert "0 units of 0 layers, 1 were there" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        (("demo", "--tap", "conv9_1"), "has no tap 'conv9_1'"),
        (("demo", "--photos", "nowhere"), "there is no folder nowhere"),
        (("demo", "--top", "0"), "--top goes from 1"),
        (("nothing",), "nothing"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, capsys, words, said):
    assert call(tmp_path / "sweep", *words) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


def test_a_folder_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("...")
    assert call(tmp_path, "demo") == 2
    assert "is no folder of a sweep" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
