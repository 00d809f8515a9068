import json

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.cli.unit_sweep import name_files
from jaxvis.optimize import step_programs
from jaxvis.output.io import read_image, write_image
from jaxvis.recipes import NATURALS
from tests.pictures import check_same_picture

pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*words):
    return main([str(word) for word in words])


@pytest.mark.slow
def test_sweep_writes_a_picture_of_every_class_and_seed(elsewhere, capsys):
    assert run("sweep", "demo", "--classes", "16,18", "--seeds", 2, "--steps", 2) == 0
    folder = elsewhere / "jaxvis-sweep"
    names = sorted(path.name for path in folder.glob("0*.png"))
    assert names == [f"0{n}_{i}.png" for n in ("16_red", "18_blue") for i in (0, 1)]
    assert read_image(folder / names[0]).shape == (64, 64, 3)
    record = json.loads((folder / "record.json").read_text())
    assert record["command"] == "sweep" and record["steps"] == 2
    assert [p["index"] for p in record["pictures"]] == [16, 16, 18, 18]
    assert {type(p["top1"]) for p in record["pictures"]} == {bool}
    out = capsys.readouterr().out
    assert "4 pictures" in out and "of 4 as their class" in out


@pytest.mark.slow
def test_the_same_sweep_again_makes_the_same_pictures(elsewhere):
    for out, chunk in (("a", 1), ("b", 3)):
        words = ("--classes", "0:3", "--steps", 2, "--chunk", chunk, "--out", out)
        assert run("sweep", "demo", *words) == 0
    for path in (elsewhere / "a").glob("0*.png"):
        other = read_image(elsewhere / "b" / path.name)
        check_same_picture(read_image(path), other)


@pytest.mark.slow
def test_maximize_names_layer_and_channel(elsewhere):
    words = ("--tap", "conv2_1", "--index", "3,5", "--position", "2,2", "--steps", 2)
    assert run("maximize", "demo", *words) == 0
    names = sorted(p.name for p in (elsewhere / "jaxvis-maximize").glob("conv*.png"))
    assert names == ["conv2_1_003_0.png", "conv2_1_005_0.png"]


def test_file_names_are_wide_enough_and_carry_labels():
    names = name_files((7, 1200), ("x",) * 8, "fc8_")
    assert names == ["fc8_0007_x", "fc8_1200"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["invert", "caricature"])
def test_layers_of_a_photograph(command, elsewhere, capsys):
    words = ("demo", "chelsea", "--tap", "relu1_1,relu2_1", "--steps", 2)
    assert run(command, *words) == 0
    folder = elsewhere / f"jaxvis-{command}"
    pictures = {p.name for p in folder.glob("*.png")}
    assert "contact.png" in pictures and len(pictures) == 3
    record = json.loads((folder / "record.json").read_text())
    assert [p["tap"] for p in record["pictures"]] == ["relu1_1", "relu2_1"]
    if command == "invert":
        assert all(0 < p["error"] < 2 for p in record["pictures"])
        assert "relu2_1: error" in capsys.readouterr().out


@pytest.mark.parametrize("preset", NATURALS)
def test_every_preset_of_invert_is_in_a_record(elsewhere, preset):
    words = ("demo", "chelsea", "--tap", "relu1_1", "--size", 16, "--steps", 2)
    assert run("invert", *words, "--preset", preset) == 0
    record = json.loads((elsewhere / "jaxvis-invert" / "record.json").read_text())
    assert record["recipe"]["optimizer"] == ("lbfgs" if preset == "lbfgs" else None)


@pytest.mark.slow
def test_several_photographs_and_fidelities_have_a_picture_each(elsewhere):
    words = ("--tap", "relu1_1", "--fidelity", "1,300", "--mask", "window:5")
    options = ("--steps", 2, "--preset", "mahendran", "--second", 1)
    assert run("invert", "demo", "chelsea", "coffee", *words, *options) == 0
    folder = elsewhere / "jaxvis-invert"
    record = json.loads((folder / "record.json").read_text())
    found = [(p["photograph"], p["C"]) for p in record["pictures"]]
    assert found == [("chelsea", 1), ("chelsea", 300), ("coffee", 1), ("coffee", 300)]
    assert (folder / "00_chelsea_relu1_1_c1_0.png").exists()
    assert len(list(folder.glob("0*.png"))) == 4


