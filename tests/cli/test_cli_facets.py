"""`jaxvis facets` and `jaxvis bias`."""

import json

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.output.io import write_image


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Returns a folder of six images and one that cannot be read."""
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(6):
        image = np.random.default_rng(i).random((40, 40, 3)) * (1 + i) / 6
        write_image(photos / f"{i}.png", image)
    (photos / "bad.png").write_bytes(b"bad")
    return photos


@pytest.mark.slow
def test_facets_makes_a_picture_of_each_kind(folder, tmp_path, capsys):
    out = tmp_path / "facets"
    words = f"facets demo {folder} --index 2 --count 2 --steps 2 --out {out}"
    assert main(words.split()) == 0
    assert "2 pictures" in capsys.readouterr().out
    record = json.loads((out / "record.json").read_text())
    assert sum(len(p["images"]) for p in record["pictures"]) == 6
    assert list(record["skipped"]) == ["bad.png"]
    assert (out / "facet_1.png").exists()


def test_bias_shows_the_top_images_beside_made_ones(folder, tmp_path):
    out, made = tmp_path / "bias", folder / "3.png"
    words = f"bias demo {folder} --index 1 --pictures {made} --most 4 --out {out}"
    assert main(words.split()) == 0
    record = json.loads((out / "record.json").read_text())
    scores = [one["score"] for one in record["images"]]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)
    assert (out / "contact.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("facets demo gone", "there is no folder gone"),
        ("facets demo {folder} --count 7", "6 images cannot have 7 facets"),
        ("bias demo {folder} --index 99", "channels, not 99"),
        ("bias demo {folder} --pictures gone.png", "gone.png"),
    ],
)
def test_mistakes_are_one_line(folder, words, message, capsys):
    assert main(words.format(folder=folder).split()) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
