"""`jaxvis attack` and `jaxvis robustness`."""

import inspect
import json
from typing import get_args

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.attacks.choice import NORMS, choose_norm, find_attack
from jaxvis.attacks.rows import score_images
from jaxvis.cli import choices, main
from jaxvis.nets.demo.images import CLASSES, draw
from jaxvis.output.io import read_image, write_image


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """Returns a folder of drawings in folders that are named as their classes."""
    folder = tmp_path_factory.mktemp("drawings")
    for name in ("red", "rings"):
        picture = jaxvis.jit(lambda name=name: draw(jax.random.key(4), name))()
        (folder / name).mkdir()
        write_image(folder / name / "one.png", np.asarray(picture))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def photos(drawings, tmp_path, monkeypatch):
    """Puts the drawings into the current folder, a new one, and returns it."""
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(drawings)
    return tmp_path


def test_every_attack_of_the_command_line_is_a_function_with_the_same_head():
    for name in get_args(choices.AttackName):
        parameters = inspect.signature(find_attack(name)).parameters
        assert list(parameters)[:4] == ["net", "params", "images", "labels"], name
        shared = {"epsilon", "norm", "key", "chunk", "progress"}
        assert shared <= {*parameters}, (name, shared - {*parameters})


@pytest.mark.parametrize("name", get_args(choices.AttackName))
def test_the_norms_of_an_attack_are_those_that_it_does_not_refuse(name):
    known = NORMS.get(name, get_args(choices.NormName))
    assert choose_norm(name, None) in known
    net, params = jaxvis.load("demo")
    for norm in get_args(choices.NormName):
        if norm in known:
            assert choose_norm(name, norm) == norm
            continue
        with pytest.raises(ValueError, match=f"choose one of {', '.join(known)}"):
            find_attack(name)(net, params, np.zeros((8, 8, 3)), norm=norm, epsilon=0.1)
        with pytest.raises(ValueError, match=f"{name} knows no --norm {norm}"):
            choose_norm(name, norm)


def test_the_record_says_what_the_files_say_when_they_are_read_again(photos, capsys):
    words = "attack demo photos --epsilon 4/255,64/255 --steps 6 --out found"
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    record = json.loads((photos / "found/record.json").read_text())
    net, params = jaxvis.load("demo")
    assert [one["file"] for one in record["pictures"]] == [
        *("red_one_0.png", "red_one_1.png", "rings_one_0.png", "rings_one_1.png")
    ]
    for one in record["pictures"]:
        image = read_image(photos / "found" / one["file"])
        original = read_image(photos / "photos" / one["photograph"].split("_")[0] / "one.png")
        scores = score_images(net, params, image[None])[0]
        assert one["says"] == np.argmax(scores)
        # The folders are named as classes, so that these are the labels.
        assert CLASSES[one["label"]] == one["photograph"].split("_")[0]
        assert one["success"] == (one["says"] != one["label"])
        distance = np.abs(image - original).max()
        np.testing.assert_allclose(one["distance"], distance, atol=1e-6)
        assert distance <= one["epsilon"] + 1e-6
    fooled = sum(one["success"] for one in record["pictures"][1::2])
    assert f"{fooled} of 2 pictures within linf 64/255" in said and fooled > 0
    assert (photos / "found/attack.png").is_file()


def test_a_target_is_the_class_that_is_seen_in_the_end(photos):
    words = "attack demo photos/red/one.png --target blue --epsilon 0.5 --steps 20 --out art.png"
    assert main(words.split()) == 0
    record = json.loads((photos / "art.json").read_text())
    assert record["pictures"][0]["says_name"] == "blue" and record["pictures"][0]["success"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("attack demo photos/red/one.png --epsilon 8", "write 8/255"),
        ("attack demo photos/red/one.png --epsilon 0.5/255", "pass --bits 16"),
        ("attack demo photos/red/one.png --epsilon some", "such as 2/255,0.5"),
        ("attack demo photos/red/one.png --norm l2", "pass --epsilon"),
        ("attack demo photos/red/one.png --attack ddn --norm l1", "ddn knows no --norm l1"),
        ("attack demo photos/red/one.png --target redd", "did you mean red"),
        ("attack demo photos/red/one.png --label red --target red", "is the true class"),
        ("attack demo photos/red/one.png --attack fgsm --restarts 3", "fgsm has no --restarts"),
        ("attack demo photos/red/one.png --attack autoattack --target blue", "has no --target"),
        ("attack demo photos --size own", "pass --size 224"),
        ("robustness demo photos/red/one.png", "is no folder"),
        ("robustness demo photos --label blue", "none of the 2 images right"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_cure(photos, capsys, words, said):
    assert main([*words.split(), "--out", "new"]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


@pytest.mark.slow
def test_a_report_has_the_curves_the_checks_and_a_verdict(photos, capsys):
    words = "robustness demo photos --epsilon 4/255,64/255 --steps 4 --restarts 2 --queries 16"
    assert main([*words.split(), "--out", "found"]) == 0
    said = capsys.readouterr().out
    assert "2 images, 1 file skipped (notes.txt)" in said
    record = json.loads((photos / "found/record.json").read_text())["robustness"]
    assert record["clean"] == 1.0 and len(record["epsilons"]) == 2
    assert set(record["accuracy"]) == {"noise", "one step", "many steps", "scores alone"}
    assert len(record["checks"]) == 7 and record["verdict"] in said
    report = (photos / "found/robustness.md").read_text()
    assert "| many steps |" in report and "4/255 | 64/255" in report
    table = (photos / "found/robustness.csv").read_text().splitlines()
    assert table[0] == "attack,epsilon,accuracy" and len(table) == 1 + 4 * 2
