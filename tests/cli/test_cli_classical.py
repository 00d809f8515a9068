"""Commands for classical textures and descriptors: files, flags, mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.methods.classical_texture import efros_leung
from jaxvis.output.io import read_image, write_image


@pytest.fixture(autouse=True)
def sample(tmp_path, monkeypatch):
    """Runs in an empty folder that has a texture, with a cache of its own."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    image = np.random.default_rng(0).random((24, 30, 3)).astype(np.float32)
    write_image("sample.png", image)
    return read_image("sample.png")


def run(*words):
    return main(["classical-texture", *map(str, words)])


@pytest.mark.parametrize(
    "words",
    [("efros-leung", "--tileable"), ("wei-levoy", "--levels", 2, "--beam", 4)],
    ids=["efros-leung", "wei-levoy"],
)
def test_pictures_are_made_of_the_samples_pixels(words, sample, tmp_path, capsys):
    words = ("--algorithm", *words, "--window", 5, "--size", "9x14", "--seeds", 2)
    assert run("sample.png", *words) == 0
    folder = tmp_path / "jaxvis-classical-texture"
    names = sorted(path.name for path in folder.iterdir())
    files = ["contact.png", "progress.json", "record.json", "sample_0.png", "sample_1.png"]
    assert names == files
    pixels = {pixel.tobytes() for pixel in sample.reshape(-1, 3)}
    picture = read_image(folder / "sample_1.png")
    assert picture.shape == (9, 14, 3)
    assert {pixel.tobytes() for pixel in picture.reshape(-1, 3)} <= pixels
    record = json.loads((folder / "record.json").read_text())
    assert record["command"] == "classical-texture"
    assert record["network"]["name"] is None
    assert [p["seed"] for p in record["pictures"]] == [0, 1]
    assert record["arguments"]["window"] == 5
    assert "2 pictures" in capsys.readouterr().out


def test_a_larger_sample_is_made_smaller_unless_told_otherwise(tmp_path):
    words = ("--window", 3, "--size", 6)
    assert run("rocket", *words) == 0
    assert run("rocket", *words, "--source", "20x30") == 0
    first, second = (
        json.loads((tmp_path / folder / "record.json").read_text())
        for folder in ("jaxvis-classical-texture", "jaxvis-classical-texture-2")
    )
    assert first["arguments"]["source"] is None
    assert second["arguments"]["source"] == "20x30"
    assert first["status"] == second["status"] == [["done"]]


def test_one_texture_may_be_one_file(tmp_path):
    words = ("--window", 5, "--size", 8, "--out", "art.png")
    assert run("sample.png", *words) == 0
    assert read_image("art.png").shape == (8, 8, 3)
    names = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert names == ["art.json", "art.png", "sample.png"]
    assert run("sample.png", *words) == 2
    assert run("sample.png", *words[:-1], "two.png", "--seeds", 2) == 2


def test_an_interrupted_texture_is_saved_and_exits_130(sample, monkeypatch, capsys):
    fill, calls = efros_leung._fill_round, []

    def interrupt_third(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fill(*arguments)

    monkeypatch.setattr(efros_leung, "_fill_round", interrupt_third)
    assert run("sample.png", "--window", 5, "--size", 8, "--out", "art.png") == 130
    assert "interrupted" in capsys.readouterr().err
    picture, mean = read_image("art.png"), sample.mean((0, 1))
    # What has not grown has the mean colour, to the half of a grey level of 8 bits.
    assert np.abs(picture[0, 0] - mean).max() < 0.6 / 255
    record = json.loads(Path("art.json").read_text())
    assert record["status"] == [["unfinished"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--window", 25), "24x30, is smaller than the window of 25x25"),
        (("--window", 4), "window is odd"),
        (("--levels", 2), "efros-leung has no --levels"),
        (("--algorithm", "wei-levoy", "--tileable"), "wei-levoy has no --tileable"),
        (("--algorithm", "wei-levoy"), "is 6x8 on the coarsest of 3 levels"),
        (("--size", "big"), "is no size"),
    ],
)
def test_mistakes_are_told_in_one_line(words, message, capsys, tmp_path):
    assert run("sample.png", *words) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("jaxvis-*/*"))


def test_a_missing_sample_is_named(capsys):
    assert run("nowhere.png") == 2
    assert "nowhere.png" in capsys.readouterr().err


@pytest.mark.slow
def test_descriptors_are_inverted_without_weights(tmp_path, capsys):
    words = ("--tap", "hog,clamped", "--steps", "2", "--size", "32")
    assert main(["invert", "hogb", "chelsea", *words]) == 0
    record = json.loads((tmp_path / "jaxvis-invert" / "record.json").read_text())
    assert record["network"] == {"name": "hogb", "weights": "none", "sha256": None}
    assert [p["tap"] for p in record["pictures"]] == ["hog", "clamped"]
    assert "hog: error" in capsys.readouterr().out


def test_layers_of_a_descriptor_are_printed(capsys):
    assert main(["layers", "dsift"]) == 0
    last = capsys.readouterr().out.splitlines()[-2].split()
    assert last == ["dsift", "clamp", "9x9x128", "42", "24", "20.5"]


@pytest.mark.parametrize("weights", ["random:0", "file.safetensors"])
def test_weights_of_a_descriptor_are_refused(weights, capsys):
    words = ("--tap", "hog", "--weights", weights)
    assert main(["invert", "hog", "chelsea", *words]) == 2
    assert "hog has no parameters: leave" in capsys.readouterr().err
