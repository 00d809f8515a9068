"""Rows: medians of pairs, verdicts on outputs, and what a row must say."""

import json
import math

import numpy as np
import pytest

from benchmarks.harness import machine, rows, timing, verdicts

SAME = verdicts.judge(scores=(0.0, 1e-4))


def make_row(**changes):
    given = {
        "ours": np.array([1.0, 2.0, 4.0]),
        "peer": np.array([2.0, 2.0, 12.0]),
        "peer_name": "torch",
        "verdict": SAME,
    }
    case = rows.Case("step", "a case", {"pixels": 8}, target=changes.pop("target", None))
    return rows.make_row(case, **{**given, **changes})


def test_ratio_is_the_median_over_pairs_not_of_medians():
    found = make_row()
    assert found["ours"] == 2.0 and found["peer"] == 2.0
    assert found["ratio"] == 2.0  # of 2, 1 and 3; the medians' own would be 1
    assert found["spread"]["ratio"] == [1.5, 2.5]
    assert found["spread"]["ours"] == [1.5, 3.0]
    assert found["pairs"] == 3


def test_a_row_survives_json_and_says_what_it_ran_on():
    found = json.loads(json.dumps(make_row(target=1.25, utilisation=0.5)))
    assert found["utilisation"] == 0.5 and found["target"] == 1.25
    for fact in ("jax", "jaxlib", "torch", "python", "cpu", "cores", "threads"):
        assert fact in found["versions"]
    assert rows.check_rows([found]) == [found]


def test_without_a_peer_the_row_says_why():
    found = make_row(peer=None, verdict=None, peer_name="torch is not installed")
    assert found["peer"] is None and found["ratio"] is None and found["agree"] is None
    assert found["ours"] == 2.0
    assert rows.find_wrong([found]) == []


def test_a_peer_whose_outputs_were_not_compared_is_refused():
    with pytest.raises(ValueError, match="neither"):
        make_row(verdict=None)


def test_runs_must_come_in_pairs():
    with pytest.raises(ValueError, match="3 runs of ours against 2"):
        make_row(peer=np.array([1.0, 2.0]))


def test_differing_outputs_are_wrong_however_fast():
    off = verdicts.judge(scores=(0.5, 1e-4), gradient=(0.0, 1e-3))
    assert not off.agree
    assert rows.find_wrong([make_row(verdict=off), make_row()]) == [
        mark_wrong(make_row(verdict=off))
    ]


def mark_wrong(row):
    assert row["agree"] is False
    assert row["difference"]["scores"] == 0.5 and row["tolerance"]["scores"] == 1e-4
    return row


def test_nan_never_agrees():
    assert not verdicts.judge(scores=(math.nan, 1e-4)).agree
    both = np.array([1.0, np.nan]), np.array([1.0, np.nan])
    assert not verdicts.judge(scores=(verdicts.relative_difference(*both), 1e-4)).agree


def test_a_verdict_on_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        verdicts.judge()


def test_relative_is_of_the_largest_entry():
    assert verdicts.relative_difference(np.array([1.0, 100.5]), np.array([1.5, 100.0])) == 0.005
    assert verdicts.relative_difference(np.ones(3), np.ones((3, 1))) == math.inf


def test_cosine_distance_is_that_of_the_worst_vector():
    ours = np.array([[1.0, 0.0], [1.0, 1.0]])
    assert verdicts.cosine_distance(ours, 3 * ours) == pytest.approx(0, abs=1e-12)
    peer = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert verdicts.cosine_distance(ours, peer) == pytest.approx(1 - math.sqrt(0.5))
    assert math.isnan(verdicts.cosine_distance(ours, np.zeros((2, 2))))
    assert verdicts.cosine_distance(ours, np.zeros((3, 2))) == math.inf


@pytest.fixture
def quiet(monkeypatch):
    """Makes the machine idle but for this process."""
    monkeypatch.setattr(timing, "_share_of_others", lambda before, after: 0.02)


