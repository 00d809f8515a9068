"""Status says how far a sweep is, how fast, and why pictures failed."""

import json
import os
import threading
import time

import pytest

from jaxvis.cli import main, sweep_status
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.status import Ended, Watch, count_rows, measure_speed, read_status
from jaxvis.sweep.store import encode_json
from tests.sweep.stores import commit, make_rows, make_store, plan_shards


def test_a_sweep_that_has_not_begun(tmp_path):
    store, _ = make_store(tmp_path / "D", which=set())
    found = read_status(store)
    assert (found.shards_done, found.shards, found.pictures) == (0, 3, 12)
    assert found.speed is None and found.seconds_left is None and not found.complete
    assert found.last is None and found.holder is None and found.ends == {}


def test_a_sweep_on_its_way(tmp_path):
    store, plan = make_store(tmp_path / "D", which={0})
    shard = plan.shards[1]
    rows = make_rows(plan, shard)
    rows[0] |= {"status": "dead"}
    rows[1] |= {"status": "failed", "why": "too\tsmall", "file": None}
    rows[2] |= {"status": "failed", "why": "", "file": None}
    rows[3] |= {"status": "failed", "why": "too\tsmall", "file": None}
    commit(store, plan, shard, rows, ended=1002.0)
    found = read_status(store)
    assert found.ends == {"done": 4, "failed": 3, "dead": 1}
    assert [(one.why, one.count, one.example) for one in found.reasons] == [
        ("too\tsmall", 2, rows[1]["name"]),
        ("the picture is not finite", 1, rows[2]["name"]),
    ]
    assert found.pictures_done == 8 and found.speed == 2.0 and found.seconds_left == 2.0
    assert found.last == Ended(shard.name, 1002.0, 2.0, "here", "local")
    assert json.loads(json.dumps(found.to_json()))["complete"] is False


def test_a_watch_reads_each_record_once_and_sees_what_is_removed(tmp_path, monkeypatch):
    store, plan = make_store(tmp_path / "D", which={0, 1})
    watch, read = Watch(store), []
    kind, real = type(store.files), type(store.files).read
    monkeypatch.setattr(kind, "read", lambda own, path: read.append(path) or real(own, path))
    assert watch.look().shards_done == 2 and len(read) == 4
    commit(store, plan, plan.shards[2])
    assert watch.look().complete and len(read) == 6
    store.files.remove(f"records/{plan.shards[0].name}.json")
    assert watch.look().shards_done == 2 and len(read) == 6


def test_damage_is_counted_and_does_not_stop_it(tmp_path):
    store, plan = make_store(tmp_path / "D")
    first, second, _ = (shard.name for shard in plan.shards)
    store.files.write(f"records/{first}.json", b"{")
    store.files.write(f"times/{second}.json", b"[]")
    found = read_status(store)
    assert found.damaged == (first,) and found.shards_done == 2 and not found.complete
    for data in (b"", b"[1]", encode_json({"rows": [{}]}), encode_json({"rows": 3})):
        assert count_rows(data) is None


def test_a_label_that_looks_like_a_status_is_not_counted():
    row = {"name": "a", "label": '"status": "done", \\"status": "', "status": "dead"}
    found = count_rows(encode_json({"schema": 1, "shard": "a", "rows": [row]}))
    assert found is not None and found.ends == {"dead": 1}
    assert count_rows(encode_json({"schema": 1, "rows": [row | {"status": "done"}]})).ends == {
        "done": 1
    }


def end(ended, seconds):
    return Ended("s", ended, seconds, "h", "e")


@pytest.mark.parametrize(
    ("times", "speed"),
    [
        ([], None),
        ([end(10, 10)], 1.0),
        ([end(10, 10), end(1000, 10)], 1.0),  # nobody worked in between
        ([end(10, 10), end(10, 10)], 2.0),  # two workers
        ([end(10, 10), end(15, 10)], 20 / 15),
        ([end(10, 0)], None),
        ([end(10, 10)] + [end(20 + k, 1) for k in range(50)], 10.0),  # the last ones count
    ],
)
def test_speed(times, speed):
    assert measure_speed(times, [10] * len(times)) == pytest.approx(speed)


def test_who_writes_is_said(tmp_path):
    store, _ = make_store(tmp_path / "D", which=set())
    with hold_sweep(tmp_path / "D", part=(2, 3)):
        assert f"process {os.getpid()} on" in str(read_status(store).holder)


def test_the_command(tmp_path, capsys):
    store, plan = make_store(tmp_path / "D", which={0, 1})
    words = ["sweep", "status", str(tmp_path / "D")]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "2 of 3 shards, 8 of 12 pictures (66%)" in said and "8 done" in said
    assert "jaxvis sweep resume" in said and "on here by local" in said
    rows = make_rows(plan, plan.shards[2], status="failed", why="bad\x1b[31m", file=None)
    commit(store, plan, plan.shards[2], rows)
    assert main(words) == 0
    said = capsys.readouterr().out
    assert r"failed 4 times: bad\x1b[31m, such as conv1_1_0004_0" in said
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ends"] == {"done": 8, "failed": 4}
    assert main(["sweep", "status", str(tmp_path)]) == 2
    assert "holds no plan.json" in capsys.readouterr().err


def test_the_command_follows_until_the_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sweep_status, "PAUSE", 0.01)
    store, plan = make_store(tmp_path / "D", which={0})

    def write():
        for shard in plan.shards[1:]:
            time.sleep(0.2)
            commit(store, plan, shard)

    writer = threading.Thread(target=write)
    writer.start()
    assert main(["sweep", "status", str(tmp_path / "D"), "--follow"]) == 0
    writer.join()
    said = capsys.readouterr().out.splitlines()
    assert "4 of 12 pictures, 1 of 3 shards" in said[0] and "8 of 12 pictures" in said[1]
    assert "3 of 3 shards, 12 of 12 pictures (100%)" in said[2]


def test_a_large_sweep_is_read_quickly(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    store, _ = make_store(tmp_path / "D", plan_shards(300, units=2, seeds=1))
    began = time.perf_counter()
    assert read_status(store).pictures_done == 600
    assert time.perf_counter() - began < 5
