"""Every command that writes a record is run again from it, and makes the same bytes."""

import json
from pathlib import Path

import numpy as np
import pytest
from rerun_cases import CASES, STACK
from style_commands import interrupt_second_step, make_folder, run

from jaxvis.cli import COMMANDS, demo
from jaxvis.cli.progress import Progress
from jaxvis.cli.rerun_call import NO_RECORD
from jaxvis.output.io import write_image


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Returns a folder: photographs (one is broken), a style network, means of taps."""
    work = make_folder(tmp_path_factory.mktemp("rerun"))
    (work / "large").mkdir()
    for i in range(4):
        write_image(work / f"large/{i}.png", np.random.default_rng(i).random((40, 40, 3)))
    for i, name in enumerate(("red", "blue")):
        (work / "classes" / name).mkdir(parents=True)
        for j in range(2):
            pixels = np.random.default_rng(2 * i + j).random((20, 20, 3))
            write_image(work / f"classes/{name}/{j}.png", pixels)
    means = {f"relu{i}_1": np.full(16 * i, 2.0, np.float32) for i in (1, 2)}
    np.savez(work / "means.npz", **means)
    return work


@pytest.fixture(autouse=True)
def inside(work, monkeypatch):
    monkeypatch.setenv("JAXVIS_HOME", str(work / "home"))
    monkeypatch.chdir(work)
    # Of the demo's 16-layer network only what compiles in seconds.
    monkeypatch.setattr(demo, "LAYERS", ("relu1_1",))
    monkeypatch.setattr(demo, "SIDE", 16)


@pytest.mark.slow
def test_no_command_is_left_out():
    told = "add a tiny call of the command to tests/rerun_cases.py, or the command to NO_RECORD"
    assert set(COMMANDS) == {*CASES, *NO_RECORD}, told
    assert not {*CASES} & {*NO_RECORD}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_command_runs_again_from_its_record(name, work, capsys):
    if name == "ranvgg invert":
        assert run(*STACK, "--out", "stack") == 0
    made, again = (Path(word + name.replace(" ", "-")) for word in ("first-", "again-"))
    assert run(*CASES[name], "--out", made) in (0, 1)  # a picture of two steps may be dead
    records = sorted(made.glob("*record.json"))
    capsys.readouterr()
    assert run("rerun", records[0], "--out", again) == 0
    said = capsys.readouterr().out
    files = {name for record in records for name in json.loads(record.read_text())["files"]}
    assert (
        files
        and f"all {len(files)} files are the same, byte for byte" in said
        or (len(files) == 1 and "the one file is the same" in said)
    )
    for file in files:
        assert (made / file).read_bytes() == (again / file).read_bytes()
    # Nothing that was written is left out, but what says when it was written.
    others = ("record.json", "class_record.json", "invert_record.json", "progress.json")
    written = {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()}
    assert written - files <= {*others, "training.checkpoint"}


@pytest.mark.slow
def test_a_sheet_that_is_one_file_is_one_file_again(work, capsys):
    assert run(*CASES["bias"], "--out", "sheet.png") == 0
    assert run("rerun", "sheet.json", "--out", "sheet again") == 0
    assert Path("sheet again/sheet.png").read_bytes() == Path("sheet.png").read_bytes()
    assert "the one file is the same" in capsys.readouterr().out


@pytest.mark.slow
def test_a_sweep_that_went_on_runs_again_as_a_whole(work, monkeypatch, capsys):
    keep, calls = Progress.keep, []

    def stop_once(self, *arguments, **options):
        keep(self, *arguments, **options)
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    words = ("sweep", "demo", "--classes", "0:3", "--steps", 2, "--chunk", 1, "--out", "half")
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "keep", stop_once)
        assert run(*words) == 130
    assert run("rerun", "half/record.json", "--out", "half again") == 0
    said = capsys.readouterr()
    assert "only what was finished is compared" in said.err
    assert "the one file is the same" in said.out
    assert run(*words, "--resume") == 0
    assert run("rerun", "half/record.json", "--out", "whole again") == 0
    assert "all 4 files are the same" in capsys.readouterr().out  # the contact sheet too


@pytest.mark.slow
def test_a_training_that_went_on_runs_again_as_a_whole(work, monkeypatch, capsys):
    words = (*CASES["train style"], "--out", "trained")
    with monkeypatch.context() as patch:
        interrupt_second_step(patch)
        assert run(*words) == 130
    assert run("rerun", "trained/record.json") == 2
    assert "finish it with --resume first" in capsys.readouterr().err
    assert run(*words, "--resume") == 0
    # Made longer, it is what a longer training would have been.
    assert run(*words, "--resume", "--steps", 3) == 0
    assert run("rerun", "trained/record.json", "--out", "trained again") == 0
    assert "all 4 files are the same" in capsys.readouterr().out


@pytest.mark.slow
def test_an_export_writes_no_record(work):
    from rerun_cases import STYLE_NET

    words = ("export", STYLE_NET, "--style", 1, "--size", 16, "--platforms", "cpu")
    Path("exported").mkdir()
    assert run(*words, "--out", "exported/x.jax") == 0
    assert [path.name for path in Path("exported").iterdir()] == ["x.jax"]
