"""`jaxvis sweep --plan`, `sweep run` and `sweep resume`, as a user calls them."""

import json

import pytest

from jaxvis.cli import main
from jaxvis.sweep.plan_file import read_plan
from tests.sweep.sweeps import PHOTOS, read_files


def run(*words):
    return main([str(word) for word in words])


def plan(*words):
    return run("sweep", "demo", *words, "--plan", "plan.json", "--measure", "no")


def test_a_plan_is_written_run_interrupted_and_gone_on_with(elsewhere, capsys):
    words = ("--taps", "conv2_1,classes", "--index", "0:4", "--classes", "red,blue")
    assert plan(*words, "--steps", 2, "--shard", 2, "--size", 32) == 0
    said = capsys.readouterr().out
    assert "plan.json: 6 pictures in 3 shards by maximize on demo" in said
    assert "make it with: jaxvis sweep run plan.json DIR" in said
    assert run("sweep", "run", "plan.json", "whole") == 0
    assert "whole: 3 of 3 shards, 6 new pictures" in capsys.readouterr().out
    assert run("sweep", "run", "plan.json", "half", "--part", "1/2") == 0
    assert run("sweep", "resume", "half") == 0
    said = capsys.readouterr().out
    assert "2 of 3 shards are there already" in said and "half: 3 of 3 shards, 2 new" in said
    assert read_files("half") == read_files("whole")
    assert run("sweep", "resume", "half") == 0


def test_settings_have_several_values(elsewhere):
    words = ("--method", "invert", "--taps", "relu1_1,relu2_1", "--photos", PHOTOS)
    assert plan(*words, "--set", "steps=2,3; fidelity=1,1/2; recipe=short") == 0
    found = read_plan("plan.json")
    assert found.count == 2 * 4 * 4
    assert {shard.settings["fidelity"] for shard in found.shards} == {1, 0.5}
    assert list(found.photos.files) == sorted(path.name for path in PHOTOS.glob("*.jpg"))


def test_a_plan_that_is_measured_says_what_it_costs(elsewhere, capsys):
    words = ("--classes", "0:2", "--steps", 2, "--size", 32, "--plan", "plan.json")
    assert run("sweep", "demo", *words) == 0
    said = capsys.readouterr()
    assert "of disk" in said.out and "classes, 32x32" in said.err
    assert json.loads((elsewhere / "plan.json").read_text())["estimate"]["seconds"] > 0


def test_all_layers_of_maps(elsewhere):
    assert plan("--taps", "all", "--index", "0") == 0
    taps = [shard.tap for shard in read_plan("plan.json").shards]
    assert all(tap.startswith("relu") for tap in taps) and len(taps) == len(set(taps)) > 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sweep", "demo", "--taps", "conv2_1"), "--taps belongs to a plan: add --plan FILE"),
        (("sweep", "demo", "--plan", "p.txt"), "must end in .json"),
        (("sweep", "demo", "--plan", "no/p.json"), "there is no folder"),
        (("sweep", "demo", "--plan", "p.json", "--taps", "conv9"), "has no tap 'conv9'"),
        (
            ("sweep", "demo", "--plan", "p.json", "--set", "steps"),
            "is no setting: write NAME",
        ),
        (("sweep", "demo", "--plan", "p.json", "--method", "invert"), "name their folder with"),
        (("sweep", "run", "none.json", "D"), "none.json: No such file"),
        (("sweep", "resume", "D"), "D holds no plan.json"),
        (("sweep", "run", "plan.json", "D", "--part", "3/2"), "'3/2' is no part: write I/N"),
        (("sweep", "run", "plan.json", "D", "--workers", 2), "--workers is of the engines"),
        (("sweep", "run", "plan.json", "full"), "full holds files but no plan.json"),
    ],
)
def test_mistakes_are_told_in_one_line(elsewhere, capsys, words, message):
    assert plan("--classes", "0:2", "--steps", 2) == 0
    (elsewhere / "full").mkdir()
    (elsewhere / "full" / "letter.txt").write_text("dear")
    capsys.readouterr()
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (elsewhere / "D").exists() or not any((elsewhere / "D").glob("shards/*"))


def test_another_plan_and_changed_photographs_are_refused(elsewhere, capsys):
    assert plan("--classes", "0:2", "--steps", 2, "--size", 32) == 0
    assert run("sweep", "run", "plan.json", "D") == 0
    assert plan("--classes", "0:2", "--steps", 3, "--size", 32) == 0
    capsys.readouterr()
    assert run("sweep", "run", "plan.json", "D") == 2
    assert "steps: 2, now 3" in capsys.readouterr().err
