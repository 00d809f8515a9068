"""Items that finish leave the batch; what comes out is as if they had stayed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lbfgs_problems import Vector
from tiny_nets import FunctionLoss, compilations

from jaxvis.optimize import Problem, lbfgs, solve, step_programs, stepping
from jaxvis.optimize.chunk_size import Sweep
from jaxvis.optimize.shrinking import Collector
from jaxvis.types import Interrupted, Status

SIZE, STEPS = 6, 70
HARD = np.float32([1, 2, 500, 1, 30, 1, 1, 4])
"""The spread of curvatures: item 2 takes longest, items 0, 3, 5, 6 end at once."""


def valley(params, z, item, key):
    spread = jnp.linspace(0.0, 1.0, SIZE)
    far = z - 1.0 - 0.1 * jax.random.normal(key, (SIZE,))
    bent = jnp.sum(item**spread * far**2) + 0.1 * jnp.sum(far**4)
    return params * bent, {"bent": params * bent}


PROBLEM = Problem(FunctionLoss(valley), Vector(SIZE), lbfgs(memory=4, ftol=1e-6), STEPS)


def run(monkeypatch, shrink, *, params=1.0, items=HARD, chunk=8, **options):
    """Gives the run, and the sizes of the batches that were stepped."""
    sizes, step_once, step_many = [], step_programs.step_once, step_programs.step_many

    def once(*arguments):
        sizes.append(len(arguments[5]))
        return step_once(*arguments)

    def many(*arguments):
        sizes.append(len(arguments[5]))
        return step_many(*arguments)

    once.trace, many.trace = step_once.trace, step_many.trace
    with monkeypatch.context() as patch:
        patch.setattr(stepping, "SHRINK", shrink)
        patch.setattr(step_programs, "step_once", once)
        patch.setattr(step_programs, "step_many", many)
        return solve(PROBLEM, params, items, jax.random.key(0), chunk=chunk, **options), sizes


def same(one, other):
    np.testing.assert_array_equal(one.status, other.status)
    np.testing.assert_allclose(one.z, other.z, atol=2e-3)
    np.testing.assert_allclose(one.image, other.image, atol=2e-3)
    assert one.trace.keys() == other.trace.keys()
    for name in ("loss", "bent"):
        assert one.trace[name].shape == (len(one.z), STEPS)
        np.testing.assert_allclose(one.trace[name], other.trace[name], rtol=1e-2, atol=1e-4)


@pytest.mark.slow
def test_a_shrinking_batch_gives_what_a_whole_one_does(monkeypatch):
    whole, sizes = run(monkeypatch, 10**6)
    assert set(sizes) == {8}
    assert len(sizes) < STEPS  # no step is taken once all have finished
    shrinking, sizes = run(monkeypatch, 1)
    assert sizes == sorted(sizes, reverse=True)
    assert {8, 1} <= set(sizes) <= {8, 4, 2, 1}
    same(shrinking, whole)
    # Each item's noise was drawn once, or no search would have converged.
    np.testing.assert_array_equal(whole.status, Status.CONVERGED)
    assert np.abs(np.diff(whole.z, axis=0)).max(axis=1).min() > 0.02
    order = np.argsort(shrinking.facts["evaluations"])
    assert order[-1] == 2
    assert len(sizes) == shrinking.facts["evaluations"].max()


@pytest.mark.slow
def test_traces_stay_where_an_item_ended(monkeypatch):
    found, _ = run(monkeypatch, 1)
    for losses, count in zip(found.trace["loss"], found.facts["evaluations"]):
        assert np.all(np.diff(losses) <= 0)
        np.testing.assert_array_equal(losses[count - 1 :], losses[-1])


@pytest.mark.slow
def test_parameters_of_their_own_leave_with_their_items(monkeypatch):
    params = np.float32(2.0) ** np.arange(4)
    options = {"items": HARD[[0, 2, 3, 5]], "chunk": 4, "params": params, "params_axis": 0}
    whole, _ = run(monkeypatch, 10**6, **options)
    shrinking, sizes = run(monkeypatch, 1, **options)
    assert sizes[0] == 4
    assert sizes[-1] < 4
    same(shrinking, whole)
    assert np.all(np.diff(whole.trace["loss"][[0, 2, 3], 0]) > 0)


@pytest.mark.slow
def test_a_scanned_batch_shrinks_between_scans(monkeypatch):
    options = {"items": HARD[[0, 2, 3, 5]], "chunk": 4}
    whole, _ = run(monkeypatch, 10**6, **options)
    with monkeypatch.context() as patch:
        patch.setattr(stepping, "scans", lambda params: True)
        patch.setattr(step_programs, "SCAN", 10)
        scanned, sizes = run(monkeypatch, 1, **options)
    assert sizes[0] == 4
    assert sizes[-1] < 4
    assert len(sizes) < STEPS / 10
    same(scanned, whole)


@pytest.mark.slow
def test_too_few_steps_left_compile_nothing_smaller(monkeypatch):
    _, sizes = run(monkeypatch, STEPS)
    assert set(sizes) == {8}


def test_failed_items_leave_too(monkeypatch):
    items = HARD.copy()
    items[[2, 4, 7]] = np.nan
    found, sizes = run(monkeypatch, 1, items=items)
    failed = np.isnan(items)
    np.testing.assert_array_equal(found.status[failed], Status.FAILED)
    np.testing.assert_array_equal(found.facts["evaluations"][failed], 1)
    assert np.isnan(found.trace["loss"][failed]).all()
    assert np.isfinite(found.trace["loss"][~failed]).all()
    assert np.isfinite(found.z).all()


@pytest.mark.slow
def test_a_second_sweep_compiles_nothing(monkeypatch):
    run(monkeypatch, 1)
    assert compilations(lambda: run(monkeypatch, 1)) == 0


def press(monkeypatch, number):
    """Presses Ctrl-C right after step `number`."""
    drive, steps = stepping.drive, []

    def drive_and_press(batch, carry, count, *, tick, **options):
        def tick_and_press(taken):
            steps.append(taken)
            if len(steps) == number:
                raise KeyboardInterrupt

        return drive(batch, carry, count, tick=tick_and_press, **options)

    monkeypatch.setattr(stepping, "drive", drive_and_press)


@pytest.mark.slow
def test_what_an_interrupt_leaves_has_no_evaluations(monkeypatch):
    whole, _ = run(monkeypatch, 10**6, chunk=4)
    ends = whole.facts["evaluations"][:4]
    press(monkeypatch, ends.max() + 2)  # one tick more tells the bar that all have ended
    with pytest.raises(Interrupted) as stop:
        run(monkeypatch, 10**6, chunk=4)
    found = stop.value.run
    np.testing.assert_array_equal(found.status[:4], Status.CONVERGED)
    np.testing.assert_array_equal(found.facts["evaluations"][:4], ends)
    np.testing.assert_array_equal(found.z[:4], whole.z[:4])
    np.testing.assert_array_equal(found.status[4:], Status.UNFINISHED)
    np.testing.assert_array_equal(found.facts["evaluations"][4:], [1, 1, 1, 1])
    assert np.isfinite(found.image).all()


@pytest.mark.slow
@pytest.mark.parametrize("shrink", [1, 10**6])
def test_items_that_ended_before_an_interrupt_have_ended(shrink, monkeypatch):
    whole, _ = run(monkeypatch, shrink)
    evaluations = whole.facts["evaluations"]
    cut = int(np.sort(evaluations)[-1]) - 3
    press(monkeypatch, cut)
    with pytest.raises(Interrupted) as stop:
        run(monkeypatch, shrink)
    found, ended = stop.value.run, evaluations <= cut
    assert ended.sum() == stop.value.finished == 7
    np.testing.assert_array_equal(found.status[ended], Status.CONVERGED)
    np.testing.assert_array_equal(found.status[~ended], Status.UNFINISHED)
    np.testing.assert_array_equal(found.z[ended], whole.z[ended])
    np.testing.assert_array_equal(found.trace["loss"][ended], whole.trace["loss"][ended])
    np.testing.assert_array_equal(found.facts["evaluations"][~ended], cut)
    np.testing.assert_array_equal(found.facts["steps"], cut)
    assert np.isfinite(found.image).all() and np.isfinite(found.trace["loss"]).all()


@pytest.mark.slow
def test_the_bar_reaches_its_end_early():
    ticks = []
    keys = jax.random.split(jax.random.key(0), 8)
    batch = Sweep(1.0, None, HARD, keys, None, None).batch(PROBLEM)
    carry = step_programs.begin(batch.program, keys, None)
    end = stepping.drive(batch, carry, STEPS, tick=ticks.append)
    assert not end.interrupted
    assert sum(ticks) == STEPS
    assert len(ticks) < STEPS


@pytest.mark.parametrize(
    ("alive", "size"),
    [
        ([1, 1, 1, 1, 1, 0, 0, 0], None),
        ([1, 0, 1, 1, 0, 1, 0, 0], 4),
        ([0, 0, 1, 1, 0, 1, 0, 0], 4),
        ([0, 0, 0, 1, 0, 1, 0, 0], 2),
        ([0, 0, 0, 0, 0, 0, 1, 0], 1),
        ([1, 0, 1, 0, 0], 3),
        ([1], None),
    ],
)
def test_a_batch_shrinks_to_halves_that_hold_what_runs(alive, size):
    alive = np.array(alive, bool)
    index = Collector(len(alive), 5).shrink(alive)
    if size is None:
        assert index is None
        return
    assert len(index) == size
    assert set(np.flatnonzero(alive)) <= set(index)
    assert len(set(index)) == size


def test_rows_go_back_to_their_items():
    collector = Collector(4, 3)
    collector.add_terms({"loss": np.float32([[0, 1, 2, 3]]), "accepted": np.ones((1, 4))})
    alive = np.array([False, True, False, True])
    collector.note_end(np.arange(4.0), {"status": np.zeros(4, np.int8)})
    index = collector.shrink(alive)
    np.testing.assert_array_equal(index, [1, 3])
    collector.keep(index, alive)
    collector.add_terms({"loss": np.float32([[11, 13]]), "accepted": np.array([[0, 1]])})
    collector.add_terms({"loss": np.float32([[21, 23]]), "accepted": np.array([[1, 0]])})
    z, end = collector.merge(np.float64([-1, -3]), {"status": np.int8([3, 4])})
    np.testing.assert_array_equal(z, [0, -1, 2, -3])
    trace = collector.gather_trace()
    np.testing.assert_array_equal(end["status"], [0, 3, 0, 4])
    np.testing.assert_array_equal(trace["loss"], [[0, 0, 0], [1, 1, 21], [2, 2, 2], [3, 13, 13]])