def test_runs_are_interleaved_after_warming_up_and_resting(monkeypatch, quiet):
    order = []
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: order.append("-"))
    ways = {name: lambda name=name: order.append(name) for name in "ab"}
    times = timing.interleave(ways, 3, warmups=2)
    assert "".join(order) == "abab" + "-aa-bb" * 3
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3}
    assert all((found >= 0).all() for found in times.values())


@pytest.mark.parametrize("peer", ["torch is not installed", "another program"])
def test_programs_are_compared_in_turn(peer, monkeypatch, quiet):
    order = []
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: None)
    case = rows.Case("step", "a case", {})
    theirs = rows.Peer("torch", lambda: order.append("b"), SAME, {"tried": 3})
    alone = peer == "torch is not installed"
    found = rows.compare(case, lambda: order.append("a"), peer if alone else theirs, pairs=2)
    assert "".join(order) == ("a" * 5 if alone else "ab" + "aabb" * 2)
    assert found["pairs"] == 2 and found["agree"] is (None if alone else True)
    assert found["peer_name"] == (peer if alone else "torch")
    assert found.get("tried") == (None if alone else 3)
    assert found["others"] == 0.02
    assert set(found["processor"]) == ({"ours"} if alone else {"ours", "peer"})


@pytest.mark.parametrize(
    ("pairs", "shares", "kept"),
    [(2, [0.5, 0.4, 0.05], 0.05), (2, [0.5, 0.6, 0.7], 0.5), (2, [0.1], 0.1), (1, [0.5], 0.5)],
)
def test_runs_are_measured_again_on_a_busy_machine(pairs, shares, kept, monkeypatch):
    left, calls = iter(shares), []
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(timing, "_share_of_others", lambda before, after: next(left))
    found = timing.interleave({"ours": lambda: calls.append(1)}, pairs, warmups=0, again=False)
    assert len(calls) == pairs * len(shares)
    assert found.others == kept and len(found["ours"]) == pairs
    assert next(left, None) is None


def test_what_other_processes_take_is_a_share_of_all_cores(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    monkeypatch.setattr(timing, "STAT", stat)
    monkeypatch.setattr(timing.os, "sysconf", lambda name: 100)
    seconds = iter([10.0, 11.0])
    monkeypatch.setattr(timing.time, "process_time", lambda: next(seconds))
    # User, nice, system, idle, waiting, interrupts, soft interrupts, stolen: 1/100 s each.
    stat.write_text("cpu  100 0 0 900 0 0 0 0 0 0\ncpu0 1 2 3\n")
    before = timing._read_clocks()
    stat.write_text("cpu  200 0 50 1050 0 0 0 100 0 0\n")
    after = timing._read_clocks()
    # Of 4 s 2.5 were busy, and this process took one of them.
    assert timing._share_of_others(before, after) == 0.375
    stat.unlink()
    assert timing._read_clocks() is None and timing._share_of_others(None, None) is None


def test_processor_time_is_that_of_a_run():
    found = timing.interleave({"ours": lambda: sum(range(300_000))}, 1, again=False)
    assert 0 < found.processor["ours"] <= 5 * found["ours"][0] + 0.1
    assert found.describe()["processor"] == {"ours": round(found.processor["ours"], 6)}


def test_a_row_that_lacks_something_is_named():
    found = make_row()
    del found["agree"]
    with pytest.raises(ValueError, match="lacks agree"):
        rows.check_rows([found])


def test_a_row_says_which_vector_units_were_left(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert "limited" not in machine.describe_machine()["cpu"]
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2 --xla_cpu_max_isa=AVX2")
    assert machine.describe_machine()["cpu"].endswith(", limited: XLA to AVX2")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert machine.describe_machine()["cpu"].endswith("XLA to AVX2 and oneDNN to AVX2")


def test_threads_are_what_openmp_is_told(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert machine.thread_count() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert machine.thread_count() >= 1
