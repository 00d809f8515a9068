"""`jaxvis generate --resume`: a killed sweep goes on where it stopped."""

import json

import numpy as np
import pytest

from jaxvis.cli import main, progress
from jaxvis.cli.progress import Progress, begun, reopened
from jaxvis.output.io import read_image
from jaxvis.types import Run, Status

FLAGS = {"net": "demo", "steps": 2, "out": "x", "chunk": None}
FILES = ["a_0.png", "a_1.png", "b_0.png", "b_1.png"]


def chunk(*levels, status=Status.DONE):
    """Returns the Run of pictures of one grey level each."""
    image = np.stack([np.full((8, 8, 3), level, np.float32) for level in levels])
    loss = np.stack([np.array([9.0, 5.0, level], np.float32) for level in levels])
    return Run((), image, {"loss": loss, "status": np.full(len(levels), status)})


def test_progress_is_read_as_it_was_written(tmp_path):
    made = begun(tmp_path, "generate", FLAGS, FILES, weights="abc")
    made.keep((1,), chunk(0.2))
    made.keep((3,), chunk(np.nan, status=Status.FAILED))
    free = {**FLAGS, "out": "y", "chunk": 7}
    found = reopened(tmp_path, "generate", free, FILES, weights="abc")
    assert set(found.done) == {1, 3} and found.steps == 3
    assert found.seconds >= made.before and not (tmp_path / "b_1.png").exists()
    found.keep((0,), chunk(0.6))
    run = found.run(2)
    assert run.trace["status"].tolist() == [[0, 0], [2, 1]]
    np.testing.assert_allclose(run.image[0, :, 0, 0, 0], [0.6, 0.2], atol=0.5 / 255)
    assert np.isnan(run.image[1]).all()
    np.testing.assert_allclose(run.trace["loss"][0], [[9, 0.6], [9, 0.2]], rtol=1e-6)
    assert np.isnan(run.trace["loss"][1, 0]).all()


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
    begun(tmp_path, "generate", FLAGS, FILES, weights="abc").keep((0,), chunk(0.5))
    (tmp_path / "other" / "files").mkdir(parents=True)
    if "text" in change:
        (tmp_path / progress.NAME).write_text(change["text"])
    flags = {**FLAGS, "steps": change.get("steps", 2)}
    folder = tmp_path if change.get("folder", "") == "" else change["folder"]
    folder = folder and tmp_path / folder
    with pytest.raises(ValueError, match=message):
        reopened(folder, "generate", flags, FILES, weights=change.get("weights", "abc"))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)


@pytest.mark.slow
def test_a_killed_sweep_makes_what_is_missing_as_it_would_have_been(tmp_path, monkeypatch, capsys):
    words = "generate demo --index 1,2+3 --seeds 2 --side 32 --steps 2 --chunk 2"

    def files(folder):
        names = sorted(p.name for p in folder.glob("*_[01].png"))
        return {name: read_image(folder / name) for name in names}

    def record(folder):
        return json.loads((folder / "record.json").read_text())

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*words.split(), "--out", str(whole)]) == 0
    keep, seen = Progress.keep, []

    def dying(self, where, run):
        keep(self, where, run)
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


def test_mistakes_are_one_line_and_leave_an_empty_folder(tmp_path, capsys):
    words = f"generate demo --frozen --resume --out {tmp_path / 'new'}"
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert "pass decoder= too" in error and len(error.splitlines()) == 1
    assert not any((tmp_path / "new").iterdir())
