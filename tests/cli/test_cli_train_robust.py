"""The command train robust, on the embedded network."""

import json

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.cli import main
from jaxvis.nets.demo.images import CLASSES, draw
from jaxvis.output.io import write_image
from jaxvis.weights.load import labels_of

WORDS = "--size 16 --batch 4 --attack-steps 1 --validation 0.25 --epsilon 4/255"


def run(words):
    return main(f"train robust demo {words} {WORDS}".split())


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Returns a folder of drawings, by class, and one of a drawing without a class."""
    work = tmp_path_factory.mktemp("robust")
    for name, place in (("red", "drawings/red"), ("blue", "drawings/blue"), ("blue", "loose")):
        (work / place).mkdir(parents=True)
        picture = np.asarray(jaxvis.jit(lambda name=name: draw(jax.random.key(4), name))())
        for i in range(4):
            write_image(work / place / f"{i}.png", np.roll(picture, 5 * i, axis=1))
    return work


@pytest.fixture(autouse=True)
def inside(work, monkeypatch):
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    monkeypatch.chdir(work)


@pytest.mark.slow
def test_it_leaves_a_network_and_says_what_that_is_worth(work, capsys):
    assert run("drawings --steps 2 --out new") == 0
    said = capsys.readouterr().out
    assert "6 images, 2 held out" in said and "before -> after 2 steps" in said
    record = json.loads((work / "new/record.json").read_text())
    assert set(record["accuracy"]) == {
        *("clean before", "robust before", "clean after", "robust after")
    }
    assert set(record["files"]) == {"robust.safetensors", "loss.png", "loss.csv"}
    (_, old), (_, new) = jaxvis.load("demo"), jaxvis.load("demo", weights="new/robust.safetensors")
    moved = np.abs(np.asarray(old["conv1_1"]["kernel"]) - new["conv1_1"]["kernel"]).max()
    assert 1e-5 < moved < 1e-2  # two steps of Adam at 1e-3
    assert labels_of("demo", weights="new/robust.safetensors") == CLASSES
    # It goes on only as what it was begun as.
    assert run("drawings --steps 3 --out new --resume") == 2
    assert "steps" in capsys.readouterr().err
    assert run("drawings --steps 2 --out new --resume") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("loose", "named after the class"),
        ("drawings --epsilon 0", "one number above 0"),
        ("drawings --method ibp --norm l2", "bounds the norm 'linf' alone"),
        ("drawings --validation 0", "--validation is above 0 and below 1"),
        ("drawings --steps 0", "--steps goes from 1"),
        ("drawings --resume", "name it with --out"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_cure(capsys, words, said):
    assert main(f"train robust demo {WORDS} {words}".split()) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
