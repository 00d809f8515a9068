"""The command texture, on the embedded network."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxvis.cli import main, parts
from jaxvis.output.io import read_image
from jaxvis.types import Interrupted

FAST = ("--optimizer", "adam", "--steps", 2)


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*words):
    return main(["texture", "demo", *(str(word) for word in words)])


def write_pixels(folder, shape):
    """Writes a picture `(H, W)`, `(H, W, 3)` or, with transparency, `(H, W, 4)`."""
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "pixels.png")
    return "pixels.png"


@pytest.mark.slow
def test_texture_writes_a_picture_of_every_seed(elsewhere):
    words = ("--tap", "relu1_1,relu2_1", "--seeds", 2, "--size", "24x32", *FAST)
    assert run("coffee", "--source-size", 32, *words) == 0
    folder = elsewhere / "jaxvis-texture"
    names = sorted(path.name for path in folder.glob("to_*.png"))
    assert names == ["to_relu2_1_0.png", "to_relu2_1_1.png"]
    assert read_image(folder / names[0]).shape == (24, 32, 3)
    record = json.loads((folder / "record.json").read_text())
    assert record["command"] == "texture" and record["steps"] == 2
    assert record["pictures"][0]["taps"] == ["relu1_1", "relu2_1"]
    assert record["recipes"][0]["optimizer"] == "adam"
    assert record["recipes"][0]["bounds"] == "source"


def test_one_texture_may_be_one_file(elsewhere):
    words = ("--source-size", 24, "--tap", "relu1_1", *FAST)
    assert run("coffee", *words, "--out", "art.png") == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["art.json", "art.png"]
    assert run("coffee", *words, "--out", "art.png") == 2
    assert run("coffee", *words, "--seeds", 2, "--out", "two.png") == 2


def test_texture_of_growing_blocks_is_a_row(elsewhere):
    assert run("coffee", "--source-size", 32, "--blocks", "1:3", *FAST) == 0
    names = sorted(p.name for p in (elsewhere / "jaxvis-texture").glob("to_*.png"))
    assert names == ["to_relu1_1_0.png", "to_relu2_1_0.png"]


@pytest.mark.slow
def test_ctrl_c_keeps_the_textures_that_are_there(elsewhere, monkeypatch, capsys):
    from jaxvis.methods.style import texture as module

    solve, calls = module.solve, []

    def interrupt_second(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise Interrupted
        return solve(*arguments, **options)

    monkeypatch.setattr(module, "solve", interrupt_second)
    assert run("coffee", "--source-size", 24, "--blocks", "1:3", *FAST) == 130
    folder = elsewhere / "jaxvis-texture"
    assert [path.name for path in folder.glob("to_*.png")] == ["to_relu1_1_0.png"]
    assert (folder / "record.json").exists() and "interrupted" in capsys.readouterr().err


def test_ctrl_c_before_anything_is_there_is_130(monkeypatch):
    def interrupt(method):
        raise Interrupted

    monkeypatch.setattr(parts, "run_or_interrupt", interrupt)
    assert run("coffee", "--source-size", 24, "--tap", "relu1_1", *FAST) == 130


def test_texture_of_a_normalised_network(elsewhere):
    np.savez("means.npz", relu1_1=np.full(16, 2.0, np.float32))
    words = ("--source-size", 32, "--tap", "relu1_1", *FAST)
    assert run("coffee", "--means", "means.npz", *words) == 0
    (elsewhere / "bad.npz").write_bytes(b"nothing")
    assert run("coffee", "--means", "bad.npz", *words) == 2


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(20, 33), (20, 33, 4)], ids=["grey, not square", "transparent"])
def test_pictures_of_every_kind_are_textures(shape, elsewhere):
    assert run(write_pixels(elsewhere, shape), "--tap", "relu1_1", *FAST) == 0
    found = read_image(elsewhere / "jaxvis-texture" / "to_relu1_1_0.png")
    assert found.shape == (20, 33, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 3), "a source image of 1x1 pixels is too small"),
        ((3, 90, 3), "3x90 pixels is too small for 'relu2_1'"),
    ],
)
def test_pictures_too_small_for_a_layer_are_refused(shape, message, elsewhere, capsys):
    assert run(write_pixels(elsewhere, shape), "--tap", "relu2_1") == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "has no tap 'pool4'"),
        (("--tap", "a", "--blocks", "1"), "either --tap"),
        (("--blocks", "9"), "there is no block 9"),
        (("--tap", "relu1_1", "--steps", "0"), "--steps goes from 1"),
        (("--tap", "relu1_1", "--seeds", "0"), "--seeds goes from 1"),
        (("--tap", "relu1_1", "--size", "0"), "sides go from 4"),
        (("--tap", "relu1_1", "--means", "gone.npz"), "gone.npz"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words, message, capsys):
    assert run("coffee", *words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words", [("--preset", "x"), ("--bounds", "wide"), ("--optimizer", "sgd")], ids=str
)
def test_unknown_words_are_refused_with_the_known_ones(words, elsewhere, capsys):
    assert run("coffee", *words) == 2
    assert words[0] in capsys.readouterr().err and not list(elsewhere.iterdir())
