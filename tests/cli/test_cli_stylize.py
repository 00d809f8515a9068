"""The commands train style, stylize, augment and export, on the embedded network."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxvis.cli import main
from jaxvis.output.io import read_image, write_image

WORDS = (
    "--net",
    "demo",
    "--content-tap",
    "relu2_1",
    "--style-tap",
    "relu1_1,relu2_1",
    "--size",
    16,
    "--width",
    2,
    "--blocks",
    1,
    "--batch",
    2,
    "--model",
    "same",
)


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Returns a folder: photographs (one is broken) and a network of two styles."""
    work = tmp_path_factory.mktemp("style")
    draw = np.random.default_rng(0)
    for name in ("photos/a.png", "photos/deep/b.jpg", "photos/c.png", "x.png", "y.png"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        side = 24 if name == "photos/c.png" else 20
        write_image(work / name, draw.random((20, side, 3)).astype(np.float32))
    (work / "photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXVIS_HOME", str(work / "home"))
        patch.chdir(work)
        assert (
            run(
                "train",
                "style",
                "photos",
                "--style",
                "x.png,y.png",
                "--steps",
                2,
                "--out",
                "net",
                *WORDS,
            )
            == 0
        )
    return work


@pytest.fixture(autouse=True)
def inside(work, monkeypatch):
    monkeypatch.setenv("JAXVIS_HOME", str(work / "home"))
    monkeypatch.chdir(work)


def test_training_leaves_a_network_its_losses_and_goes_on(work, capsys):
    record = json.loads((work / "net/record.json").read_text())
    assert record["styles"] == ["x", "y"] and record["steps"] == 2
    assert list(record["skipped"]) == ["broken.png"]
    losses = (work / "net/loss.csv").read_text().splitlines()
    assert sum(line.startswith("loss,") for line in losses) == 2
    assert {path.name for path in (work / "net").iterdir()} >= {
        "style.safetensors",
        "loss.png",
        "contact.png",
        "training.checkpoint",
    }
    again = ("train", "style", "photos", "--style", "x.png,y.png", "--out", "net")
    assert run(*again, "--steps", 3, "--resume", *WORDS) == 0
    assert json.loads((work / "net/record.json").read_text())["steps"] == 3
    assert run(*again, "--steps", 4, "--resume", *WORDS, "--beta", 7) == 2
    assert "beta" in capsys.readouterr().err


def test_a_folder_is_painted_and_what_is_broken_is_counted(work, capsys):
    words = ("stylize", "net/style.safetensors", "photos", "--style", "x:1,y:3")
    assert run(*words, "--out", "painted") == 0
    assert "3 pictures, 1 files skipped" in capsys.readouterr().out
    assert read_image(work / "painted/deep/b.png").shape == (20, 20, 3)
    assert read_image(work / "painted/c.png").shape == (20, 24, 3)
    record = json.loads((work / "painted/record.json").read_text())
    assert record["mix"] == [1, 3] and record["network"]["sha256"]
    assert run("stylize", "net/style.safetensors", "x.png", "--style", "y", "--tile", 8) == 0
    assert (work / "jaxvis-stylize/x.png").exists()


def test_augmentation_keeps_the_folders(work):
    words = ("augment", "net/style.safetensors", "photos", "--copies", 2, "--size", 16)
    assert run(*words, "--out", "more") == 0
    made = sorted(str(p.relative_to(work / "more")) for p in work.glob("more/**/*.png"))
    assert made == [
        "a_0.png",
        "a_1.png",
        "c_0.png",
        "c_1.png",
        "deep/b_0.png",
        "deep/b_1.png",
    ]
    first, second = (read_image(work / f"more/a_{i}.png") for i in (0, 1))
    assert np.any(first != second)


def test_an_exported_file_is_a_program(work):
    words = ("export", "net/style.safetensors", "--style", 1, "--size", "16x20")
    assert run(*words, "--platforms", "cpu", "--out", "x.jax") == 0
    program = export.deserialize(bytearray((work / "x.jax").read_bytes()))
    found = program.call(jnp.full((16, 20, 3), 0.5))
    assert found.shape == (16, 20, 3) and bool(jnp.all(jnp.isfinite(found)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("stylize", "none.safetensors", "x.png"), "there is no file"),
        (("stylize", "x.png", "x.png"), "not a safetensors file"),
        (("stylize", "net/style.safetensors", "x.png"), "choose one, or mix"),
        (("stylize", "net/style.safetensors", "x.png", "--style", "z"), "knows x, y"),
        (("stylize", "net/style.safetensors", "x.png", "--style", "x:a"), "no weight"),
        (("stylize", "net/style.safetensors", "empty", "--style", "x"), "no image"),
        (("stylize", "net/style.safetensors", "bad", "--style", "x"), "none of the 1"),
        (("augment", "net/style.safetensors", "nowhere"), "there is no folder"),
        (("augment", "net/style.safetensors", "photos", "--strength", "2"), "LOW:HIGH"),
        (
            ("export", "net/style.safetensors", "--out", "a", "--platforms", "abacus"),
            "not 'abacus'",
        ),
        (("train", "style", "empty", "--style", "x.png", *WORDS), "holds no image"),
        (("train", "style", "photos", "--style", "x.png,x.png", *WORDS), "own"),
        (("train", "style", "photos", "--style", "no.png", *WORDS), "No such file"),
        (
            ("train", "style", "photos", "--style", "tiny.png", "--style-scale", "0.05", *WORDS),
            "too small",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(work, capsys, words, message):
    (work / "empty").mkdir(exist_ok=True)
    (work / "bad").mkdir(exist_ok=True)
    (work / "bad/a.png").write_bytes(b"nothing")
    write_image(work / "tiny.png", np.zeros((2, 2, 3), np.float32))
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("jaxvis: error:")
    assert jax.device_count() and "Traceback" not in error