@pytest.mark.parametrize("command", ["invert", "caricature"])
def test_one_picture_goes_into_one_file(command, elsewhere, capsys):
    words = (command, "demo", "chelsea", "--tap", "relu1_1", "--steps", 2, "--out", "art.png")
    assert run(*words) == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["art.json", "art.png"]
    assert read_image(elsewhere / "art.png").shape == (64, 64, 3)
    (picture,) = json.loads((elsewhere / "art.json").read_text())["pictures"]
    assert (picture["file"], picture["status"]) == ("art.png", "done")
    assert "art.png: 1 picture\n" in capsys.readouterr().out
    assert run(*words) == 2
    assert "is there already" in capsys.readouterr().err
    assert run(*words, "--overwrite") == 0
    capsys.readouterr()
    assert run(*words[:3], "--tap", "relu1_1,relu2_1", "--out", "b.png") == 2
    assert "2 pictures: name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["invert", "caricature"])
def test_seeds_have_a_picture_each(command, elsewhere):
    words = ("demo", "chelsea", "--tap", "relu1_1", "--steps", 2, "--seeds", 2, "--chunk", 1)
    assert run(command, *words) == 0
    names = sorted(path.name for path in (elsewhere / f"jaxvis-{command}").glob("relu*.png"))
    assert names == ["relu1_1_0.png", "relu1_1_1.png"]


@pytest.mark.parametrize("command", ["invert", "caricature"])
def test_ctrl_c_keeps_the_layers_that_are_there(command, elsewhere, monkeypatch, capsys):
    step_once, calls = step_programs.step_once, []

    def step(*arguments):
        calls.append(1)
        if len(calls) == 4:  # the last step of the second layer
            raise KeyboardInterrupt
        return step_once(*arguments)

    step.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", step)
    words = ("demo", "chelsea", "--tap", "relu1_1,pool1,relu2_1", "--steps", 2)
    assert run(command, *words) == 130
    folder = elsewhere / f"jaxvis-{command}"
    record = json.loads((folder / "record.json").read_text())
    found = [(p["tap"], p["status"]) for p in record["pictures"]]
    assert found == [("relu1_1", "done"), ("pool1", "unfinished"), ("relu2_1", "unfinished")]
    assert record["pictures"][2]["file"] is None
    assert (folder / "relu1_1_0.png").exists() and (folder / "contact.png").exists()
    said = capsys.readouterr()
    assert "2 pictures of 3, contact sheet" in said.out and "2 of 3 not finished" in said.err
    assert "interrupted" in said.err and "Traceback" not in said.err


