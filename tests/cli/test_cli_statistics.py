"""The commands texture, style and feature-maps, on the embedded network."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxvis.cli import main
from jaxvis.output.io import read_image, sample_photo, write_image


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Runs in an empty folder, with a cache of its own."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(*words):
    return main([str(word) for word in words])


def _record(folder):
    return json.loads((folder / "record.json").read_text())


def test_texture_writes_a_picture_of_every_seed(elsewhere):
    words = ("--tap", "relu1_1,relu2_1", "--seeds", 2, "--steps", 2, "--size", "24x32")
    words = (*words, "--optimizer", "adam")
    assert run("texture", "demo", "coffee", "--source-size", 32, *words) == 0
    folder = elsewhere / "jaxvis-texture"
    names = sorted(path.name for path in folder.glob("to_*.png"))
    assert names == ["to_relu2_1_0.png", "to_relu2_1_1.png"]
    assert read_image(folder / names[0]).shape == (24, 32, 3)
    record = _record(folder)
    assert record["command"] == "texture" and record["steps"] == 2
    assert record["pictures"][0]["taps"] == ["relu1_1", "relu2_1"]


def test_texture_of_growing_blocks_is_a_row(elsewhere):
    words = ("--source-size", 32, "--blocks", "1:3", "--steps", 1)
    words = (*words, "--optimizer", "adam")
    assert run("texture", "demo", "coffee", *words) == 0
    names = sorted(p.name for p in (elsewhere / "jaxvis-texture").glob("to_*.png"))
    assert names == ["to_relu1_1_0.png", "to_relu2_1_0.png"]


def test_texture_of_a_normalised_network(elsewhere):
    np.savez("means.npz", relu1_1=np.full(16, 2.0, np.float32))
    words = ("--source-size", 32, "--tap", "relu1_1", "--steps", 1)
    words = (*words, "--optimizer", "adam")
    assert run("texture", "demo", "coffee", "--means", "means.npz", *words) == 0
    (elsewhere / "bad.npz").write_bytes(b"nothing")
    assert run("texture", "demo", "coffee", "--means", "bad.npz", *words) == 2


def test_style_mixes_two_and_keeps_the_recipe(elsewhere):
    white = np.ones((8, 8, 3), np.float32)
    for name, image in (("a.png", sample_photo("rocket", size=40)), ("white.png", white)):
        write_image(elsewhere / name, image)
    taps = ("--content-tap", "relu2_1", "--style-tap", "relu1_1,relu2_1")
    words = (*taps, "--mix", "1,3", "--masks", "white.png,white.png", "--beta", 5)
    words = (*words, "--size", 32, "--steps", 2, "--optimizer", "adam")
    assert run("style", "demo", "chelsea", "a.png", "coffee", *words) == 0
    folder = elsewhere / "jaxvis-style"
    record = _record(folder)
    assert record["recipe"]["beta"] == 5 and record["recipe"]["alpha"] == 1
    assert record["recipe"]["optimizer"] == "adam"
    assert read_image(folder / "chelsea_a_0.png").shape == (32, 32, 3)
    # Cells fit the picture, not a style of 600 pixels.
    assert max(read_image(folder / "contact.png").shape) < 300


def test_pmci_names_its_post_filter(elsewhere):
    taps = ("--content-tap", "relu2_1", "--style-tap", "relu1_1")
    words = ("--preset", "pmci", *taps, "--size", 32, "--steps", 2)
    assert run("style", "demo", "chelsea", "coffee", *words) == 0
    assert _record(elsewhere / "jaxvis-style")["recipe"]["denoise"] == 0.2


@pytest.mark.parametrize("codes", ["single", "random", "ranked"])
def test_feature_maps_name_filters_and_the_filter_afterwards(codes, elsewhere):
    words = ("--tap", "relu1_1", "--index", "0,3", "--steps", 2, "--size", 24)
    words = (*words, "--codes", codes, "--styles", "coffee", "rocket")
    assert run("feature-maps", "demo", "chelsea", *words) == 0
    folder = elsewhere / "jaxvis-feature-maps"
    ends = {"single": ("000", "003"), "random": ("0", "1"), "ranked": ("coffee", "rocket")}[codes]
    names = sorted(path.name for path in folder.glob("relu*.png"))
    assert names == [f"relu1_1_{end}.png" for end in ends]
    assert _record(folder)["post_filter"]["weight"] == 0.2


def _shaped(folder, shape):
    """Writes a picture `(H, W)`, `(H, W, 3)` or, with transparency, `(H, W, 4)`."""
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "shaped.png")
    return "shaped.png"


@pytest.mark.parametrize("shape", [(20, 33), (20, 33, 4)], ids=["grey, not square", "transparent"])
def test_pictures_of_every_kind_are_textures(shape, elsewhere):
    words = (_shaped(elsewhere, shape), "--tap", "relu1_1", "--steps", 1)
    assert run("texture", "demo", *words, "--optimizer", "adam") == 0
    assert read_image(elsewhere / "jaxvis-texture" / "to_relu1_1_0.png").shape == (
        20,
        33,
        3,
    )


@pytest.mark.parametrize(
    ("shape", "words", "message"),
    [
        ((1, 1, 3), ("texture", "demo"), "a source image of 1x1 pixels is too small"),
        ((3, 90, 3), ("texture", "demo"), "3x90 pixels is too small for 'relu2_1'"),
        ((200, 1, 3), ("style", "demo", "coffee", "--size", "24"), "style image 0 of "),
        ((2, 2, 3), ("classical-texture",), "smaller than the window"),
    ],
    ids=["tiny", "flat", "style", "classical"],
)
def test_pictures_too_small_for_a_layer_are_refused(shape, words, message, elsewhere, capsys):
    taps = ("--style-tap", "relu2_1", "--content-tap", "relu2_1")
    flags = {"texture": ("--tap", "relu2_1"), "style": taps}.get(words[0], ())
    at = 3 if words[0] == "style" else len(words)
    assert run(*words[:at], _shaped(elsewhere, shape), *words[at:], *flags) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("texture", "demo", "coffee"), "has no tap 'pool4'"),
        (("texture", "demo", "coffee", "--preset", "x"), "preset is one of gatys"),
        (("texture", "demo", "coffee", "--tap", "a", "--blocks", "1"), "either --tap"),
        (("texture", "demo", "coffee", "--blocks", "9"), "there is no block 9"),
        (("style", "demo", "coffee", "gone.png"), "gone.png"),
        (("style", "demo", "coffee", "rocket"), "has no tap 'relu5_1'"),
        (("style", "demo", "coffee", "rocket", "--mix", "a"), "is no list of weights"),
        (("feature-maps", "demo", "coffee", "--tap", "relu9"), "has no tap 'relu9'"),
        (
            ("feature-maps", "demo", "coffee", "--tap", "relu1_1", "--index", "99"),
            "there is no filter 99",
        ),
        (
            ("feature-maps", "demo", "coffee", "--tap", "relu1_1", "--codes", "x"),
            "codes is one of single, random, ranked",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words, message, capsys):
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
