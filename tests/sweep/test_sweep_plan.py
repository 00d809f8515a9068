"""A plan says what will be made, and reads back as it was written."""

import json
from dataclasses import replace

import pytest

from jaxvis.sweep.plan import Plan, Shard, Source
from jaxvis.sweep.plan_file import hash_plan, list_differences, read_plan, write_plan
from jaxvis.sweep.ranges import read_ranges, write_ranges
from tests.sweep.sweeps import PHOTOS, plan_demo


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((3,), "3"), ((0, 1, 2, 7), "0:3,7"), ((5, 4, 3), "5,4,3"), ((9, 0, 1), "9,0:2")],
)
def test_ranges(numbers, text):
    assert write_ranges(numbers) == text and read_ranges(text) == numbers


@pytest.mark.parametrize("method", ["maximize", "invert", "explain"])
def test_a_plan_reads_back_as_it_was(tmp_path, method):
    units = [("relu2_1", ())] if method == "invert" else [(None, (0, 2, 3))]
    photos = None if method == "maximize" else PHOTOS
    settings = {} if method == "explain" else {"steps": [2, 3]}
    plan = plan_demo(method, units, photos=photos, settings=settings)
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan


def test_the_items_of_a_shard_are_photographs_times_indices():
    shard = Shard("a", None, (4, 7), ("x.png", "y.png"), (8, 8), {})
    assert shard.items == [("x.png", 4), ("x.png", 7), ("y.png", 4), ("y.png", 7)]
    plan = Plan("explain", Source("demo"), (shard,), seeds=3)
    assert plan.count == plan.count_of(shard) == 12


def test_a_plan_is_one_line_however_long_it_is():
    plan = plan_demo(units=[("conv2_1", tuple(range(10)))], shard=2)
    assert repr(plan) == "Plan(maximize of demo: 10 pictures in 5 shards)"


def test_where_files_are_and_what_was_estimated_changes_no_hash():
    plan = plan_demo()
    moved = replace(plan, network=replace(plan.network, weights="elsewhere.pth"))
    assert hash_plan(moved) == hash_plan(plan)
    assert hash_plan(replace(plan, estimate={"seconds": 3.0})) == hash_plan(plan)
    for other in (
        replace(plan, seeds=2),
        replace(plan, network=replace(plan.network, sha256="0" * 64)),
        replace(plan, shards=plan.shards[:-1] or (replace(plan.shards[0], indices=(0,)),)),
    ):
        assert hash_plan(other) != hash_plan(plan)


def test_differences_are_named():
    old = {"seeds": 2, "network": {"sha256": "aa"}, "shards": [1, 2]}
    new = {"seeds": 4, "network": {"sha256": "bb"}, "shards": [1]}
    assert list_differences(old, new) == [
        "seeds: 2, now 4",
        "network.sha256: aa, now bb",
        "shards: 2 of them, now 1",
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "shards": [{"name": 3}]}', "\xff"]
)
def test_what_is_no_plan_is_refused(tmp_path, text):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="p.json is no plan of a sweep"):
        read_plan(path)


def test_a_plan_of_a_later_version_is_refused(tmp_path):
    write_plan(tmp_path / "p.json", plan_demo())
    found = json.loads((tmp_path / "p.json").read_text()) | {"schema": 99}
    (tmp_path / "p.json").write_text(json.dumps(found))
    with pytest.raises(ValueError, match="schema 99, this jaxvis reads up to 1: update it"):
        read_plan(tmp_path / "p.json")
