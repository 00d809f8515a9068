"""Every command that can make one picture writes it in the format of its ending, and again."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from style_commands import make_folder, run

from jaxvis.output.io import read_image, write_image

TEXTURE = ("classical-texture", "x.png", "--window", 3, "--size", 6)
TAPS = ("--content-tap", "relu2_1", "--style-tap", "relu1_1,relu2_1")
KINDS = {"art.jpg": "JPEG", "art.webp": "WEBP", "art.tif": "TIFF", "art.png": "PNG"}
CASES = {
    "maximize": (
        *("maximize", "demo", "--tap", "conv2_1", "--index", 3, "--steps", 2),
        *("--recipe", "plain"),
    ),
    "alpha": (
        *("maximize", "demo", "--tap", "conv2_1", "--index", 3, "--steps", 2),
        *("--recipe", "alpha"),
    ),
    "caricature": ("caricature", "demo", "x.png", "--tap", "relu1_1", "--steps", 2, "--size", 16),
    "invert": ("invert", "demo", "x.png", "--tap", "relu1_1", "--steps", 2, "--size", 16),
    "dream": ("dream", "demo", "x.png", "--tap", "relu1_1", "--steps", 2, "--octaves", 1),
    "generate": ("generate", "demo", "--index", 1, "--steps", 2, "--side", 32),
    "texture": ("texture", "demo", "x.png", "--blocks", 1, "--steps", 2),
    "style": ("style", "demo", "x.png", "y.png", *TAPS, "--steps", 2, "--size", 32),
    "stylize": ("stylize", "net/style.safetensors", "x.png", "--style", "y"),
    "feature-maps": (
        *("feature-maps", "demo", "x.png", "--tap", "relu1_1", "--index", 3, "--steps", 2),
        *("--size", 24),
    ),
    "filters": ("filters", "demo", "--tap", "conv1_1", "--index", "0:3"),
    "activations": (
        *("activations", "demo", "x.png", "--tap", "relu1_1", "--size", 16, "--lit", 0),
    ),
    "cam": ("cam", "demo", "x.png", "--layer", "relu2_1"),
    "compare": ("compare", "demo", "x.png", "--methods", "saliency,grad-cam", "--size", 64),
    "bias": ("bias", "demo", "large", "--index", "red", "--pictures", "x.png,y.png"),
    "neighbours": ("neighbours", "demo", "large", "x.png", "--tap", "relu2_1"),
}
"""Command -> words that make one picture of it. "alpha" has an opacity, which JPEG lacks."""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Returns a folder of photographs and a style network."""
    work = make_folder(tmp_path_factory.mktemp("formats"))
    for i in range(3):
        (work / "large").mkdir(exist_ok=True)
        write_image(work / f"large/{i}.png", np.random.default_rng(i).random((40, 40, 3)))
    return work


@pytest.fixture
def inside(work, tmp_path, monkeypatch):
    """Runs beside those, and writes into a folder of its own; returns that."""
    monkeypatch.setenv("JAXVIS_HOME", str(work / "home"))
    monkeypatch.chdir(work)
    return tmp_path


def make_twice(words, file, capsys):
    """Makes one picture, and again from its record; returns the record."""
    assert run(*words, "--out", file) in (0, 1)  # a picture of two steps may be dead
    record = json.loads(file.with_suffix(".json").read_text())
    capsys.readouterr()
    assert run("rerun", file.with_suffix(".json"), "--out", file.parent / "again") == 0
    assert "the one file is the same, byte for byte" in capsys.readouterr().out
    assert (file.parent / "again" / file.name).read_bytes() == file.read_bytes()
    return record


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_one_picture_is_written_as_its_ending_says(name, inside, capsys):
    kinds = list(KINDS)[:3]
    # One format each; all of them have their turn.
    file = inside / ("art.webp" if name == "alpha" else kinds[list(CASES).index(name) % 3])
    record = make_twice(CASES[name], file, capsys)
    with Pillow.open(file) as found:
        assert found.format == KINDS[file.name]
        assert found.mode == ("RGBA" if name == "alpha" else found.mode)
    assert list(record["files"]) == [file.name] == list(record["formats"])
    before = {path.name for path in inside.iterdir()}
    assert before == {file.name, "art.json", "again"}


@pytest.mark.parametrize("name", KINDS)
def test_a_texture_is_written_in_every_format(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_image("x.png", np.random.default_rng(0).random((12, 12, 3)))
    (tmp_path / "made").mkdir()
    record = make_twice(TEXTURE, Path("made") / name, capsys)
    assert record["formats"].keys() == ({name} if name != "art.png" else set())
    assert run(*TEXTURE, "--out", "plain.png") == 0
    lossy = name == "art.jpg"
    apart = np.abs(read_image(f"made/{name}") - read_image("plain.png")).max()
    assert apart <= (0.3 if lossy else 0)


@pytest.mark.slow
def test_an_opacity_is_refused_of_a_jpeg_before_any_work(inside, capsys):
    assert run(*CASES["alpha"], "--out", inside / "art.jpg") == 2
    error = capsys.readouterr().err
    assert "only PNG, WebP and TIFF files have an opacity" in error
    assert len(error.strip().splitlines()) == 1
    assert not (inside / "art.jpg").exists()
