"""Commands on networks of grey images: grey files, and photographs as their luminance."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from jaxvis.cli import main
from jaxvis.cli.photographs import read_photograph
from jaxvis.output.io import read_image, read_sample_photo

LENET = ("lenet5", "--weights", "random:0")


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*words):
    return main([str(word) for word in words])


def look_at(path):
    """Returns the mode and the size of a file."""
    with Pillow.open(path) as file:
        return file.mode, file.size


@pytest.mark.slow
def test_maximize_writes_grey_files(elsewhere):
    words = ("--index", "3,5", "--recipe", "plain", "--steps", 2, "--out", "digits")
    assert run("maximize", *LENET, *words) == 0
    pictures = json.loads((elsewhere / "digits" / "record.json").read_text())["pictures"]
    assert len(pictures) == 2
    for picture in pictures:
        assert look_at(elsewhere / "digits" / picture["file"]) == ("L", (28, 28))
    assert look_at(elsewhere / "digits" / "contact.png")[0] == "RGB"


@pytest.mark.slow
def test_photographs_are_shown_as_their_luminance(elsewhere):
    words = ("--tap", "relu1,relu2", "--steps", 2, "--out", "codes")
    assert run("invert", *LENET[:1], "chelsea", *LENET[1:], *words) == 0
    files = {path.name for path in (elsewhere / "codes").glob("relu*.png")}
    assert files == {"relu1_0.png", "relu2_0.png"}
    assert look_at(elsewhere / "codes" / "relu1_0.png") == ("L", (28, 28))
    photo = read_photograph("chelsea", size=(28, 28), channels=1)
    wanted = read_sample_photo("chelsea", size=(28, 28)) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(photo[..., 0], wanted, atol=1e-6)
    sheet = read_image(elsewhere / "codes" / "contact.png")[8:36, 8:36]
    np.testing.assert_allclose(sheet, np.repeat(photo, 3, -1), atol=1 / 255)


@pytest.mark.slow
def test_images_of_other_channels_are_written_as_strips(elsewhere, capsys):
    words = ("--channels", 4, "--recipe", "plain", "--steps", 1, "--out", "strip.png")
    assert run("maximize", *LENET, *words) == 0
    assert look_at(elsewhere / "strip.png") == ("L", (4 * 28 + 3 * 2, 28))
    capsys.readouterr()
    assert run("dream", "lenet5", "chelsea", *LENET[1:], "--channels", 4, "--tap", "relu1") == 2
    error = capsys.readouterr().err
    assert "takes images of 4 channels: call the method in Python" in error
    assert error.count("\n") == 1


def test_colours_cannot_be_kept_where_there_are_none(elsewhere, capsys):
    words = ("chelsea", "coffee", "--preset", "ranvgg", "--colour", "luminance")
    taps = ("--content-tap", "relu1", "--style-tap", "relu1,relu2")
    assert run("style", "lenet5", *words, *taps, *LENET[1:]) == 2
    error = capsys.readouterr().err
    assert "lenet5 takes images of 1 channels, which have none: leave colour out" in error
    assert error.count("\n") == 1 and not list(elsewhere.iterdir())