def test_ctrl_c_before_the_first_step_keeps_nothing(elsewhere, monkeypatch, capsys):
    def press(*arguments):
        raise KeyboardInterrupt

    press.trace = step_programs.step_once.trace
    monkeypatch.setattr(step_programs, "step_once", press)
    assert run("invert", "demo", "chelsea", "--tap", "relu1_1", "--steps", 2) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tap", "relu1_1,prob"), "after the softmax"),
        (("--tap", "relu1_1,relu9"), "has no tap 'relu9'"),
        (("--tap", "relu1_1,relu1_1"), "names a layer twice"),
        (("--tap", ","), "names no layer"),
        (("--tap", "relu1_1", "--steps", "0"), "--steps goes from 1"),
        (("--tap", "relu1_1", "--seeds", "0"), "--seeds goes from 1"),
        (("--tap", "relu1_1", "--chunk", "0"), "--chunk goes from 1"),
        (("--tap", "relu1_1", "--fidelity", "0"), "C must be above 0"),
        (("--tap", "relu1_1", "--fidelity", "2,2"), "names a C twice"),
        (("--tap", "relu1_1,fc8", "--mask", "window:5"), "does not fit a tap"),
        (("--tap", "relu1_1", "--mask", "centre"), "is no mask"),
        (("--tap", "relu1_1", "--rate", "fast"), "rate is 'code', 'print' or a number"),
        (("--tap", "relu1_1", "--jitter", "0"), "jitter is at least 1"),
        (("--tap", "relu1_1", "--preset", "lbfgs", "--jitter", "2"), "jitter is Algorithm 1's"),
    ],
)
def test_bad_options_of_inversions_are_refused_before_any_step(
    words, message, elsewhere, monkeypatch, capsys
):
    def never(*arguments):
        raise AssertionError("a step was taken")

    never.trace = never
    monkeypatch.setattr(step_programs, "step_once", never)
    assert run("invert", "demo", "chelsea", *words) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("words", [("--preset", "long"), ("--bits", "7"), ("--pool", "min")])
def test_words_outside_their_set_are_refused(words, elsewhere):
    assert run("invert", "demo", "chelsea", "--tap", "relu1_1", *words) == 2
    assert list(elsewhere.iterdir()) == []


def test_peaks_skip_what_is_no_image_and_say_so(elsewhere):
    folder = elsewhere / "images"
    folder.mkdir()
    write_image(folder / "a.png", np.random.default_rng(0).random((64, 64, 3)))
    (folder / "b.png").write_bytes(b"no image")
    words = ("maximize", "demo", "--tap", "conv2_1", "--recipe", "mahendran", "--steps", 2)
    assert run(*words, "--peaks", "images", "--out", "made") in (0, 1)
    kept = json.loads((elsewhere / "made" / "record.json").read_text())["peaks"]
    assert kept["images"] == 1 and list(kept["skipped"]) == ["b.png"]


def test_peaks_are_measured_once_and_kept_in_the_record(elsewhere, capsys):
    words = ("maximize", "demo", "--tap", "conv2_1", "--recipe", "mahendran")
    options = ("--index", "0:2", "--steps", 2)
    assert run(*words, *options) == 0
    record = elsewhere / "jaxvis-maximize" / "record.json"
    kept = json.loads(record.read_text())["peaks"]
    assert kept["tap"] == "conv2_1" and kept["images"] == 4
    assert len(kept["values"]) == 32 and max(kept["values"]) > 0
    assert run(*words, *options, "--peaks", record, "--out", "again") == 0
    again = json.loads((elsewhere / "again" / "record.json").read_text())["peaks"]
    assert again == kept
    capsys.readouterr()
    assert run("maximize", "demo", "--tap", "conv1_1", *words[4:], "--peaks", record) == 2
    assert "holds no peaks of 'conv1_1'" in capsys.readouterr().err
    (elsewhere / "empty").mkdir()
    assert run(*words, "--peaks", "empty") == 2
    assert "holds no image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sweep", "demo", "--classes", "19:21"), "there is no class 20"),
        (("sweep", "demo", "--size", "big"), "'big' is no size"),
        (("maximize", "demo", "--tap", "conv9"), "has no tap 'conv9'"),
        (("maximize", "demo", "--tap", "fc8", "--index", "20"), "no index 20"),
        (("maximize", "demo", "--position", "a"), "no position"),
        (("invert", "demo", "nowhere.png", "--tap", "relu1_1"), "nowhere.png"),
        (("invert", "demo", "chelsea", "--tap", "relu"), "has no tap 'relu'"),
        (("invert", "demo", "chelsea", "--tap", "prob"), "after the softmax"),
        (("invert", "demo", "--tap", "relu1_1"), "at least one photograph"),
        (("invert", "demo", "chelsea", "--tap", "relu1_1", "--fidelity", "a"), "of C"),
        (("maximize", "demo", "--peaks", "x"), "goes with --recipe mahendran"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words, message, capsys):
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
