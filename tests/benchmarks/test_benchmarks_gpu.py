"""What needs an accelerator: what is measured in which time, and what is said without one."""

import json
from functools import partial

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.harness import registry, rows
from benchmarks.speed import gpu, gpu_peaks, gpu_steps, sweep_gpu
from benchmarks.speed.gpu import Plan, list_plans, list_smoke_plans, run_plans


class Clock:
    """Seconds that pass when a case is measured."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def plan(self, words, guess, takes):
        """Makes a plan that is guessed to take some seconds, and takes others."""

        def measure():
            self.now += takes
            case = rows.Case("gpu", words, {})
            return [rows.make_row(case, ours=np.array([takes]), peer_name="none")]

        return Plan(words, guess, measure)


def run(clock, plans, budget):
    return [row["case"] for row in run_plans(plans, budget, clock=clock)]


def test_no_case_begins_that_would_pass_the_time(capsys):
    clock = Clock()
    plans = [clock.plan("a", 10, 10), clock.plan("b", 95, 95), clock.plan("c", 20, 20)]
    assert run(clock, plans, 100) == ["a", "c"]
    assert "left out, no time in 100 s: b\n" in capsys.readouterr().err


def test_guesses_follow_what_cases_took(capsys):
    clock = Clock()
    plans = [clock.plan("a", 10, 30), clock.plan("b", 20, 1), clock.plan("c", 10, 1)]
    # Three times as slow as guessed: b would take 60 seconds of the 50 that are left.
    assert run(clock, plans, 80) == ["a", "c"]
    assert run(clock, [clock.plan("a", 10, 5), clock.plan("d", 120, 1)], 80) == ["a", "d"]
    assert "left out" in capsys.readouterr().err


def test_all_is_measured_where_there_is_time(capsys):
    clock = Clock()
    assert run(clock, [clock.plan("a", 10, 10), clock.plan("b", 10, 10)], 20) == ["a", "b"]
    assert "left out" not in capsys.readouterr().err


def test_a_case_that_fails_says_why_and_the_others_follow():
    def fail():
        raise RuntimeError("RESOURCE_EXHAUSTED: out\nof memory")

    found = list(run_plans([Plan("a", 1, fail), Clock().plan("b", 1, 1)], 1e9))
    assert [row["case"] for row in found] == ["a", "b"]
    assert found[0]["note"] == "RuntimeError: RESOURCE_EXHAUSTED: out of memory"
    assert rows.find_wrong(rows.check_rows(found)) == found[:1]


def test_every_network_and_precision_has_a_step_and_what_matters_comes_first():
    plans = list_plans()
    words = [plan.words for plan in plans]
    assert len(set(words)) == len(words)
    for name in ("vgg16", "vgg19", "squeezenet1_1", "googlenet", "resnet50"):
        assert f"{name} compared with the CPU" in words
        for precision in ("float32", "tf32", "bfloat16"):
            assert f"the step of {name}, {precision}, batch 128" in words
    soon = words[:5]
    assert soon[0] == "the step of vgg16, bfloat16, batch 128" and "the sweep, bfloat16" in soon


def test_every_case_has_a_small_form_but_that_with_a_name_of_its_own():
    def functions(plans):
        return {plan.measure.func for plan in plans if isinstance(plan.measure, partial)}

    assert functions(list_smoke_plans()) == functions(list_plans())
    assert [plan.words for plan in list_plans() if not isinstance(plan.measure, partial)] == [
        "random networks side by side"
    ]
    assert "random_nets" in registry.NAMES


@pytest.mark.parametrize(
    ("device", "precision", "rate"),
    [
        ("NVIDIA H200", "bfloat16", 989e12),
        ("NVIDIA H200", "tf32", 495e12),
        ("NVIDIA H100 80GB HBM3", "float32", 67e12),
        ("NVIDIA H100 PCIe", "bfloat16", 756e12),
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312e12),
        ("NVIDIA A100-PCIE-40GB", "float32", 19.5e12),
        ("NVIDIA GeForce RTX 4090", "bfloat16", None),
        ("cpu", "float32", None),
    ],
)
def test_peaks_are_known_by_the_devices_names(device, precision, rate):
    assert gpu_peaks.find_peak(device, precision) == rate


def test_a_share_is_said_only_of_a_known_device():
    # All of the sweep in 64 seconds is half of an H200's rate.
    found = gpu_peaks.describe_rate(3.168e16, 64.06, "NVIDIA H200", "bfloat16")
    assert found["share_of_peak"] == pytest.approx(0.5, abs=1e-4)
    assert found["note"] == "495 TFLOP/s, 50.0 % of its peak"
    unknown = gpu_peaks.describe_rate(2e12, 0.5, "cpu", "bfloat16")
    assert unknown["share_of_peak"] is None and unknown["note"] == "4 TFLOP/s"


def test_without_an_accelerator_it_says_so_and_what_to_run():
    with pytest.raises(ValueError, match="no accelerator"):
        gpu.check_accelerator("cpu")
    gpu.check_accelerator("gpu")
    gpu.check_accelerator("tpu")


def test_the_command_ends_with_2_and_keeps_the_rows_of_before(capsys, tmp_path, monkeypatch):
    devices = [type("Device", (), {"platform": "cpu"})]
    monkeypatch.setattr(gpu.jax, "devices", lambda *_: devices)
    out = tmp_path / "gpu.json"
    assert command.main(["gpu", "--out", str(out)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "no accelerator" in said and "--smoke" in said and "python -m benchmarks gpu" in said
    assert not out.exists()


def test_each_row_is_in_the_file_before_the_next_case_begins(tmp_path, monkeypatch):
    out, seen, asked = tmp_path / "gpu.json", [], []

    def stream_rows(size, budget):
        asked.append((size, budget))
        for words in ("a", "b"):
            seen.append(len(json.loads(out.read_text())) if out.exists() else 0)
            case = rows.Case("gpu", words, {})
            yield rows.make_row(case, ours=np.array([1.0]), peer_name="none")

    monkeypatch.setattr(gpu, "stream_rows", stream_rows)
    assert command.main(["gpu", "--budget", "60", "--out", str(out)]) == 0
    assert seen == [0, 1] and asked == [("full", 60.0)]
    assert [row["case"] for row in json.loads(out.read_text())] == ["a", "b"]


def test_only_what_has_a_budget_takes_one(capsys):
    assert command.main(["digits", "--budget", "60"]) == 2
    assert "leave out --budget" in capsys.readouterr().err


def test_the_time_of_all_steps_follows_from_two_numbers_of_them(monkeypatch):
    # Two seconds, and half a second more with each step, for a quarter of the classes.
    sizes = sweep_gpu.SMOKE._replace(classes=2, steps=8, whole=(8, 100))
    monkeypatch.setattr(sweep_gpu, "time_call", lambda run: 9.0)
    times = {"short": np.array([6.0]), "long": np.array([10.0])}
    monkeypatch.setattr(sweep_gpu, "interleave", lambda ways, pairs, **options: times)
    monkeypatch.setattr(sweep_gpu._Sweep, "describe_run", lambda self: {"failed": 0})
    row = sweep_gpu.measure_sweep("float32", sizes)[0]
    assert row["ours"] == 4 * (2 + 0.5 * 100)
    assert row["compile_s"] == 3.0 and row["agree"] is None
    assert "extrapolated from 2 classes x 8 and 16 steps" in row["note"]
    assert (
        row["peer_name"] == "torch is measured in bfloat16" or "not installed" in row["peer_name"]
    )


def test_torch_without_the_accelerator_is_no_peer(monkeypatch):
    from benchmarks.peers import torch_peer

    monkeypatch.setattr(torch_peer, "package_version", lambda package: "2")
    monkeypatch.setattr(torch_peer, "choose_device", lambda: "cpu")
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert torch_peer.why_absent() == "torch finds no gpu here"
    monkeypatch.setattr(torch_peer, "choose_device", lambda: "cuda")
    assert torch_peer.why_absent() is None
    monkeypatch.setattr("jax.default_backend", lambda: "cpu")
    assert torch_peer.why_absent() is None


@pytest.mark.slow
def test_the_smallest_form_of_every_case_runs_here():
    found = rows.check_rows(gpu.measure_smoke())
    assert not rows.find_wrong(found)
    assert {row["name"] for row in found} == {"gpu"}
    steps = [row for row in found if row["case"].startswith("demo, 32 px, batch 2")]
    assert len(steps) == 3 and all(row["compile_s"] > 0 for row in steps)
    compared = next(row for row in steps if "CPU" in row["case"])
    assert compared["agree"] is True and compared["difference"]["scores"] <= 1e-4
    assert all(row["failed"] == 0 for row in found if "steps" in row["case"])
    assert gpu_steps.NAME == "gpu"
