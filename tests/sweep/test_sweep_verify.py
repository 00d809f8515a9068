"""Verify finds any flipped byte, and mend removes just what must be made again."""

import json
import os
import time

import pytest

from jaxvis.cli import main
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.seals import check_seal, seal_record
from jaxvis.sweep.store import encode_json, open_store
from jaxvis.sweep.verify import mend_store, verify_store
from tests.sweep.stores import change_seeds, commit, make_rows, make_store, plan_shards


def list_faults(store):
    return {(fault.path, fault.what) for fault in verify_store(store).faults}


def test_nothing_is_wrong_with_a_store_as_it_was_written(tmp_path):
    store, plan = make_store(tmp_path / "D", which={0, 2})
    told = []
    found = verify_store(store, tell=told.append)
    assert (found.shards, found.planned, found.faults, found.damaged) == (2, 3, (), ())
    assert found.files == 1 + 2 * (4 + 2) and found.size > 8 * 200
    assert [one.shard for one in told] == [plan.shards[0].name, plan.shards[2].name]


def test_every_flipped_byte_is_found(tmp_path):
    plan = plan_shards(1, units=1, seeds=1)
    store, _ = make_store(tmp_path / "D", plan)
    for place in ("shards", "records"):
        for path in sorted((tmp_path / "D" / place).rglob("*.*")):
            whole = path.read_bytes()
            for at in range(len(whole)):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
                assert verify_store(store).damaged == (plan.shards[0].name,), (path, at)
            path.write_bytes(whole)
    assert not verify_store(store).faults


def test_a_record_without_a_sum_is_checked_for_its_layout():
    data = encode_json({"schema": 1, "shard": "a", "rows": [], "files": {}})
    assert check_seal(data) and not check_seal(data.replace(b": ", b":\t", 1))
    sealed = seal_record({"schema": 1, "shard": "a", "files": {}})
    assert check_seal(sealed) and not check_seal(sealed.replace(b'"sum"', b'"sun"'))
    assert not check_seal(b"[]") and not check_seal(b"{")


def test_missing_and_extra_files_are_found(tmp_path):
    store, plan = make_store(tmp_path / "D")
    root, (first, second, third) = tmp_path / "D", [shard.name for shard in plan.shards]
    (root / f"shards/{first}/conv1_1_0000_0.png").unlink()
    (root / f"shards/{second}/other.png").write_bytes(b"")
    (root / f"times/{third}.json").unlink()
    (root / "records/99999_x.json").write_text("{}")
    (root / "shards/letter.txt").write_text("dear")
    assert list_faults(store) == {
        (f"shards/{first}/conv1_1_0000_0.png", "is missing"),
        (f"shards/{second}/other.png", "is not of this shard"),
        (f"times/{third}.json", "is missing"),
        ("records/99999_x.json", "is of no shard of the plan"),
        ("shards/letter.txt", "is of no shard of the plan"),
    }
    assert verify_store(store).damaged == (first, second, third)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"shard": "x", "rows": [1], "files": {}}'])
def test_a_damaged_record_is_found(tmp_path, text):
    store, plan = make_store(tmp_path / "D")
    name = plan.shards[1].name
    (tmp_path / f"D/records/{name}.json").write_text(text)
    assert (f"records/{name}.json", "is damaged") in list_faults(store)


def test_a_record_that_leads_out_of_its_shard_is_damaged(tmp_path):
    store, plan = make_store(tmp_path / "D")
    shard = plan.shards[0]
    (tmp_path / "secret").write_text("x")
    for path in ("../secret", f"shards/{shard.name}/../../../secret", f"shards/{shard.name}/.a"):
        record = {"schema": 1, "shard": shard.name, "rows": [], "files": {path: "0" * 64}}
        (tmp_path / f"D/records/{shard.name}.json").write_bytes(seal_record(record))
        assert list_faults(store) >= {(f"records/{shard.name}.json", "is damaged")}


