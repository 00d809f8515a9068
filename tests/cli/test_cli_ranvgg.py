"""The commands ranvgg stack and ranvgg invert, on the embedded network's table."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file

import jaxvis
from jaxvis.cli import main
from jaxvis.methods.ranvgg import reconstruct, stack
from jaxvis.output.io import read_image
from jaxvis.types import Interrupted

STACK = ("--net", "demo", "--size", 16, "--networks", 4, "--candidates", 1)
STACK = (*STACK, "--steps", 3, "--stop", "relu2_1")


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*words):
    return main([str(word) for word in words])


def _record(folder):
    return json.loads((folder / "record.json").read_text())


def interrupt_call(number, function):
    """Returns the function, whose call `number` is interrupted before it begins."""
    calls = []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == number:
            raise Interrupted
        return function(*arguments, **options)

    return interrupted


@pytest.mark.slow
def test_networks_are_built_resumed_and_compared(elsewhere, capsys, monkeypatch):
    folder = elsewhere / "s"
    assert run("ranvgg", "stack", "coffee", *STACK, "--out", "s") == 0
    record = _record(folder)
    assert [layer["tap"] for layer in record["layers"]] == ["relu1_1", "relu2_1"]
    assert np.shape(record["layers"][0]["losses"]) == (4, 1)
    path = folder / "network_3.safetensors"
    whole = load_file(path)
    net, params = jaxvis.load("demo", weights=path, input_size=(16, 16))
    np.testing.assert_array_equal(params["conv2_1"]["kernel"], whole["conv2_1/kernel"])

    with monkeypatch.context() as patch:
        patch.setattr(stack, "reconstruct", interrupt_call(2, stack.reconstruct))
        assert run("ranvgg", "stack", "coffee", *STACK, "--out", "t") == 130
    assert "--resume --out t goes on" in capsys.readouterr().err
    assert [layer["tap"] for layer in _record(elsewhere / "t")["layers"]] == ["relu1_1"]
    resume = ("--out", "t", "--resume")
    assert run("ranvgg", "stack", "coffee", *STACK, *resume) == 0
    assert _record(elsewhere / "t")["layers"] == record["layers"]
    for name, array in load_file(elsewhere / "t" / path.name).items():
        np.testing.assert_array_equal(array, whole[name])
    assert run("ranvgg", "stack", "rocket", *STACK, *resume) == 2
    assert run("ranvgg", "stack", "coffee", *STACK, "--seed", 9, *resume) == 2
    said = capsys.readouterr().err
    assert "begun with other image" in said and "begun with --seed 0" in said

    words = ("--net", "demo", "--size", 16, "--kinds", "random,stacked,trained")
    words = (*words, "--stacked", "s", "--seeds", 4, "--steps", 3, "--tap", "relu2_1")
    assert run("ranvgg", "invert", "coffee", *words) == 0
    folder = elsewhere / "jaxvis-ranvgg-invert"
    kinds = ("random", "stacked", "trained")
    names = [f"{kind}_relu2_1_{seed}.png" for kind in kinds for seed in range(4)]
    assert all(read_image(folder / name).shape == (16, 16, 3) for name in names)
    for figure in ("layers", "losses", "means", "spread_distance"):
        assert (folder / f"{figure}.png").stat().st_size > 1000
    record = _record(folder)
    assert [p["kind"] for p in record["pictures"][::4]] == list(kinds)
    assert record["network"]["weights"] == "embedded"
    distance = np.array(record["facts"]["distance"])
    # Of one candidate a stack is what chance draws; a trained network is something else.
    np.testing.assert_allclose(distance[0], distance[1], rtol=1e-4)
    assert distance.shape == (3, 4) and np.all(distance[2] != distance[0])

    with monkeypatch.context() as patch:
        patch.setattr(reconstruct, "solve", interrupt_call(2, reconstruct.solve))
        assert run("ranvgg", "invert", "coffee", *words, "--out", "half") == 130
    assert "4 pictures of 12" in (said := capsys.readouterr()).out and "interrupted" in said.err
    record = _record(elsewhere / "half")
    made = [p["kind"] for p in record["pictures"] if p["file"]]
    assert made == ["random"] * 4 and len(record["pictures"]) == 12
    assert not (elsewhere / "half" / "layers.png").exists()  # no layer has all kinds


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("stack", "coffee", "--resume"), "name it"),
        (("stack", "coffee", "--stop", "relu9"), "has no tap 'relu9'"),
        (("stack", "coffee", "--candidates", 0), "--candidates goes from 1"),
        (("stack", "coffee", "--sigma", 0), "--sigma goes above 0"),
        (("stack", "gone.png"), "gone.png"),
        (("invert", "coffee", "--kinds", "best"), "not 'best'"),
        (("invert", "coffee", "--out", "art.png"), "makes a folder of files"),
        (("invert", "coffee", "--kinds", "stacked"), "needs --stacked"),
        (("invert", "coffee", "--tap", "relu9"), "has no tap 'relu9'"),
        (("invert", "coffee", "--seeds", 0, "--kinds", "random"), "--seeds goes from 1"),
        (
            ("invert", "coffee", "--kinds", "stacked", "--stacked", "."),
            "network_0.safetensors is not there",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words, message, capsys):
    assert run("ranvgg", *words, "--net", "demo", "--size", 16) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_a_word_that_is_none_is_refused_before_any_work(capsys):
    assert run("ranvgg", "stack", "gone.png", "--scheme", "x") == 2
    words = re.findall(r"\w+", capsys.readouterr().err)  # the terminal's width breaks lines
    assert "he gaussian unit" in " ".join(words)


def test_a_stacked_network_is_the_weights_of_textures_and_styles(elsewhere, capsys):
    fast = ("--net", "demo", "--size", 16, "--networks", 2, "--candidates", 2, "--steps", 2)
    assert run("ranvgg", "stack", "coffee", *fast, "--stop", "relu2_1", "--out", "s") == 0
    words = ("--preset", "ranvgg", "--optimizer", "adam", "--steps", 2)
    style = ("demo", "chelsea", "coffee", "--content-tap", "relu1_1", "--style-tap", "relu2_1")
    pixels = set()
    for number in (0, 1):
        own = (*words, "--weights", f"s/network_{number}.safetensors")
        texture = ("demo", "coffee", "--source-size", 32, "--tap", "relu1_1,relu2_1")
        assert run("texture", *texture, *own, "--out", f"t{number}.png") == 0
        assert run("style", *style, "--size", 32, *own, "--out", f"p{number}.png") == 0
        pixels |= {(elsewhere / f"{kind}{number}.png").read_bytes() for kind in "tp"}
    assert len(pixels) == 4
    capsys.readouterr()
    assert run("style", *style, *words, "--weights", "s") == 2
    assert "several files of weights (network_0.safetensors" in capsys.readouterr().err
