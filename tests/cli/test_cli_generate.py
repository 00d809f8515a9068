"""`jaxvis generate --resume`: a killed sweep goes on where it stopped."""

import json

import numpy as np
import pytest

from jaxvis.cli import generate, ledger, main
from jaxvis.cli.ledger import begin_ledger, resume_ledger
from jaxvis.cli.progress import Progress
from jaxvis.cli.saving import Output
from jaxvis.generators.deep import DeepGenerator
from jaxvis.output.io import read_image
from jaxvis.types import Run, Status

FLAGS = {"net": "demo", "steps": 2, "out": "x", "chunk": None}
NAMES = ["a_0", "a_1", "b_0", "b_1"]


def begin(output, command, arguments, names, **facts):
    return Progress(begin_ledger(output, command, arguments, **facts), names)


def resume(folder, command, arguments, names, **facts):
    return Progress(resume_ledger(folder, command, arguments, bits=8, **facts), names)


def chunk(*levels, status=Status.DONE):
    """Returns the Run of pictures of one grey level each."""
    image = np.stack([np.full((8, 8, 3), level, np.float32) for level in levels])
    loss = np.stack([np.array([9.0, 5.0, level], np.float32) for level in levels])
    facts = {"chunk": np.full(len(levels), 2, np.int32)}
    return Run((), image, {"loss": loss}, np.full(len(levels), status, np.int8), facts)


def test_progress_is_read_as_it_was_written(tmp_path):
    made = begin(Output(tmp_path), "generate", FLAGS, NAMES, weights="abc")
    made.keep((1,), chunk(0.2), judge=lambda number, image: {"rank": number})
    made.keep((3,), chunk(np.nan, status=Status.FAILED))
    made.keep((2,), chunk(0.4, status=Status.UNFINISHED))
    free = {**FLAGS, "out": "y"}
    found = resume(tmp_path, "generate", free, NAMES, weights="abc")
    assert set(found.done) == {1, 3} and (found.steps, found.chunk) == (3, 2)
    assert found.ledger.seconds >= made.ledger.before and not (tmp_path / "b_1.png").exists()
    found.keep((0,), chunk(0.6))
    about = {"command": "generate", "arguments": FLAGS}
    items = [{"index": "1"}, {"index": "2"}]
    pictures = found.finish(["a", "b"], seeds=2, captions=["a", "b"], items=items, **about)
    assert [p["file"] for p in pictures] == ["a_0.png", "a_1.png", None, None]
    assert [p["status"] for p in pictures] == ["done", "done", "unfinished", "failed"]
    assert pictures[1] == {
        "file": "a_1.png",
        "name": "a",
        "seed": 1,
        "status": "done",
        "index": "1",
        "rank": 1,
    }
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["pictures"] == pictures and record["chunk"] == 2
    assert record["loss"]["loss"]["first"] == [[9, 9], ["nan", 9]]
    np.testing.assert_allclose(record["loss"]["loss"]["last"][0], [0.6, 0.2], rtol=1e-6)
    sheet = read_image(tmp_path / "contact.png")
    for shade in ([0.6] * 3, [0.2] * 3, [1, 0, 1]):  # the last one stands for a failure
        assert np.any(np.all(np.isclose(sheet, shade, atol=1 / 255), axis=-1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 3}, "was begun with --steps 2: resume with it"),
        ({"weights": "other"}, "was begun with other weights"),
        ({"folder": "other"}, "holds files but no progress.json"),
        ({"folder": None}, "name it with --out"),
        ({"text": "{}"}, "is damaged"),
        ({"text": "no json"}, "is damaged"),
    ],
)
def test_another_sweep_is_not_resumed(tmp_path, change, message):
    begin(Output(tmp_path), "generate", FLAGS, NAMES, weights="abc").keep((0,), chunk(0.5))
    (tmp_path / "other" / "files").mkdir(parents=True)
    if "text" in change:
        (tmp_path / ledger.NAME).write_text(change["text"])
    flags = {**FLAGS, "steps": change.get("steps", 2)}
    folder = tmp_path if change.get("folder", "") == "" else change["folder"]
    folder = folder and tmp_path / folder
    with pytest.raises(ValueError, match=message):
        resume(folder, "generate", flags, NAMES, weights=change.get("weights", "abc"))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)


@pytest.mark.slow
def test_a_killed_sweep_makes_what_is_missing_as_it_would_have_been(tmp_path, monkeypatch, capsys):
    words = "generate demo --index 1,2+3 --seeds 2 --steps 2 --chunk 2"
    # A generator that compiles in a second.
    small = DeepGenerator(start=(4, 4, 4), stages=((4, 2),))
    monkeypatch.setattr(generate, "_open_generator", lambda decoder, side: (small, None, 20.0))

    def files(folder):
        names = sorted(p.name for p in folder.glob("*_[01].png"))
        return {name: read_image(folder / name) for name in names}

    def record(folder):
        return json.loads((folder / "record.json").read_text())

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*words.split(), "--out", str(whole)]) == 0
    keep, seen = Progress.keep, []

    def dying(self, where, run, *, judge=None):
        keep(self, where, run, judge=judge)
        seen.append([*where])
        if len(seen) == 1:
            raise RuntimeError("killed")

    monkeypatch.setattr(Progress, "keep", dying)
    with pytest.raises(RuntimeError, match="killed"):
        main([*words.split(), "--out", str(killed)])
    assert len(files(killed)) == 2 and not (killed / "record.json").exists()
    before = {p: p.stat().st_mtime_ns for p in killed.glob("*.png")}
    assert main([*words.split(), "--out", str(killed), "--resume"]) == 0
    assert seen == [[0, 1], [2, 3]]
    assert "2 of 4 pictures are there already" in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in before}
    one, two = files(whole), files(killed)
    assert len(one) == 4 and one.keys() == two.keys()
    for name, image in one.items():
        np.testing.assert_array_equal(two[name], image)
    one, two = record(whole), record(killed)
    assert one["pictures"] == two["pictures"] and one["loss"] == two["loss"]
    assert main([*words.split(), "--out", str(killed), "--resume"]) == 0
    assert len(seen) == 2  # nothing was left, the record was made again


def test_mistakes_are_one_line_and_come_before_any_folder(tmp_path, capsys):
    words = f"generate demo --frozen --resume --out {tmp_path / 'new'}"
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert "pass decoder= too" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "new").exists()