def test_too_few_rows_and_rows_of_other_pictures_are_found(tmp_path):
    store, plan = make_store(tmp_path / "D")
    commit(store, plan, plan.shards[0], make_rows(plan, plan.shards[0])[:1])
    path = f"records/{plan.shards[0].name}.json"
    assert list_faults(store) == {(path, "has 1 rows, 4 were planned")}


def test_one_shard_of_another_plan_is_that_shards_fault(tmp_path):
    store, plan = make_store(tmp_path / "D")
    other = change_seeds(plan)
    shard = plan.shards[1]
    commit(store, other, shard, make_rows(plan, shard))
    assert list_faults(store) == {(f"records/{shard.name}.json", "was made by another plan")}


def test_another_plan_under_all_shards_is_the_plans_fault_and_nothing_is_removed(tmp_path):
    store, plan = make_store(tmp_path / "D")
    path = tmp_path / "D/plan.json"
    text = json.loads(path.read_text())
    path.write_text(json.dumps(text | {"seed": 1}))
    assert list_faults(store) == {
        ("plan.json", "is another plan than the one that 3 shards were made by")
    }
    with pytest.raises(ValueError, match="plan.json is not the plan that the shards were made by"):
        mend_store(store)
    assert len(store.list_done()) == 3
    path.write_text("{")
    with pytest.raises(ValueError, match="is no plan of a sweep"):
        verify_store(store)


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_mend_removes_what_must_be_made_again(tmp_path, place, request):
    if place == "memory":
        pytest.importorskip("fsspec")
    store, plan = make_store(tmp_path / "D" if place == "folder" else "memory://mend")
    first, second, third = (shard.name for shard in plan.shards)
    picture = f"shards/{first}/conv1_1_0001_1.png"
    store.files.write(picture, store.files.read(picture) + b"x")
    store.files.write(f"shards/{second}/extra.png", b"")
    if place == "folder":
        store.files.write("shards/stranger/extra.png", b"")
        part = tmp_path / f"D/shards/.{third}.123.part"
        part.mkdir()
        assert verify_store(store).unfinished == (str(part),)
    found = mend_store(store)
    assert found.damaged == (first, second) and store.list_done() == [third]
    if place == "folder":
        assert not part.exists() and str(part) in found.removed
    again = verify_store(store)
    assert again.faults == () and set(again.unfinished) == {f"shards/{first}", f"shards/{second}"}
    for shard in plan.shards[:2]:
        commit(store, plan, shard)
    assert verify_store(store).faults == ()


def test_a_store_that_is_written_is_not_mended(tmp_path):
    store, _ = make_store(tmp_path / "D")
    with hold_sweep(tmp_path / "D"):
        with pytest.raises(ValueError, match="is writing into"):
            mend_store(store)


def test_the_command_lists_faults_and_says_what_to_do(tmp_path, capsys):
    store, plan = make_store(tmp_path / "D")
    words, name = ["sweep", "verify", str(tmp_path / "D")], plan.shards[0].name
    assert main(words) == 0 and "nothing is wrong" in capsys.readouterr().out
    (tmp_path / f"D/shards/{name}/conv1_1_0000_1.png").write_bytes(b"")
    assert main(words) == 1
    said = capsys.readouterr()
    assert f"shards/{name}/conv1_1_0000_1.png is damaged: its sha256 is another" in said.out
    assert "1 fault, 1 shard to make again" in said.out and "--mend removes them" in said.err
    assert main([*words, "--mend"]) == 0
    assert "sweep resume" in capsys.readouterr().err and len(store.list_done()) == 2
    assert main(["sweep", "verify", str(tmp_path)]) == 2
    assert "holds no plan.json" in capsys.readouterr().err


def test_ten_thousand_files_are_verified_quickly(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    plan = plan_shards(100, units=10, seeds=10)
    store, _ = make_store(tmp_path / "D", plan)
    began = time.perf_counter()
    assert verify_store(open_store(tmp_path / "D")).files == 1 + 100 * 102
    assert time.perf_counter() - began < 20
