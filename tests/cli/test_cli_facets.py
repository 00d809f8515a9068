"""`jaxvis facets` and `jaxvis bias`."""

import json

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.methods.facets import visualize as module
from jaxvis.output.io import read_image, write_image
from jaxvis.types import Interrupted, Status


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Returns a folder of six images and one that cannot be read."""
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(6):
        image = np.random.default_rng(i).random((40, 40, 3)) * (1 + i) / 6
        write_image(photos / f"{i}.png", image)
    (photos / "bad.png").write_bytes(b"bad")
    return photos


@pytest.mark.slow
def test_facets_makes_a_picture_of_each_kind(folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "facets"
    words = f"facets demo {folder} --index red --count 2 --steps 2 --out"
    assert main([*words.split(), str(out)]) == 0
    assert "2 pictures" in capsys.readouterr().out
    record = json.loads((out / "record.json").read_text())
    assert sum(len(p["images"]) for p in record["pictures"]) == 6
    assert record["index"] == 16 and record["arguments"]["index"] == "red"
    assert list(record["skipped"]) == ["bad.png"]
    assert (out / "facet_1.png").exists()
    solve = module.solve

    def interrupt(*arguments, **options):
        run = solve(*arguments, **options)
        raise Interrupted(run._replace(status=np.full(2, Status.UNFINISHED, np.int8)))

    monkeypatch.setattr(module, "solve", interrupt)
    assert main([*words.split(), "again"]) == 130
    said = capsys.readouterr()
    assert "2 pictures" in said.out and "interrupted" in said.err
    record = json.loads((tmp_path / "again" / "record.json").read_text())
    assert record["status"] == ["unfinished", "unfinished"]


def test_bias_shows_the_top_images_beside_made_ones(folder, tmp_path):
    out, made = tmp_path / "bias", folder / "3.png"
    words = f"bias demo {folder} --index 1 --pictures {made} --most 4 --out"
    assert main([*words.split(), str(out)]) == 0
    record = json.loads((out / "record.json").read_text())
    scores = [one["score"] for one in record["images"]]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)
    assert (out / "contact.png").stat().st_size > 1000
    assert main([*words.split(), "sheet.png"]) == 0  # the sheet is one picture
    np.testing.assert_array_equal(
        read_image(tmp_path / "sheet.png"), read_image(out / "contact.png")
    )
    assert json.loads((tmp_path / "sheet.json").read_text())["images"] == record["images"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("facets demo gone", "there is no folder gone"),
        ("facets demo {folder} --count 7", "6 images cannot have 7 facets"),
        ("facets demo {folder} --index 1,2", "name one class"),
        ("facets demo {folder} --index yelow", "did you mean yellow?"),
        ("facets demo {folder} --tap relu9", "has no tap 'relu9'"),
        ("facets demo {folder} --features relu9", "has no tap 'relu9'"),
        ("facets demo {folder} --out art.png", "makes 4 pictures"),
        ("bias demo {folder} --index 99", "there is no class 99"),
        ("bias demo {folder} --pictures gone.png", "gone.png"),
    ],
)
def test_mistakes_are_one_line(folder, words, message, capsys):
    assert main(words.format(folder=folder).split()) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
