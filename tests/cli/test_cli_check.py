"""jaxvis check: what it prints, and how it exits."""

import jax
import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.nets.demo.images import CLASSES, draw
from jaxvis.output.io import write_image
from jaxvis.weights import file as weights_file
from jaxvis.weights.load import load, load_network


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Runs in an empty folder, and leaves JAX's settings alone."""
    monkeypatch.setattr("jaxvis.cli._setup.prepare_process", lambda: None)
    monkeypatch.chdir(tmp_path)
    image = jax.jit(lambda: draw(jax.random.key(4), CLASSES.index("red")))()
    write_image(tmp_path / "red.png", np.asarray(image))


@pytest.mark.slow
def test_a_network_that_is_read_rightly_exits_with_0(capsys):
    assert main(["check", "demo", "red.png", "--shows", "red"]) == 0
    out = capsys.readouterr().out
    assert "demo sees" in out and f"{CLASSES.index('red')} red" in out
    assert "values from 0 to 255, BGR" in out and out.endswith("Nothing looks wrong.\n")


@pytest.mark.slow
def test_weights_converted_with_a_wrong_preprocessing_exit_with_1(tmp_path, capsys):
    net, params = load("demo")
    wrong = {**params, "input": {"scale": np.full(3, 255.0), "shift": np.zeros(3)}}
    wrong["input"] = {k: v.astype(np.float32) for k, v in wrong["input"].items()}
    facts = {**load_network("demo").metadata, "preprocess": "rgb:255:0,0,0:1,1,1"}
    weights_file.save(tmp_path / "wrong.safetensors", net, wrong, facts=facts)
    words = ["check", "demo", "red.png", "--weights", "wrong.safetensors", "--shows", "red"]
    assert main(words) == 1
    out = capsys.readouterr().out
    assert "wrong.safetensors was converted with --preprocess rgb:255:0,0,0:1,1,1" in out
    assert "WARNING: " in out and "Nothing looks wrong" not in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "many.txt"], "many.txt has 21 labels and the network has 20 classes"),
        (["--labels", "few.txt"], "few.txt has 2 labels and the network has 20 classes"),
        (["--skip-first-label"], "(--skip-first-label) belongs to labels (--labels FILE)"),
        (["--shows", "mauve"], "no class named 'mauve'"),
        (["--shows", "20"], "there is no class 20: they go from 0 to 19"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_mistakes_are_told_in_one_line(words, message, tmp_path, capsys):
    (tmp_path / "many.txt").write_text("\n".join(["background", *CLASSES]))
    (tmp_path / "few.txt").write_text("a\nb\n")
    assert main(["check", "demo", "red.png", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_labels_of_a_file_name_the_classes(tmp_path, capsys):
    names = [f"kind {i}" for i in range(len(CLASSES))]
    (tmp_path / "many.txt").write_text("\n".join(["background", *names]))
    words = ["--labels", "many.txt", "--skip-first-label", "--shows", "kind-16"]
    assert main(["check", "demo", "red.png", *words]) == 0
    assert f"{CLASSES.index('red')} kind {CLASSES.index('red')}" in capsys.readouterr().out
