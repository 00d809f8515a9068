import json

import pytest

from jaxvis.site.reading import read_sweep
from jaxvis.types import Status
from tests.site.fabricate import Fabric, fabricate

SMALL = Fabric(taps=("conv1_1", "fc8"), units=3, seeds=1)


@pytest.fixture
def folder(tmp_path):
    return fabricate(tmp_path / "sweep", SMALL)


def change(folder, file, act):
    """Changes a JSON file of a folder."""
    path = folder / file
    value = json.loads(path.read_text())
    act(value)
    path.write_text(json.dumps(value))


def test_a_sweep_is_read(folder):
    sweep = read_sweep(folder)
    assert sweep.name == "demo" and sweep.total == len(sweep.rows) == 6
    row = sweep.rows[0]
    assert (row.tap, row.index, row.seed, row.status, row.size) == (
        "conv1_1",
        0,
        0,
        "done",
        (48, 48),
    )
    assert "bad" not in row.metrics and row.metrics["activation"] == -row.metrics["loss"]
    assert sweep.rows[3].judges[0].label == "tench" and not sweep.rows[0].judges
    unit = sweep.measures["conv1_1"].units[1]
    assert unit.top.side == 32 and len(unit.top.patches) == 5
    assert unit.tuning["angle"][0][:3] == (0, 15, 30)
    assert sweep.network.layers[1].reads == ("conv1_1",)


def test_measures_and_facts_may_be_missing(tmp_path):
    folder = fabricate(tmp_path / "sweep", Fabric(units=2, measured=False))
    (folder / "plan.json").unlink()
    sweep = read_sweep(folder)
    assert sweep.network is None and sweep.plan is None and not sweep.measures
    assert sweep.name == "sweep" and sweep.total == len(sweep.rows)


def test_a_running_sweep_says_how_far_it_is(tmp_path):
    sweep = read_sweep(fabricate(tmp_path / "sweep", Fabric(units=2, seeds=1, total=50)))
    assert len(sweep.rows) == 6 and sweep.total == 50


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        read_sweep(tmp_path / "nothing")
    (tmp_path / "cat.txt").write_text("miaow")
    with pytest.raises(ValueError, match="no folder of a sweep"):
        read_sweep(tmp_path)


def test_a_folder_without_a_finished_row_is_refused(tmp_path):
    (tmp_path / "records").mkdir()
    with pytest.raises(ValueError, match="no finished picture yet"):
        read_sweep(tmp_path)


def set_row(name, value):
    return lambda record: record["rows"][1].__setitem__(name, value)


@pytest.mark.parametrize("status", Status)
def test_every_end_of_an_item_is_read(folder, status):
    change(folder, "records/shard_000.json", set_row("status", status.name.lower()))
    good = (Status.DONE, Status.CONVERGED, Status.STALLED)
    said = "done" if status in good else status.name.lower()
    assert read_sweep(folder).rows[1].status == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("file", "../../etc/passwd.png", "leads out of the folder"),
        ("file", "/etc/passwd.png", "leads out of the folder"),
        ("file", "shards\\..\\x.png", "leads out of the folder"),
        ("file", "shards/evil.html", "pictures end in"),
        ("file", "shards/evil.svg", "pictures end in"),
        ("status", "fine", "status is none of"),
        ("status", None, "has no status"),
        ("index", -1, "goes from 0 up"),
        ("index", True, "not a whole number"),
        ("index", "12", "is a text"),
        ("size", [0, 48], "size is no"),
        ("metrics", {"loss": "much"}, "is a text and no number"),
        ("metrics", [1], "is a list and no object"),
        ("curve", [1, {}], "an object and no number"),
        ("judges", [{"class": 1}], "has no network"),
        ("name", 3, "a number and not a text"),
    ],
)
def test_a_bad_row_is_named(folder, name, value, said):
    change(folder, "records/shard_000.json", set_row(name, value))
    with pytest.raises(ValueError, match=said) as caught:
        read_sweep(folder)
    assert "shard_000.json, rows[1]" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("records/shard_000.json", "{", "is no JSON"),
        ("records/shard_000.json", "[1]", "is a list and no object"),
        ("records/shard_000.json", '{"schema": 9}', "reads up to 1: update it"),
        ("records/shard_000.json", '{"schema": 1}', "no record of a sweep"),
        ("records/shard_000.json", "[" * 100_000, "is no JSON"),
        ("records/shard_000.json", "\xff", "is no JSON"),
        ("network.json", '{"schema": 1, "name": "a", "labels": [1]}', "labels are texts"),
        ("plan.json", '{"schema": 1}', "plan.json is no plan of a sweep"),
        ("measures/layer0.json", '{"schema": 1, "tap": "a", "channels": "8"}', "is a text"),
    ],
)
def test_a_bad_file_is_named(folder, file, text, said):
    (folder / file).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=said) as caught:
        read_sweep(folder)
    assert file in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("near_by_weight", [[1, 2, 3]], "no \\[index, likeness\\]"),
        ("fed_by", [["conv1_1", -1, 0.5]], "no \\[tap, index, weight\\]"),
        ("histogram", {"edges": [1], "counts": [1]}, "one edge more"),
        ("tuning", {"angle": {"x": [1, 2], "y": [1]}}, "more x than y"),
        ("top", {"side": 8, "patches": []}, "has no file"),
    ],
)
def test_bad_measures_are_named(folder, name, value, said):
    act = lambda measures: measures["units"][2].__setitem__(name, value)  # noqa: E731
    change(folder, "measures/layer1.json", act)
    with pytest.raises(ValueError, match=said):
        read_sweep(folder)
