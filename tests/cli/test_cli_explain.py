"""`jaxvis explain`, `saliency`, `guided`, `cam`, `occlude` and `compare`."""

import json
from typing import get_args

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.cli import choices, explain, explaining, main
from jaxvis.nets.demo.images import draw
from jaxvis.output.io import read_image, write_image


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """Makes a photograph in the current folder, and returns the folder."""
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    monkeypatch.chdir(tmp_path)
    red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    write_image(tmp_path / "x.png", np.asarray(red))
    return tmp_path


def test_every_method_of_the_command_line_is_a_function():
    methods = get_args(choices.ExplainMethod)
    assert set(get_args(choices.CamMethod)) | set(get_args(choices.GradientMethod)) <= set(methods)
    for name in methods:
        assert explaining.find_method(name) is getattr(jaxvis, name.replace("-", "_"))
    assert {*explain.LAYERED, *explain.SAMPLED, *explaining.DOTTED} - {
        *methods,
        "conductance",
        "expected-gradients",
    } == set()


def test_a_page_shows_each_class_with_its_probability(photo, capsys):
    assert main("cam demo x.png --index red,blue --out found".split()) == 0
    assert "1 page, record" in capsys.readouterr().out
    record = json.loads((photo / "found/record.json").read_text())
    about = record["pictures"][0]
    assert len(about["indices"]) == 2 and about["captions"][0].startswith("red")
    net, params = jaxvis.load("demo")
    scores = np.asarray(net.code(params, read_image(photo / "x.png"), net.scores), float)
    share = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    assert f"{100 * share[about['indices'][0]]:.1f} %" in about["captions"][0]
    # The photograph and two maps stand side by side, with their captions below.
    page = read_image(photo / "found/grad-cam.png")
    assert page.shape[1] == 3 * 192 + 4 * 8 and page.shape[0] > 192
    assert list(record["inputs"]) == ["x.png"] and record["command"] == "cam"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("explain demo x.png --method lrp --samples 3", "lrp has no --samples"),
        ("explain demo x.png --method saliency --layer relu1_1", "takes no --layer"),
        ("cam demo x.png --index redd", "did you mean red"),
        ("cam demo x.png --index 99", "there is no class 99"),
        ("cam demo x.png --top 0", "--top goes from 1"),
        ("saliency demo x.png --tap relu1_1", "pass --index"),
        ("saliency demo x.png --position centre", "pass --tap too"),
        ("saliency demo x.png --tap relu9_9 --index 1", "has no tap 'relu9_9'"),
        ("occlude demo x.png --patch 500", "500"),
        ("compare demo x.png --methods grad-cam,gradcam", "no method 'gradcam'"),
        ("compare demo x.png --top 2", "compare explains one class"),
        ("explain demo nothing.png", "nothing.png"),
    ],
)
def test_what_cannot_be_explained_is_told_in_one_line(photo, capsys, words, said):
    assert main(words.split()) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and said in told[0]
    assert not (photo / "jaxvis-explain").exists()


def test_le_grad_is_for_networks_with_attention_and_for_no_neuron(photo, capsys):
    words = "explain demo x.png --method le-grad --index 1"
    assert main(f"{words} --out none".split()) == 2
    assert "has no attention" in capsys.readouterr().err
    assert main(f"{words} --tap relu1_1 --position centre --out neuron".split()) == 2
    assert "leave --position out" in capsys.readouterr().err


def test_a_map_without_heat_never_ends_well(photo, capsys, monkeypatch):
    dark = lambda net, params, image, **what: np.zeros((len(what["index"]), 64, 64))  # noqa: E731
    monkeypatch.setattr(explaining, "find_method", lambda name: dark)
    assert main("saliency demo x.png --out dark.png".split()) == 1
    assert "no heat anywhere" in capsys.readouterr().out


@pytest.mark.slow
def test_all_methods_are_compared_on_one_page(photo, capsys):
    assert main("compare demo x.png --out all".split()) == 0
    said = capsys.readouterr().out
    record = json.loads((photo / "all/record.json").read_text())["pictures"][0]
    made = {row["method"] for row in record["methods"]}
    assert {"saliency", "grad-cam", "lrp", "occlusion", "rise"} <= made
    assert all(0 <= row["deletion"] <= 1 for row in record["methods"])
    assert "attention-rollout is left out" in said and "grad-cam  " in said
