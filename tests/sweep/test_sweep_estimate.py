"""What a plan costs is measured, and what is not there is refused."""

import shutil
from dataclasses import replace

import pytest

from jaxvis.sweep.estimate import (
    estimate,
    group_shards,
    refuse_impossible,
    say_bytes,
    say_time,
)
from jaxvis.sweep.run import open_studio
from tests.sweep.sweeps import plan_demo


def test_shards_of_one_shape_are_measured_once():
    plan = plan_demo(units=[("conv2_1", tuple(range(4)))], shard=2)
    assert [len(group) for group in group_shards(plan)] == [2]
    cost = estimate(open_studio(plan))
    (shape,) = cost["shapes"]
    assert shape["pictures"] == 4 and shape["shards"] == 2 and shape["shard_seconds"] > 0
    assert cost["seconds"] >= 2 * shape["shard_seconds"] - 0.1
    # A picture of 32 px and its row take some kilobytes.
    assert 1000 < shape["bytes_each"] < 20_000
    assert cost["bytes"] == pytest.approx(4 * shape["bytes_each"], abs=4)
    assert cost["memory"] > 1e8


def test_a_plan_that_does_not_fit_is_refused(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    plan = replace(plan_demo(), estimate={"bytes": 2 * free})
    with pytest.raises(ValueError, match=r"the plan takes about .*B, and .* has .*B left"):
        refuse_impossible(plan, tmp_path / "not" / "there")
    refuse_impossible(plan, tmp_path, done=0.9)
    refuse_impossible(plan, None)
    large = replace(plan_demo(), estimate={"memory": 10**15, "device": {"platform": "cpu"}})
    with pytest.raises(ValueError, match="smaller --chunk or --size"):
        refuse_impossible(large, tmp_path)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 s"), (100, "2 min"), (7200, "2 h 00 min"), (10**6, "11.6 days"), (1e400, "unknown")],
)
def test_times_in_words(seconds, words):
    assert say_time(float(seconds)) == words


def test_bytes_in_words():
    assert [say_bytes(n) for n in (3, 1500, 2.5e9, 4e12)] == ["3 bytes", "1.5 KB", "2.5 GB", "4 TB"]
