"""How cost grows: the power law, the rows of curves, and the page that shows them."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.harness import cost_page, timing
from benchmarks.harness.paths import CURVES, DOCS
from benchmarks.harness.power_law import fit_power
from benchmarks.harness.verdicts import judge
from benchmarks.speed import curves, curves_child
from benchmarks.speed.curves_subjects import Subject, make_network_painter


def make_row(kind="items", *, off=False):
    """Returns the row of a curve of 1, 2 and 4 points, of 0.2, 0.4 and 0.8 s."""
    found = timing.Measured({str(x): np.full(3, 0.2 * x) for x in (1, 2, 4)})
    found.processor, found.others = {str(x): 0.3 for x in (1, 2, 4)}, 0.0
    verdict = judge(losses=(1.0 if off else 0.0, 1e-3))
    subject = Subject("demo", 32, 2)
    return curves._make_row(curves.Curve(kind, subject, (1, 2, 4), found, 4.0, verdict))


def test_a_power_law_is_found_exactly():
    law = fit_power([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0])
    assert law.exponent == pytest.approx(2) and law.factor == pytest.approx(3)
    assert law.error == pytest.approx(0, abs=1e-12)


def test_the_exponents_error_is_that_of_the_slope():
    # Logarithms -1, 0, 1 and 0, 1, 0: slope 0, residuals -1/3, 2/3, -1/3.
    law = fit_power(np.exp([-1, 0, 1]), np.exp([0, 1, 0]))
    assert law.exponent == pytest.approx(0, abs=1e-12)
    assert law.error == pytest.approx(np.sqrt((2 / 3) / 1 / 2))
    assert law.describe("x") == "x^0.00 (standard error 0.58)"


def test_two_points_have_no_error_and_one_no_law():
    law = fit_power([1, 4], [1.0, 2.0])
    assert law.error is None and law.describe("items") == "items^0.50"
    with pytest.raises(ValueError, match="two different points"):
        fit_power([3, 3], [1.0, 2.0])


def test_a_row_has_its_points_and_what_the_first_foretells():
    row = make_row()
    assert row["points"] == [1, 2, 4] and row["wall"] == pytest.approx([0.2, 0.4, 0.8])
    assert row["ours"] == pytest.approx(0.8) and row["peer"] == pytest.approx(0.8)
    assert row["ratio"] == 1 and row["peer_name"] == "4 x the time of 1"
    assert row["exponents"]["wall"]["exponent"] == pytest.approx(1)
    assert row["exponents"]["processor"]["exponent"] == pytest.approx(0, abs=1e-9)
    assert row["processor"] == pytest.approx({"ours": 0.3, "peer": 1.2})
    assert row["case"] == "demo, 2 steps, 32 px: 4 items"


def test_the_page_and_its_figures_are_written_from_rows(tmp_path):
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([make_row(), make_row("devices")]))
    assert command.main(["--rows", str(file), "--cost"], docs=tmp_path) == 0
    text = (tmp_path / "cost.md").read_text()
    assert "| 4 | 800 ms | 300 ms |\n| *p* | **1.00** ± 0.00 | **0.00** ± 0.00 |" in text
    assert "## Pictures" in text and "## Devices" in text and "## Cores" not in text
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"cost_items.png", "cost_devices.png"}


@pytest.mark.parametrize("found", [[], [make_row(off=True)]])
def test_a_page_of_nothing_or_of_wrong_outputs_is_not_written(found, tmp_path, capsys):
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(found))
    assert command.main(["--rows", str(file), "--cost"], docs=tmp_path) == 2
    assert not (tmp_path / "cost.md").exists()
    assert "benchmarks: error" in capsys.readouterr().err


def test_the_projects_page_shows_the_rows_that_are_kept():
    rows = command.read_rows(CURVES)
    assert (DOCS / "cost.md").read_text() == cost_page.format_page(rows)
    kinds = {row["curve"] for row in rows}
    figures = list(DOCS.glob("cost_*.png"))
    assert {path.name for path in figures} == {f"cost_{kind}.png" for kind in kinds}
    assert sum(path.stat().st_size for path in figures) < 200_000


def test_processor_time_may_be_that_of_other_processes(monkeypatch):
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: None)
    spent = []
    found = timing.interleave(
        {"child": lambda: spent.append(2.0)}, 3, again=False, clock=lambda: sum(spent)
    )
    assert found.processor == {"child": 2.0}


def test_cores_are_no_curve_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setattr(curves.os, "sched_getaffinity", lambda process: {0})
    assert curves.measure_workers("cores", curves.SMOKE, tmp_path) == []


@pytest.mark.slow
def test_each_network_has_weights_of_its_own():
    paint = make_network_painter(Subject("demo", 16, 1, "relu1_1"), 2)
    found = paint(2)
    assert found.shape == (2, 1) and found[0, 0] != found[1, 0]
    np.testing.assert_allclose(paint(1, 1), found[1:], rtol=1e-4)


@pytest.mark.slow
def test_workers_have_the_devices_that_they_are_given(tmp_path):
    subjects = [("demo", 16, 2, "relu1_1")]
    with curves_child.start_workers("devices", (1, 2), subjects, tmp_path) as workers:
        one, two = (worker.paint(0, 2) for worker in workers.values())
        assert all(worker.processor > 0 for worker in workers.values())
    assert one.shape == (2, 2)
    np.testing.assert_allclose(two, one, rtol=1e-3)
    assert all(worker.process.returncode == 0 for worker in workers.values())


@pytest.mark.slow
def test_a_worker_that_fails_says_why(tmp_path):
    with curves_child.start_workers("cores", (1,), [("nonet", 16, 2)], tmp_path) as workers:
        with pytest.raises(RuntimeError, match="nonet"):
            workers[1].paint(0, 1)
