"""The command feature-maps, on the embedded network."""

import json

import pytest

from jaxvis.cli import main
from jaxvis.types import Interrupted

FAST = ("--steps", 2, "--size", 24)


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*words):
    return main(["feature-maps", "demo", *(str(word) for word in words)])


@pytest.mark.slow
@pytest.mark.parametrize("codes", ["single", "random", "ranked"])
def test_feature_maps_name_filters_and_the_filter_afterwards(codes, elsewhere):
    words = ("--tap", "relu1_1", "--index", "0,3", "--codes", codes, *FAST)
    assert run("chelsea", *words, "--styles", "coffee", "rocket") == 0
    folder = elsewhere / "jaxvis-feature-maps"
    ends = {"single": ("000", "003"), "random": ("0", "1"), "ranked": ("coffee", "rocket")}[codes]
    names = sorted(path.name for path in folder.glob("relu*.png"))
    assert names == [f"relu1_1_{end}.png" for end in ends]
    record = json.loads((folder / "record.json").read_text())
    assert record["post_filter"]["weight"] == 0.2 and record["status"] == ["done", "done"]


@pytest.mark.slow
def test_one_filter_may_be_one_file(elsewhere):
    words = ("--tap", "relu1_1", "--index", 3, *FAST, "--out", "filter.png")
    assert run("chelsea", *words) == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["filter.json", "filter.png"]


@pytest.mark.slow
def test_ctrl_c_keeps_the_layers_that_are_there(elsewhere, monkeypatch):
    from jaxvis.methods.style import feature_maps as module

    solve, calls = module.solve, []

    def interrupt_second(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise Interrupted
        return solve(*arguments, **options)

    monkeypatch.setattr(module, "solve", interrupt_second)
    assert run("chelsea", "--tap", "relu1_1,relu2_1", "--index", 3, *FAST) == 130
    folder = elsewhere / "jaxvis-feature-maps"
    assert [path.name for path in folder.glob("relu*.png")] == ["relu1_1_003.png"]
    assert (folder / "record.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tap", "relu9"), "has no tap 'relu9'"),
        (("--tap", "relu1_1", "--index", "99"), "there is no filter 99"),
        (("--tap", "relu1_1", "--codes", "ranked"), "name them with --styles"),
        (("--tap", "relu1_1", "--denoise", "nan"), "--denoise goes from 0"),
        (
            ("--tap", "relu1_1", "--codes", "random", "--concentration", "0"),
            "--concentration goes above 0",
        ),
        (
            ("--tap", "relu1_1", "--codes", "ranked", "--styles", "coffee", "coffee"),
            "names of their own",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words, message, capsys):
    assert run("coffee", *words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [("--codes", "x"), ("--rates", "x"), ("--optimizer", "x")])
def test_unknown_words_are_refused_with_the_known_ones(words, elsewhere, capsys):
    assert run("coffee", "--tap", "relu1_1", *words) == 2
    assert words[0] in capsys.readouterr().err and not list(elsewhere.iterdir())
