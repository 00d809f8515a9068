"""The command style, on the embedded network."""

import json

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.output.io import read_image, read_sample_photo, write_image
from jaxvis.types import Interrupted, Status

TAPS = ("--content-tap", "relu2_1", "--style-tap", "relu1_1,relu2_1")
FAST = (*TAPS, "--optimizer", "adam", "--steps", 2, "--size", 32)


pytestmark = pytest.mark.usefixtures("elsewhere")


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


@pytest.mark.parametrize("name", ["art.jpg", "art.webp", "art.tif"])
def test_one_picture_of_another_format_is_made_again_byte_for_byte(name, elsewhere, capsys):
    assert run("chelsea", "coffee", *FAST, "--out", name) == 0
    record = json.loads((elsewhere / "art.json").read_text())
    assert list(record["formats"]) == [name] and record["pictures"][0]["file"] == name
    assert main(["rerun", "art.json", "--out", "again"]) == 0
    assert "the one file is the same, byte for byte" in capsys.readouterr().out
    assert (elsewhere / "again" / name).read_bytes() == (elsewhere / name).read_bytes()


def test_a_picture_may_be_what_it_begins_from(elsewhere):
    write_image(elsewhere / "begin.png", read_sample_photo("rocket", size=(40, 50)))
    words = ("coffee", "chelsea", *FAST, "--steps", 1, "--scales", 1)
    for name, more in (("a.png", ()), ("b.png", ("--init", "begin.png"))):
        assert run(*words, *more, "--out", name) == 0
    first, other = (read_image(elsewhere / name) for name in ("a.png", "b.png"))
    begun = read_image(elsewhere / "begin.png", size=32)
    # One step of Adam goes 0.02 far.
    assert np.abs(other - begun).max() < 0.03 < np.abs(first - begun).mean()
    record = json.loads((elsewhere / "b.json").read_text())
    assert record["arguments"]["init"] == "begin.png" and "begin.png" in record["inputs"]


def test_the_default_has_two_scales_from_128_pixels_on(elsewhere):
    words = (*TAPS, "--optimizer", "adam", "--steps", 1)
    assert run("chelsea", "coffee", *words, "--size", 128, "--out", "a.png") == 0
    record = json.loads((elsewhere / "a.json").read_text())
    assert record["recipe"]["content_weights"] == "relative" and record["steps"] == 2
    assert record["scales"] == [[91, 91], [128, 128]]


def test_pictures_in_progress_are_saved(elsewhere, monkeypatch):
    from jaxvis.cli import parts

    written, write = [], parts.write_image
    monkeypatch.setattr(parts, "write_image", lambda *a, **o: (written.append(1), write(*a, **o)))
    assert run("chelsea", "coffee", *FAST, "--steps", 4, "--save-every", 2) == 0
    assert len(written) > 1


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
        (("rocket", *FAST, "--init", "gone.png"), "gone.png"),
        (("rocket", *FAST, "--out", "art.gif"), "a picture ends in .png, .jpg"),
        (("rocket", *FAST, "--out", "art.jpg", "--bits", "16"), "16 for PNG"),
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
