"""The command train style, on the embedded network."""

import json

import numpy as np
import pytest
from style_commands import WORDS, interrupt_second_step, make_folder, run

from jaxvis.train import loop


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Returns a folder: photographs (one is broken) and a network of two styles."""
    return make_folder(tmp_path_factory.mktemp("style"))


@pytest.fixture(autouse=True)
def inside(work, monkeypatch):
    monkeypatch.setenv("JAXVIS_HOME", str(work / "home"))
    monkeypatch.chdir(work)


@pytest.mark.slow
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


def test_ctrl_c_keeps_the_network_and_goes_on(work, monkeypatch, capsys):
    interrupt_second_step(monkeypatch)
    words = ("train", "style", "photos", "--style", "x.png,y.png", "--out", "half", *WORDS)
    assert run(*words, "--steps", 3) == 130
    assert "interrupted after 1 of 3 steps" in capsys.readouterr().err
    assert (work / "half/style.safetensors").exists()
    assert run(*words, "--steps", 3, "--resume") == 0
    assert json.loads((work / "half/record.json").read_text())["steps"] == 3


def test_ctrl_c_before_the_first_step_leaves_a_checkpoint(work, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_take_step", interrupt)
    words = ("train", "style", "photos", "--style", "x.png", "--out", "none", *WORDS)
    assert run(*words, "--steps", 3) == 130
    assert "interrupted after 0 of 3 steps" in capsys.readouterr().err
    assert [path.name for path in (work / "none").iterdir()] == ["training.checkpoint"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("empty", "--style", "x.png"), "holds no image"),
        (("photos", "--style", "x.png,x.png"), "own"),
        (("photos", "--style", ","), "at least one style"),
        (("photos", "--style", "no.png"), "No such file"),
        (("photos", "--style", "tiny.png", "--style-scale", "0.05"), "too small"),
        (("photos", "--style", "x.png", "--style-scale", "nan"), "--style-scale goes above 0"),
        (("photos", "--style", "x.png", "--alpha", "nan"), "--alpha goes from 0"),
        (("photos", "--style", "x.png", "--gamma", "-1"), "--gamma goes from 0"),
        (("photos", "--style", "x.png", "--resume"), "name it with --out"),
    ],
)
def test_mistakes_are_told_in_one_line(work, capsys, words, message):
    (work / "empty").mkdir(exist_ok=True)
    from jaxvis.output.io import write_image

    write_image(work / "tiny.png", np.zeros((2, 2, 3), np.float32))
    assert run("train", "style", *words, *WORDS) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("jaxvis: error:")
    assert "Traceback" not in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [("--steps", 0), ("--learning-rate", "nan"), ("--model", "x")])
def test_schedules_and_models_that_are_none_are_refused(words, capsys):
    assert run("train", "style", "photos", "--style", "x.png", *WORDS, *words) == 2
    assert words[0].strip("-").replace("-", "_") in capsys.readouterr().err.replace("-", "_")
