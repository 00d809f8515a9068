"""The numbers that times speak for, by hand; what is kept, printed and written."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.harness import registry
from benchmarks.harness.timing import Measured
from benchmarks.harness.verdicts import judge
from benchmarks.speed import tune, tune_check
from benchmarks.speed.tune_check import Check, Finding, Plan, judge_checks, summarise
from benchmarks.speed.tune_choice import (
    DIRECT,
    Layer,
    choose_items,
    choose_limits,
    choose_together,
    descend,
    find_limits,
    foretell,
)
from benchmarks.speed.tune_forms import choose_grid, find_layers
from jaxvis.tuning import VARIABLE, Tuning, read_tuning

SAME = judge(scores=(0.0, 1e-4))
ONLY = Tuning()


def steps(**least):
    """Returns times of steps of two networks: least with `s64=8` pictures of 64 px, and so on."""
    return {
        (net, int(side[1:])): {k: scale * (1 + abs(np.log2(k / best))) for k in (1, 2, 4, 8)}
        for net, scale in (("small", 1e-3), ("large", 1.0))
        for side, best in least.items()
    }


def test_limits_part_values_in_every_way():
    assert find_limits([7, 28, 7, 14]) == [7, 10, 20, 56]
    assert find_limits([]) == []
    assert find_limits([12.5]) == [12, 25]


def test_the_default_stays_where_it_is_best():
    times = steps(s64=8, s96=4, s128=2, s224=2)
    assert choose_items(times, start=ONLY) == ONLY
    assert choose_items({}, start=ONLY) == ONLY


@pytest.mark.parametrize(
    "least",
    [
        {"s64": 8, "s96": 8, "s128": 4, "s224": 2},  # a larger cache
        {"s64": 4, "s96": 2, "s128": 1, "s224": 1},  # a smaller one
        {"s64": 1, "s96": 1, "s128": 1, "s224": 1},
        {"s64": 8, "s96": 8, "s128": 8, "s224": 8},
    ],
)
def test_items_are_chosen_where_steps_take_least(least):
    found = choose_items(steps(**least), start=ONLY)
    chosen = {side: choose_together(int(side[1:]), 8, found) for side in least}
    assert chosen == least
    assert set(found.changes()) <= {"core_pixels", "core_large", "cpu_items"}


def test_a_count_between_two_that_were_measured_is_interpolated():
    # 3 pictures of 115 px: the time is read between those of 2 and 4.
    times = {("net", 115): {1: 4.0, 2: 2.0, 4: 1.0}}
    assert choose_together(115, 4, ONLY) == 2  # 4 are 2 and 2, though 3 would fit
    saving = foretell(("net", 115), (), (times, {}), ONLY, Tuning(core_pixels=4 * 115**2))
    assert saving.changes and saving.seconds == pytest.approx(1.0)


def layers(best, *, taps=3, learned=False, sides=(7, 14, 28, 56), channels=(32, 128, 512)):
    """Returns times of layers: 1 for the form that `best(side, gain)` names, 2 for others."""
    forms = {3: (DIRECT, 1, 2, 4), 4: (DIRECT, 1, 3)}[taps]
    found = {}
    for side in sides:
        for width in channels:
            layer = Layer(side, taps, width, width, learned)
            wanted = best(side, layer.gain)
            found[layer] = {form: 1.0 if form == wanted else 2.0 for form in forms}
    return found


def test_the_default_limits_stay_where_they_are_best():
    times = {
        layer: {f: 1.0 if f == layer.choose(ONLY) else 2.0 for f in (0, 1, 2, 4)}
        for layer in layers(lambda side, gain: 0)
    }
    assert choose_limits(times, start=ONLY) == ONLY
    assert choose_limits({}, start=ONLY) == ONLY


def test_limits_are_chosen_where_layers_take_least():
    # Of 3x3: F(2) pays from 7 px and gain 64, F(4) never, copies never.
    threes = layers(lambda side, gain: 2 if gain >= 64 else DIRECT)
    # Of 4x4: F(3) pays from 56 px, with every gain.
    fours = layers(lambda side, gain: 3 if side >= 56 else DIRECT, taps=4)
    found = choose_limits({**threes, **fours}, start=ONLY)
    assert all(
        layer.choose(found) == min(each, key=each.get)
        for layer, each in {**threes, **fours}.items()
    )
    assert found.tile_side <= 7 and 16 < found.tile2_gain <= 64
    assert found.tile4_side > 56 and found.flip_pixels < 7 * 7
    assert 28 < found.tile3_side <= 56 and found.tile3_gain <= 16
    assert found.learned_side == ONLY.learned_side and found.tile4_weights == ONLY.tile4_weights


def test_a_learned_kernel_has_a_limit_of_its_own():
    times = layers(lambda side, gain: 4 if side >= 28 else DIRECT, learned=True, channels=(128,))
    found = choose_limits(times, start=ONLY)
    assert set(found.changes()) == {"learned_side"} and 14 < found.learned_side <= 28


def test_a_change_must_save_and_the_nearest_value_wins():
    start = Tuning(tile_side=8)
    flat = {"tile_side": [4, 16, 64]}
    assert descend(lambda tuning: 1.0, start, flat) == start
    assert descend(lambda t: 1.0 - 1e-4 * (t.tile_side > 8), start, flat) == start
    assert descend(lambda t: 1.0 - 0.1 * (t.tile_side > 8), start, flat).tile_side == 16


def test_what_a_change_saves_is_foretold_for_a_network():
    layer = Layer(14, 3, 512, 512)
    times = {layer: {DIRECT: 5.0, 1: 4.0, 2: 3.0, 4: 2.0}}
    other = Tuning(tile2_gain=1000)
    saving = foretell(("net", 224), (layer, Layer(7, 3, 8, 8)), ({}, times), other, ONLY)
    assert saving == (("net", 224), True, 1.0)
    assert foretell(("net", 224), (), ({}, times), other, ONLY) == (("net", 224), False, 0.0)


def check(saving, *, spread=0.01, others=0.0):
    return Check(("net", 64), saving, spread, others, SAME)


@pytest.mark.parametrize(
    ("checks", "kept", "why"),
    [
        ([], False, "no step"),
        ([check(0.05)], True, "the whole step is faster"),
        ([check(0.005)], False, "no faster than its runs vary"),
        ([check(-0.05)], False, "no faster"),
        ([check(float("nan"))], False, "no faster"),
        ([check(0.05, others=0.3)], False, "other processes"),
        ([check(0.05, others=None)], True, "faster"),
        ([check(0.05), check(-0.005)], True, "faster"),
        ([check(0.05), check(-0.05)], False, "another step is slower"),
    ],
)
def test_a_number_is_kept_where_whole_steps_agree(checks, kept, why):
    found, said = judge_checks(checks)
    assert found is kept and why in said


def test_runs_are_summarised_pair_by_pair():
    runs = Measured()
    runs.spent = {"before": np.array([2.0, 4.0, 2.0]), "after": np.array([1.0, 3.0, 1.8])}
    runs.others = 0.02
    found = summarise(("demo", 32), runs, SAME)
    # Savings of 0.5, 0.25 and 0.1: quartiles 0.175 and 0.375.
    assert found.saving == pytest.approx(0.25) and found.spread == pytest.approx(0.2)
    assert found.describe() == "demo, 32 px: saves 25.0 %, +-10.0 %"


def test_numbers_that_are_kept_stay_while_the_next_is_checked(monkeypatch, tmp_path):
    asked = []

    def compare(before, after, plan, steppers):
        asked.append((before.changes(), after.changes()))
        return [check(0.05 if "cpu_items" not in after.changes() else 0.0)]

    monkeypatch.setattr(tune_check, "compare_numbers", compare)
    found = Tuning(core_pixels=1, cpu_items=2, tile_side=3)
    rows = list(tune_check.check_numbers(found, Plan((), ({}, {}), 8, 3, 1), tmp_path))
    assert [row.number for row in rows] == list(vars(ONLY))
    assert [row.number for row in rows if row.kept] == ["core_pixels", "tile_side"]
    assert asked == [
        ({}, {"core_pixels": 1}),
        ({"core_pixels": 1}, {"core_pixels": 1, "cpu_items": 2}),
        ({"core_pixels": 1}, {"core_pixels": 1, "tile_side": 3}),
    ]


def test_checks_take_the_networks_that_should_save_most(monkeypatch):
    found = {
        "a": (Layer(14, 3, 512, 512),),
        "b": (Layer(7, 3, 8, 8),),
        "c": (Layer(8, 3, 512, 512),),
    }
    monkeypatch.setattr(tune_check, "find_layers", lambda case: found[case[0]])
    times = {found["a"][0]: {1: 2.0, 2: 1.0}, found["c"][0]: {1: 5.0, 2: 1.0}}
    plan = Plan((("a", 1), ("b", 1), ("c", 1)), ({}, times), 8, 3, 2)
    assert plan.choose_cases(Tuning(tile2_gain=1000), ONLY) == [("c", 1), ("a", 1)]


def test_the_grid_has_what_the_zoo_has():
    found = find_layers(("squeezenet1_1", 128))
    assert Layer(31, 3, 16, 64, pictures=2) in found and len(set(found)) == len(found)
    grid = choose_grid((("squeezenet1_1", 128),), 2)
    assert len(grid) == 6 and {layer.taps for layer in grid} == {3, 4}
    assert {layer._replace(taps=3, learned=False) for layer in grid} <= set(found)


def rows_of_numbers():
    made = [
        tune._make_row("items", "demo, 32 px", {1: 0.002, 2: 0.001}, 0.0),
        tune._make_row("forms", "3x3, 8 to 8, 32 px", {"direct": 0.001, "F(2)": 0.002}, 0.05),
    ]
    kept = Finding("cpu_items", 8, 2, True, "faster", (check(0.1),))
    other = Finding("tile_side", 8, 14, False, "no faster", (check(0.0),))
    return [*made, tune._make_number(kept), tune._make_number(other)]


def test_the_table_and_the_file_hold_what_was_found(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tune, "measure", lambda quick: rows_of_numbers())
    file = tmp_path / "tuning.json"
    assert command.main(["tune", "--out", str(file)]) == 0
    said = capsys.readouterr().out
    assert "demo, 32 px: 1: 2.00 ms, 2: 1.00 ms *" in said
    assert "3x3, 8 to 8, 32 px: direct: 1.00 ms *, F(2): 2.00 ms" in said
    assert "cpu_items  8        2      kept  faster" in said
    assert "tile_side  8        14           no faster" in said
    assert read_tuning(file) == Tuning(cpu_items=2)
    measured = json.loads(file.read_text())["measured"]
    assert measured["items"][0]["times"] == {"1": 0.002, "2": 0.001}
    assert [row["kept"] for row in measured["number"]] == [True, False]


def test_nothing_is_written_where_scores_differ(monkeypatch, tmp_path):
    wrong = check(0.1)._replace(verdict=judge(scores=(1.0, 1e-4)))
    row = tune._make_number(Finding("cpu_items", 8, 2, True, "faster", (wrong,)))
    monkeypatch.setattr(tune, "measure", lambda quick: [row])
    assert command.main(["tune", "--out", str(tmp_path / "tuning.json")]) == 1
    assert not (tmp_path / "tuning.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["tune", "step"],
        ["tune", "--readme"],
        ["tune", "--rows", "x.json"],
        ["tune", "--out", "nowhere/x.json"],
        ["tune", "--budget", "3"],
    ],
)
def test_mistakes_are_found_before_anything_is_measured(words, monkeypatch, capsys):
    monkeypatch.setattr(tune, "measure_all", lambda setting: pytest.fail("measured"))
    assert command.main(words) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) <= 2


def test_it_begins_from_the_default_numbers(monkeypatch):
    monkeypatch.setenv(VARIABLE, "some.json")
    with pytest.raises(ValueError, match="unset JAXVIS_TUNING"):
        registry.measure("tune", size="smoke")


@pytest.mark.slow
def test_whole_steps_are_compared_with_the_numbers_of_each_file(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    case, other = ("demo", 32), Tuning(cpu_items=1)
    plan = Plan((case,), ({}, {}), 2, 2, 1)
    with tune_check.Steppers(2, tmp_path) as steppers:
        (found,) = tune_check.compare_numbers(ONLY, other, plan, steppers)
        processes = [stepper.process for stepper in steppers.running.values()]
        assert len(processes) == 2 and found.case == case
        assert found.verdict.agree and -10 < found.saving < 1
        steppers.close_others(other)
        assert list(steppers.running) == [other]
    assert all(process.returncode == 0 for process in processes)
    assert tune_check.compare_numbers(ONLY, ONLY, plan, steppers) == []


@pytest.mark.slow
def test_the_smallest_sizes_give_every_number(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    found = registry.measure("tune", size="smoke")
    assert [row["number"] for row in found if row["kind"] == "number"] == list(vars(ONLY))
    assert all(min(row["times"].values()) > 0 for row in found if row["kind"] != "number")
    assert not any(row["agree"] is False for row in found)
