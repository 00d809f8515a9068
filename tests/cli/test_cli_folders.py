"""`jaxvis neighbours`, `jaxvis embed`, `jaxvis concepts` and `jaxvis atlas`."""

import csv
import json
import sys

import numpy as np
import pytest

import jaxvis
from jaxvis.cli import main
from jaxvis.output.io import read_image, write_image

SIDE = 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Returns a folder: three reddish and three bluish images, a bad one, and a text."""
    folder = tmp_path_factory.mktemp("work") / "photos"
    (folder / "sub").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for i in range(6):
        colour = np.array([1, 0.2, 0.1] if i < 3 else [0.1, 0.2, 1], np.float32)
        name = f"sub/blue{i}.png" if i >= 3 else f"red{i}.png"
        write_image(folder / name, colour * draw.uniform(0.7, 1, (SIDE, SIDE, 1)))
    (folder / "bad.png").write_bytes(b"bad")
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(autouse=True)
def inside(photos, monkeypatch, tmp_path):
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(photos)


def run(words):
    return main(words.split())


def read_record(path):
    return json.loads(path.read_text())


def test_neighbours_have_the_photographs_colour_and_an_index_is_kept(tmp_path, capsys):
    blue = read_image(tmp_path / "photos/sub/blue3.png")
    write_image(tmp_path / "query.png", np.clip(blue + 0.02, 0, 1))
    words = "neighbours demo photos query.png photos/red0.png --top 2 --index kept.npz"
    assert run(f"{words} --tap relu2_1 --out found") == 0
    assert "6 images, 2 files skipped (bad.png, notes.txt)" in capsys.readouterr().out
    record = read_record(tmp_path / "found/record.json")
    assert list(record["skipped"]) == ["bad.png", "notes.txt"]
    rows = record["pictures"][0]["found"]
    assert [(one["image"], one["tap"]) for one in rows] == [
        *((0, "relu2_1"), (0, "pixels"), (1, "relu2_1"), (1, "pixels"))
    ]
    for one in rows[:2]:
        assert one["names"][0] == "sub/blue3.png" and "sub/blue" in one["names"][1]
    for one in rows[2:]:  # the photograph itself is no neighbour of its own
        assert set(one["names"]) == {"red1.png", "red2.png"} and min(one["distances"]) > 0
    before = (tmp_path / "kept.npz").stat().st_mtime_ns
    assert run(f"{words} --out again.png") == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "found/neighbours.png").read_bytes()
    assert (tmp_path / "kept.npz").stat().st_mtime_ns == before
    assert jaxvis.read_index(tmp_path / "kept_pixels.npz").codes.size == (32, 32)
    assert run(f"{words} --tap relu1_1") == 2
    assert "is an index of relu2_1 at 64x64 pixels" in capsys.readouterr().err
    assert run(f"{words} --weights random:1 --out none") == 2
    assert "is an index of demo with other weights" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_folder_lies_in_a_plane_with_clusters_and_a_table(tmp_path):
    assert run("embed demo photos --tap pixels --clusters 2 --out plane") == 0
    record = read_record(tmp_path / "plane/record.json")
    assert list(record["files"]) == [
        *("embedding.png", "clusters.png", "outliers.png", "points.csv")
    ]
    assert record["clusters"] == [3, 3] and record["images"] == 6
    with open(tmp_path / "plane/points.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [one["image"] for one in table][:4] == [
        "red0.png",
        "red1.png",
        "red2.png",
        "sub/blue3.png",
    ]
    labels = [one["cluster"] for one in table]
    assert len(set(labels[:3])) == len(set(labels[3:])) == 1 and labels[0] != labels[3]
    first = [float(one["x"]) for one in table]
    assert max(first[:3]) < min(first[3:]) or max(first[3:]) < min(first[:3])
    page = read_image(tmp_path / "plane/embedding.png")
    assert ((page[..., 0] > 0.6) & (page[..., 2] < 0.3)).sum() > 3 * 42 * 42 * 0.9  # red ones


@pytest.mark.slow
def test_concepts_have_rows_of_pictures_patches_heat_and_importance(tmp_path):
    words = "concepts demo photos --tap relu2_1 --count 2 --top 2"
    assert run(f"{words} --relevance red --draw --steps 2 --side 32 --out found") == 0
    record = read_record(tmp_path / "found/record.json")
    about = record["pictures"][0]
    assert len(about["importance"]) == 2 and len(about["judged"]) == 6
    assert list(record["skipped"]) == ["bad.png", "notes.txt"] and record["chunk"] == 2
    with np.load(tmp_path / "found/concepts.npz") as arrays:
        assert arrays["directions"].shape == (2, 32) and arrays["boxes"].shape == (2, 2, 4)
        np.savez(tmp_path / "bank.npz", bank=arrays["directions"])
    # Of a bank whose directions are named: the picture is not drawn, so the page is narrower.
    words = "concepts demo photos --tap relu2_1 --bank bank.npz:bank --index 1 --crops 2 --top 2"
    assert run(f"{words} --relevance none --out bank") == 0
    about = read_record(tmp_path / "bank/record.json")["pictures"][0]
    assert about["numbers"] == [1] and about["importance"] is None
    widths = [read_image(tmp_path / f"{one}/concepts.png").shape[1] for one in ("found", "bank")]
    assert widths == [5 * 100 + 4, 4 * 100 + 4]


@pytest.mark.slow
def test_an_atlas_is_of_a_folder_or_of_a_photograph(tmp_path):
    words = "--tap relu2_1 --grid 2 --steps 2 --side 32"
    assert run(f"atlas demo photos {words} --plane pca --samples 4 --out whole.png") == 0
    about = read_record(tmp_path / "whole.json")["pictures"][0]
    assert sum(about["counts"]) == 24 and read_image(tmp_path / "whole.png").shape == (64, 64, 3)
    assert run(f"atlas demo photos/red0.png {words} --groups 2 --out parts") == 0
    assert read_image(tmp_path / "parts/grid.png").shape == (64, 64, 3)
    assert (tmp_path / "parts/groups.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("neighbours demo photos", "name at least one photograph"),
        ("neighbours demo photos gone.png", "gone.png"),
        ("neighbours demo gone photos/red0.png", "there is no folder gone"),
        ("neighbours demo photos photos/red0.png --index x.bin", "an index is a file .npz"),
        ("neighbours demo photos photos/red0.png --tap relu9", "has no tap 'relu9'"),
        ("embed demo photos --tap relu9", "has no tap 'relu9'"),
        ("embed demo photos --clusters 9", "make 1 to 6 clusters"),
        ("embed demo photos --size 2", "is no size"),
        ("embed demo photos --out one.png", "makes a folder of files"),
        ("concepts demo photos --index 1", "--index chooses directions of a --bank"),
        ("concepts demo photos --tap relu2_1 --relevance yelow", "did you mean yellow?"),
        ("concepts demo photos --tap relu2_1 --bank gone.npz", "gone.npz"),
        ("atlas demo photos --tap relu9", "has no tap 'relu9'"),
        ("atlas demo photos/red0.png --tap fc8", "has no positions"),
        ("atlas demo photos/red0.png --tap relu1_1 --out one.png", "makes 2 pictures"),
    ],
)
def test_mistakes_are_told(words, message, capsys):
    assert run(words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["embed demo photos", "atlas demo photos --tap relu1_1"])
def test_a_package_that_is_missing_is_named_before_any_work(command, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "umap", None)
    assert run(f"{command} --plane umap --out made") == 2
    error = capsys.readouterr().err
    assert "pip install jaxvis[analysis]" in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "made").exists()
