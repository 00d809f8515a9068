"""A store holds a shard wholly or not at all, and nothing but one plan's shards."""

import json
from dataclasses import replace

import pytest

from jaxvis.sweep import places
from jaxvis.sweep.locking import find_holder, hold_sweep
from jaxvis.sweep.store import open_store
from tests.sweep.sweeps import plan_demo

ROW = {"name": "a", "status": "done"}


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    if request.param == "folder":
        return open_store(tmp_path / "D")
    pytest.importorskip("fsspec")
    return open_store(f"memory://{request.node.name}")


def test_a_shard_is_there_with_its_record(store):
    plan = plan_demo()
    store.begin(plan)
    store.begin(plan)  # goes on
    assert store.read_plan() == plan and store.list_done() == []
    store.commit("s", {"a.png": b"picture"}, {"rows": [ROW]}, {"seconds": 1.0})
    assert store.list_done() == ["s"] and list(store.read_rows()) == [ROW]
    record = store.read_record("s")
    assert list(record["files"]) == ["shards/s/a.png"]
    assert store.files.read("shards/s/a.png") == b"picture"
    store.files.remove("records/s.json")
    store.files.remove("records/s.json")
    assert store.list_done() == []


def test_another_plan_is_refused_and_the_difference_named(store):
    plan = plan_demo()
    store.begin(plan)
    with pytest.raises(ValueError, match=r"begun with another plan \(seeds: 1, now 2\)"):
        store.begin(replace(plan, seeds=2))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"holds files but no plan.json: name a new or empty"):
        open_store(tmp_path).begin(plan_demo())
    with pytest.raises(ValueError, match=r"holds no plan.json: begin with jaxvis sweep run"):
        open_store(tmp_path).read_plan()


def test_a_disk_that_is_full_leaves_no_shard(tmp_path, monkeypatch):
    store = open_store(tmp_path / "D")
    store.begin(plan_demo())

    def fail(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(places.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        store.commit("s", {"a.png": b"picture"}, {"rows": []}, {})
    monkeypatch.undo()
    assert store.list_done() == []
    assert [path.name for path in (tmp_path / "D" / "shards").iterdir()] == []


def test_a_damaged_record_names_what_mends_it(tmp_path):
    store = open_store(tmp_path / "D")
    store.begin(plan_demo())
    store.commit("s", {}, {"rows": []}, {})
    for text in ("", "{}", json.dumps({"shard": "t", "rows": []}), "[1]"):
        (tmp_path / "D" / "records" / "s.json").write_text(text)
        with pytest.raises(ValueError, match=r"s.json is damaged: jaxvis sweep verify --mend"):
            list(store.read_rows())


@pytest.mark.parametrize(
    ("url", "message"),
    [("gs://bucket/x", r'pip install "jaxvis\[gs\]"'), ("what://x", "what://x")],
)
def test_a_place_that_nothing_reaches_is_refused(url, message, monkeypatch):
    pytest.importorskip("fsspec")
    try:
        import gcsfs  # noqa: F401

        pytest.skip("gcsfs is installed")
    except ImportError:
        pass
    with pytest.raises(ValueError, match=message):
        open_store(url)


def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    with hold_sweep(tmp_path):
        holder = find_holder(tmp_path)
        assert holder is not None and holder.startswith("process ")
        for part in ((1, 1), (2, 3)):
            with pytest.raises(ValueError, match=r"process \d+ on .* is writing into"):
                with hold_sweep(tmp_path, part=part):
                    pass
    assert find_holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_parts_write_side_by_side_but_not_beside_the_whole(tmp_path):
    with hold_sweep(tmp_path, part=(1, 2)), hold_sweep(tmp_path, part=(2, 2)):
        with pytest.raises(ValueError, match="is writing into"):
            with hold_sweep(tmp_path):
                pass
        with pytest.raises(ValueError, match="is writing into"):
            with hold_sweep(tmp_path, part=(1, 2)):
                pass
    with hold_sweep(None):
        pass
