"""The command dream, on the embedded network."""

import importlib
import json

import pytest

from jaxvis.cli import main
from jaxvis.output.io import read_image
from jaxvis.types import Interrupted

FAST = ("--tap", "relu1_1", "--octaves", "2", "--steps", "1")


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*words):
    return main(["dream", "demo", *map(str, words)])


@pytest.mark.slow
def test_a_dream_keeps_the_size_asked_for(elsewhere, capsys):
    assert run("rocket", *FAST, "--size", "16x24") == 0
    folder = elsewhere / "jaxvis-dream"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["contact.png", "progress.json", "record.json", "relu1_1_0.png"]
    assert read_image(folder / "relu1_1_0.png").shape == (16, 24, 3)
    record = json.loads((folder / "record.json").read_text())
    assert record["steps"] == 2 and record["arguments"]["jitter"] == 32
    assert record["status"] == [["done"]] and "1 picture" in capsys.readouterr().out


@pytest.mark.slow
def test_one_dream_may_be_one_file(elsewhere):
    words = ("rocket", *FAST, "--size", 16)
    assert run(*words, "--out", "art.png") == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["art.json", "art.png"]
    assert run(*words, "--out", "art.png") == 2
    assert run(*words, "--out", "two.png", "--seeds", 2) == 2


@pytest.mark.slow
def test_an_interrupted_dream_is_saved_and_exits_130(elsewhere, monkeypatch, capsys):
    module = importlib.import_module("jaxvis.methods.dream")
    solve, calls = module.solve, []

    def interrupt_second(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise Interrupted
        return solve(*arguments, **options)

    monkeypatch.setattr(module, "solve", interrupt_second)
    assert run("rocket", *FAST, "--size", 16, "--out", "art.png") == 130
    assert read_image(elsewhere / "art.png").shape == (11, 11, 3)  # the smaller octave
    record = json.loads((elsewhere / "art.json").read_text())
    assert [one["status"] for one in record["pictures"]] == ["unfinished"]
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("chelsea", "--tap", "relu9"), "has no tap 'relu9'"),
        (("gone.png", "--tap", "relu2_1"), "gone.png"),
        (("chelsea", *FAST, "--size", "big"), "'big' is no size"),
        (("chelsea", "--tap", "relu2_1", "--octave-scale", "1"), "--octave-scale goes above 1"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words, message, capsys):
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
