"""A command's work in parts: written one by one, kept, and made again where it is missing."""

import json

import numpy as np
import pytest

from jaxvis.cli.flags import ResumeFlags, WatchFlags
from jaxvis.cli.ledger import NAME, open_ledger
from jaxvis.cli.parts import Part, Saving, cut_seeds, make_parts
from jaxvis.cli.saving import save_run
from jaxvis.optimize.watch import Watch
from jaxvis.output.io import read_image
from jaxvis.types import Interrupted, Run, Status

FLAGS = {"net": "demo", "steps": 3, "out": "x", "chunk": None}
DONE, FAILED, UNFINISHED = Status.DONE, Status.FAILED, Status.UNFINISHED


def a_run(*levels, status=None, size=(8, 8), steps=3):
    """Makes a Run of pictures of one grey level each."""
    image = np.stack([np.full((*size, 3), level, np.float32) for level in levels])
    loss = np.stack([np.linspace(9, level, steps, dtype=np.float32) for level in levels])
    status = np.array(status or [DONE] * len(levels), np.int8)
    facts = {"error": np.array(levels, np.float32), "steps": np.full(len(levels), 3, np.int32)}
    return Run((), image, {"loss": loss}, status, facts)


class Desk:
    """A command of two parts, of two pictures each, in a folder."""

    def __init__(self, folder, second=None):
        self.folder, self.calls = folder, []
        self.second = second or (lambda: a_run(0.7, 0.9))

    def run(self, *, resume=False, every=None, **changes):
        flags = WatchFlags(out=self.folder, resume=resume, save_every=every)
        arguments = {**FLAGS, **changes, "resume": resume, "save_every": every}
        self.ledger = open_ledger(flags, "pretend", arguments, count=4, weights="abc")
        parts = [Part(["a_0", "a_1"], self.make(0)), Part(["b_0", "b_1"], self.make(1))]
        return make_parts(self.ledger, parts, Saving(self.save, every))

    def make(self, number):
        def make(*, progress):
            self.calls.append(number)
            if isinstance(progress, Watch):
                progress.look(np.arange(2), a_run(0.1, 0.1, status=[UNFINISHED] * 2))
            return self.second() if number else a_run(0.2, 0.4)

        return make

    def save(self, run, **how):
        names = ["a_0", "a_1", "b_0", "b_1"]
        about = {"command": "pretend", "arguments": FLAGS}
        return save_run(self.ledger.output, run, names, **how, **about)

    def files(self):
        found = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        del found[NAME]
        record = json.loads(found.pop("record.json"))
        return found, {k: v for k, v in record.items() if k not in ("created", "seconds")}


def interrupt(run=None):
    raise Interrupted(run)


def test_a_command_that_went_on_leaves_the_same_as_one_that_was_not_disturbed(tmp_path, capsys):
    whole = Desk(tmp_path / "whole")
    assert whole.run() == 0
    half = Desk(tmp_path / "half", interrupt)
    assert half.run() == 130
    said = capsys.readouterr()
    assert "2 pictures of 4, contact sheet" in said.out and "2 of 4 not finished" in said.err
    before = (half.folder / "a_0.png").stat()
    half.second = whole.second
    assert half.run(resume=True) == 0
    assert "2 of 4 pictures are there already" in capsys.readouterr().out
    assert half.calls == [0, 1, 1] and half.files() == whole.files()
    assert (half.folder / "a_0.png").stat() == before
    assert half.run(resume=True) == 0 and half.calls == [0, 1, 1]


def test_what_was_unfinished_is_saved_and_made_again(tmp_path):
    unfinished = a_run(0.5, np.nan, status=[UNFINISHED] * 2, size=(4, 4))
    desk = Desk(tmp_path / "x", lambda: interrupt(unfinished))
    assert desk.run() == 130
    assert read_image(desk.folder / "b_0.png").shape == (4, 4, 3)
    pictures = json.loads((desk.folder / "record.json").read_text())["pictures"]
    assert [one["file"] for one in pictures] == ["a_0.png", "a_1.png", "b_0.png", None]
    desk.second = lambda: a_run(0.7, 0.9)
    assert desk.run(resume=True) == 0
    assert read_image(desk.folder / "b_0.png").shape == (8, 8, 3)


def test_one_seed_that_is_done_stays_though_its_part_is_made_again(tmp_path):
    desk = Desk(tmp_path / "x", lambda: interrupt(a_run(0.7, 0.1, status=[DONE, UNFINISHED])))
    assert desk.run() == 130
    before = (desk.folder / "b_0.png").stat()
    desk.second = lambda: a_run(0.7, 0.9)
    assert desk.run(resume=True) == 0
    assert (desk.folder / "b_0.png").stat() == before
    assert abs(read_image(desk.folder / "b_1.png").mean() - 0.9) < 0.01


def test_pictures_in_progress_are_saved_with_a_record(tmp_path):
    def look_and_die():
        raise RuntimeError("killed")

    desk = Desk(tmp_path / "x", look_and_die)
    with pytest.raises(RuntimeError):
        desk.run(every=5)
    assert abs(read_image(desk.folder / "b_1.png").mean() - 0.1) < 0.01
    record = json.loads((desk.folder / "record.json").read_text())
    words = [one["status"] for one in record["pictures"]]
    assert words == ["done", "done", "unfinished", "unfinished"] and record["interrupted"]
    desk.second = lambda: a_run(0.7, 0.9)
    assert desk.run(resume=True, every=7) == 0  # how often does not matter
    whole = Desk(tmp_path / "whole")
    assert whole.run() == 0 and desk.files() == whole.files()


