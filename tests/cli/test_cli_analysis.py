"""`jaxvis filters`, `jaxvis activations` and `jaxvis patches`."""

import json

import numpy as np
import pytest

from jaxvis.analysis.patches import Histogram, Patches
from jaxvis.cli import main
from jaxvis.cli.pages import CELL, draw_rows, magnify
from jaxvis.cli.patches import draw_histogram
from jaxvis.output.io import read_image, write_image


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Returns a folder of three images, one that cannot be read, and a file that is none."""
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for i in range(3):
        write_image(tmp_path / f"photos/{i}.png", np.random.default_rng(i).random((64, 64, 3)))
    (tmp_path / "photos/bad.png").write_bytes(b"bad")
    (tmp_path / "photos/notes.txt").write_text("not an image")
    return tmp_path


def test_filters_are_pages(folder, capsys):
    assert main("filters demo --tap conv1_1,conv2_1 --index 0:3 --out pages".split()) == 0
    assert "2 pages, record" in capsys.readouterr().out
    record = json.loads((folder / "pages/record.json").read_text())
    assert [one["shape"] for one in record["pictures"]] == [[3, 3, 3, 3], [3, 3, 3, 16]]
    assert list(record["files"]) == ["conv1_1.png", "conv2_1.png"]
    words = "filters demo --tap conv2_1 --first conv1_1 --scale common --out one.png"
    assert main(words.split()) == 0
    assert json.loads((folder / "one.json").read_text())["pictures"][0]["tap"] == (
        "conv1_1 to conv2_1"
    )


def test_activations_are_pages_of_maps_and_of_the_lit_photograph(folder):
    words = "activations demo photos/0.png --tap relu1_1 --most 4 --lit 2 --size 32 --out maps"
    assert main(words.split()) == 0
    record = json.loads((folder / "maps/record.json").read_text())
    assert list(record["files"]) == ["relu1_1.png", "relu1_1_lit.png"]
    assert len(record["pictures"][0]["channels"]) == 4
    assert list(record["inputs"]) == ["photos/0.png"]


def test_patches_are_pages_and_numbers(folder, capsys):
    words = "patches demo photos --tap relu1_1,fc8 --index 0:2 --top 2 --relevance red --out found"
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    assert "3 images, 2 files skipped (bad.png, notes.txt)" in said and "6 pages, record" in said
    assert "fc8: patches are whole images" in said
    record = json.loads((folder / "found/record.json").read_text())
    assert list(record["skipped"]) == ["bad.png", "notes.txt"] and len(record["files"]) == 7
    with np.load(folder / "found/patches.npz") as arrays:
        assert arrays["relu1_1:top:boxes"].shape == (16, 2, 4)
        assert arrays["names"].tolist() == ["0.png", "1.png", "2.png"]
        assert arrays["fc8:relevant:values"].shape[1] == 2
    assert read_image(folder / "found/relu1_1.png").shape[1] > 2 * CELL


def test_small_pictures_are_enlarged_by_whole_numbers_and_rows_filled_up():
    assert magnify(np.zeros((11, 11, 3), np.float32)).shape == (66, 66, 3)
    assert magnify(np.zeros((144, 72), np.float32)).shape == (72, 36, 3)
    assert magnify(np.zeros((5, 10, 3), np.float32), side=20, smooth=True).shape == (18, 36, 3)
    page = draw_rows([[np.zeros((8, 8, 3))] * 2, [np.zeros((8, 8, 3))]], ["a", "b"])
    assert page.shape[1] == 2 * (8 + 4) + 4
    assert page[-12:, 16:].min() > 0.9  # the second row has no second picture


def test_a_histogram_is_drawn_between_the_least_and_the_largest_response():
    counts = np.zeros((2, 8), int)
    counts[0, 2:4] = (1, 4)
    none = Patches(*[np.zeros(0)] * 4)
    page = draw_histogram(Histogram(counts, np.zeros(9), none), 0)
    dark = page[..., 0] < 0.5
    assert dark[:, -1].all() and dark[:, 0].sum() == CELL // 4
    assert not (draw_histogram(Histogram(counts, np.zeros(9), none), 1) < 0.5).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("filters demo --tap relu1_1", "'relu1_1' has no kernels"),
        ("filters demo --tap conv1_1 --index 99", "there is no filter 99"),
        ("filters demo --first conv1_1", "--first goes with one --tap"),
        ("filters demo --combined", "pass tap="),
        ("activations demo photos/0.png --tap fc8", "without spatial extent"),
        ("activations demo photos/0.png --tap relu1_1 --out one.png", "makes 2 pictures"),
        ("patches demo gone --tap relu1_1", "there is no folder gone"),
        ("patches demo photos --tap relu9", "has no tap 'relu9'"),
        ("patches demo photos --tap relu1_1 --relevance yelow", "did you mean yellow?"),
        ("patches demo photos --tap relu1_1 --top 0", "--top goes from 1"),
        ("patches demo photos --tap relu1_1 --out one.png", "makes a folder of files"),
    ],
)
def test_mistakes_are_one_line(folder, words, message, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
