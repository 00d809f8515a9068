"""A watch is shown pictures while they are made, and changes nothing about them."""

import jax
import numpy as np
import optax
import pytest
from tiny_nets import FunctionLoss, Grey

from jaxvis.optimize import Job, Problem, lbfgs, solve, step_programs, stepping
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.rules import sgd
from jaxvis.optimize.runs import run_stages
from jaxvis.optimize.watch import Watch, change_looks
from jaxvis.types import Status

STEPS = 7


def _away(params, z, item, key):
    """Computes |z - item|^2 and a little noise, of a key of its own in each step."""
    far = z - item
    value = params * (far**2).sum() + 0.01 * jax.random.normal(key)
    return value, {"objective": value}


def problem(optimizer, steps=STEPS):
    return Problem(FunctionLoss(_away), Grey((2, 3)), optimizer, steps)


def targets(count):
    return np.linspace(0.1, 0.9, count, dtype=np.float32)


def watch(every):
    """Makes a watch, and the list of what it saw."""
    seen = []
    return Watch(every, lambda where, run: seen.append((where.tolist(), run))), seen


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [sgd(0.1), lbfgs()], ids=["steps", "search"])
def test_a_look_is_the_run_of_so_many_steps_and_changes_nothing(optimizer, key):
    whole = solve(problem(optimizer), 1.0, targets(3), key)
    look, seen = watch(3)
    run = solve(problem(optimizer), 1.0, targets(3), key, progress=look)
    jax.tree.map(np.testing.assert_array_equal, run, whole)
    for count, (where, found) in enumerate(seen, 1):
        part = solve(problem(optimizer, 3 * count), 1.0, targets(3), key)
        assert where == [0, 1, 2] and found.z == ()
        np.testing.assert_array_equal(found.image, part.image)
        np.testing.assert_array_equal(found.trace["loss"][:, : 3 * count], part.trace["loss"])
        assert found.facts["steps"].tolist() == [3 * count] * 3
    if optimizer == sgd(0.1):
        assert len(seen) == 2 and {*seen[0][1].status} == {Status.UNFINISHED}


def test_looks_show_what_is_finished_and_what_has_not_begun(key):
    look, seen = watch(4)
    run = solve(problem(sgd(0.1)), 1.0, targets(5), key, chunk=2, progress=look)
    first, second, third = (found for _, found in seen)
    done, goes_on = Status.DONE, Status.UNFINISHED
    assert first.status.tolist() == [goes_on] * 5
    assert second.status.tolist() == [done] * 2 + [goes_on] * 3
    assert third.status.tolist() == [done] * 4 + [goes_on]
    np.testing.assert_array_equal(third.image[:4], run.image[:4])
    assert np.isfinite(second.image).all(axis=(1, 2, 3)).tolist() == [True] * 4 + [False]


def test_every_step_may_have_a_look_and_the_last_has_none(key):
    look, seen = watch(1)
    solve(problem(sgd(0.1)), 1.0, targets(2), key, progress=look)
    assert [found.facts["steps"][0] for _, found in seen] == [*range(1, STEPS)]


def test_looks_compile_nothing_of_their_own(key):
    solve(problem(sgd(0.1)), 1.0, targets(2), key)
    programs = (step_programs.begin, step_programs.step_once, step_programs.finish)
    before = [program.count_compilations() for program in programs]
    for every in (1, 2, 5):
        solve(problem(sgd(0.1)), 1.0, targets(2), key, progress=watch(every)[0])
    assert [program.count_compilations() for program in programs] == before


def test_in_a_scan_a_look_waits_for_the_end_of_the_dispatch(key, monkeypatch):
    monkeypatch.setattr(stepping, "scans", lambda params: True)
    scan = step_programs.SCAN
    look, seen = watch(10)
    solve(problem(sgd(0.1), 2 * scan + 3), 1.0, targets(2), key, progress=look)
    assert [found.facts["steps"][0] for _, found in seen] == [scan, 2 * scan]


@pytest.mark.slow
def test_a_batch_that_shrinks_is_shown_whole(key, monkeypatch):
    monkeypatch.setattr(stepping, "SHRINK", 1)
    look, seen = watch(1)
    weights = np.array([1.0, 1e-3, 0.5, 1e-4], np.float32)

    def bowl(params, z, item, key):
        value = item * ((z - 0.5) ** 4).sum()
        return value, {"objective": value}

    steep = Problem(FunctionLoss(bowl), Grey((2, 3)), lbfgs(), 40)
    run = solve(steep, 1.0, weights, key, progress=look)
    assert all(found.image.shape == run.image.shape for _, found in seen)
    assert np.isfinite(seen[-1][1].image).all()


def test_a_job_shows_items_and_seeds(key):
    keys = item_keys(key, seeds=2, indices=range(3))
    look, seen = watch(5)
    job = Job(problem(sgd(0.1)), 1.0, np.repeat(targets(3), 2), keys, seeds=2)
    run = job.run(progress=look)
    assert run.image.shape == seen[0][1].image.shape == (3, 2, 2, 3, 3)


def test_stages_are_shown_joined(key):
    def stage(before, progress):
        start = None if before is None else before.z
        return solve(problem(sgd(0.1)), 1.0, targets(2), key, start=start, progress=progress)

    look, seen = watch(4)
    run_stages([stage, stage], progress=look)
    (_, first), (_, second) = seen
    assert first.trace["loss"].shape == (2, STEPS)
    assert second.trace["loss"].shape == (2, 2 * STEPS)
    assert second.facts["steps"].tolist() == [STEPS + 4] * 2
    assert {*second.status} == {Status.UNFINISHED}


def test_the_runs_that_are_shown_can_be_changed():
    look, seen = watch(1)
    changed = change_looks(look, lambda run: run + 1)
    changed.look(np.arange(1), 5)
    assert seen == [([0], 6)] and changed.every == 1
    assert change_looks(True, None) is True and change_looks(False, None) is False


def test_a_number_of_steps_that_is_none_is_refused():
    with pytest.raises(ValueError, match="not every 0"):
        Watch(0, print)


def test_an_optax_transformation_can_be_watched(key):
    look, seen = watch(3)
    solve(problem(optax.sgd(0.1)), 1.0, targets(1), key, progress=look)
    assert len(seen) == 2