def test_failed_pictures_are_done_and_are_not_tried_again(tmp_path):
    desk = Desk(tmp_path / "x", lambda: a_run(np.nan, 0.9, status=[FAILED, DONE]))
    assert desk.run() == 1
    first = desk.files()
    assert desk.run(resume=True) == 1 and desk.calls == [0, 1] and desk.files() == first


def test_a_picture_that_is_gone_is_made_again(tmp_path):
    desk = Desk(tmp_path / "x")
    assert desk.run() == 0
    first = desk.files()
    (desk.folder / "a_1.png").unlink()
    assert desk.run(resume=True) == 0 and desk.calls == [0, 1, 0] and desk.files() == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 4}, "was begun with --steps 3: resume with it"),
        ({"net": "vgg19", "chunk": 2}, "was begun with --net demo, --chunk None"),
    ],
)
def test_other_flags_are_refused(tmp_path, change, message):
    desk = Desk(tmp_path / "x")
    assert desk.run() == 0
    with pytest.raises(ValueError, match=message):
        desk.run(resume=True, **change)
    assert desk.run(resume=True, out="elsewhere") == 0


def test_other_commands_weights_and_folders_are_refused(tmp_path):
    desk = Desk(tmp_path / "x")
    assert desk.run() == 0
    flags = ResumeFlags(out=desk.folder, resume=True)
    with pytest.raises(ValueError, match="holds pretend, not dream"):
        open_ledger(flags, "dream", FLAGS, count=4, weights="abc")
    with pytest.raises(ValueError, match="begun with other weights"):
        open_ledger(flags, "pretend", FLAGS, count=4, weights="other")
    for out in (None, desk.folder / "a_0.png"):
        with pytest.raises(ValueError, match="name it with --out"):
            open_ledger(ResumeFlags(out=out, resume=True), "pretend", FLAGS, count=4)
    (desk.folder / NAME).unlink()
    with pytest.raises(ValueError, match=f"holds files but no {NAME}"):
        open_ledger(flags, "pretend", FLAGS, count=4)
    (desk.folder / NAME).write_text('{"done": 3')
    with pytest.raises(ValueError, match="is damaged"):
        open_ledger(flags, "pretend", FLAGS, count=4)


def test_a_folder_that_is_not_there_is_begun(tmp_path):
    desk = Desk(tmp_path / "new")
    assert desk.run(resume=True) == 0 and desk.calls == [0, 1]


def test_ctrl_c_before_anything_leaves_an_empty_folder(tmp_path):
    desk = Desk(tmp_path / "x")
    desk.make = lambda number: lambda *, progress: interrupt()
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    assert list(desk.folder.iterdir()) == []


def test_one_file_has_no_progress(tmp_path):
    flags = WatchFlags(out=tmp_path / "art.png")
    ledger = open_ledger(flags, "pretend", FLAGS, count=1)

    def save(run, **how):
        return save_run(ledger.output, run, ["a"], command="x", arguments={}, **how)

    make = Part(["a_0"], lambda *, progress: a_run(0.5))
    assert make_parts(ledger, [make], Saving(save, 2)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["art.json", "art.png"]


def test_seeds_are_cut_into_parts_of_a_chunk():
    seen = []

    def method(*, skip, progress):
        seen.append(list(skip))
        return a_run(0.1, 0.2, 0.3, 0.4, 0.5)

    names = [f"x_{seed}" for seed in range(5)]
    parts = cut_seeds(method, "x", 5, chunk=2)
    assert [list(part.names) for part in parts] == [names[:2], names[2:4], names[4:]]
    runs = [part.run(False) for part in parts]
    assert seen == [[2, 3, 4], [0, 1, 4], [0, 1, 2, 3]]
    np.testing.assert_allclose(runs[1].image[:, 0, 0, 0], [0.3, 0.4])
    (whole,) = cut_seeds(method, "x", 5, chunk=None)
    assert list(whole.names) == names and len(whole.run(False).status) == 5


def test_a_part_is_a_chunk_for_each_device(monkeypatch):
    monkeypatch.setattr("jaxvis.cli.parts.find_devices", lambda tree: [None] * 3)
    parts = cut_seeds(lambda **options: None, "x", 8, chunk=2)
    assert [list(part.rows) for part in parts] == [[0, 1, 2, 3, 4, 5], [6, 7]]


def test_whole_traces_are_kept_where_they_are_shown(tmp_path):
    ledger = open_ledger(ResumeFlags(out=tmp_path / "x"), "pretend", FLAGS, count=1)
    seen = []

    def save(run, **how):
        seen.append(run)
        return []

    part = Part(["a"], lambda *, progress: a_run(0.5, steps=7))
    make_parts(ledger, [part], Saving(save, whole=True))
    np.testing.assert_array_equal(seen[0].trace["loss"], a_run(0.5, steps=7).trace["loss"])
