"""The command style, on the embedded network."""

import json

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.output.io import read_image, read_sample_photo, write_image
from jaxvis.types import Interrupted, Status

TAPS = ("--content-tap", "relu2_1", "--style-tap", "relu1_1,relu2_1")
FAST = (*TAPS, "--optimizer", "adam", "--steps", 2, "--size", 32)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Runs in an empty folder, with a cache of its own."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(*words):
    return main(["style", "demo", *(str(word) for word in words)])


def read_record(folder):
    return json.loads((folder / "record.json").read_text())


@pytest.mark.slow
def test_style_mixes_two_and_keeps_the_recipe(elsewhere):
    white = np.ones((8, 8, 3), np.float32)
    for name, image in (("a.png", read_sample_photo("rocket", size=40)), ("white.png", white)):
        write_image(elsewhere / name, image)
    words = ("--mix", "1,3", "--masks", "white.png,white.png", "--beta", 5, *FAST)
    assert run("chelsea", "a.png", "coffee", *words) == 0
    folder = elsewhere / "jaxvis-style"
    record = read_record(folder)
    assert record["recipe"]["beta"] == 5 and record["recipe"]["alpha"] == 1
    assert record["recipe"]["optimizer"] == "adam"
    assert record["pictures"][0]["styles"] == ["a.png", "coffee"]
    assert read_image(folder / "chelsea_a_0.png").shape == (32, 32, 3)
    # Cells fit the picture, not a style of 600 pixels.
    assert max(read_image(folder / "contact.png").shape) < 300


@pytest.mark.slow
def test_pmci_names_its_post_filter(elsewhere):
    words = ("--preset", "pmci", *TAPS[:2], "--style-tap", "relu1_1", "--size", 32, "--steps", 2)
    assert run("chelsea", "coffee", *words, "--out", "art.png") == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["art.json", "art.png"]
    assert json.loads((elsewhere / "art.json").read_text())["recipe"]["denoise"] == 0.2


def test_ctrl_c_keeps_the_picture_and_exits_130(elsewhere, monkeypatch, capsys):
    from jaxvis.methods.style import style as module

    solve = module.solve

    def interrupt(*arguments, **options):
        run = solve(*arguments, **options)
        raise Interrupted(run._replace(status=np.full(1, Status.UNFINISHED, np.int8)))

    monkeypatch.setattr(module, "solve", interrupt)
    assert run("chelsea", "coffee", *FAST, "--scales", 2) == 130
    folder = elsewhere / "jaxvis-style"
    assert read_image(folder / "chelsea_coffee_0.png").shape == (23, 23, 3)
    assert read_record(folder)["pictures"][0]["status"] == "unfinished"
    assert "interrupted" in capsys.readouterr().err


def test_a_style_too_small_for_a_layer_is_refused(elsewhere, capsys):
    write_image(elsewhere / "thin.png", np.zeros((200, 1, 3), np.float32))
    assert run("coffee", "thin.png", *FAST) == 2
    error = capsys.readouterr().err
    assert "style image 0 of " in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name at least one style"),
        (("gone.png",), "gone.png"),
        (("rocket",), "has no tap 'relu5_1'"),
        (("rocket", *FAST, "--mix", "a"), "is no list of weights"),
        (("rocket", *FAST, "--mix", "1,2"), "mix has 2 weights for 1 styles"),
        (("rocket", *FAST, "--alpha", "nan"), "--alpha goes from 0"),
        (("rocket", *FAST, "--beta", "-1"), "--beta goes from 0"),
        (("rocket", *FAST, "--noise", "2"), "--noise goes from 0 to 1"),
        (("rocket", *FAST, "--style-scale", "nan"), "--style-scale goes above 0"),
        (("rocket", *FAST, "--scales", "0"), "--scales goes from 1"),
        (("rocket", *FAST, "--tile", "0"), "--tile goes from 1"),
        (("rocket", *FAST, "--size", "x"), "is no size"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words, message, capsys):
    assert run("coffee", *words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words", [("--preset", "monet"), ("--colour", "sepia"), ("--optimizer", "sgd")], ids=str
)
def test_unknown_words_are_refused_with_the_known_ones(words, elsewhere, capsys):
    assert run("coffee", "rocket", *words) == 2
    assert words[0] in capsys.readouterr().err and not list(elsewhere.iterdir())
