"""Items that finish leave the batch; what comes out is as if they had stayed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lbfgs_problems import Vector
from tiny_nets import compilations

from jaxvis.optimize import Problem, lbfgs, solve, stepping
from jaxvis.optimize.shrinking import Gathered
from jaxvis.types import Status

SIZE, STEPS = 6, 70
HARD = np.float32([1, 2, 500, 1, 30, 1, 1, 4])
"""The spread of curvatures: item 2 takes longest, items 0, 3, 5, 6 end at once."""


def valley(params, z, item, key):
    spread = jnp.linspace(0.0, 1.0, SIZE)
    far = z - 1.0 - 0.1 * jax.random.normal(key, (SIZE,))
    bent = jnp.sum(item**spread * far**2) + 0.1 * jnp.sum(far**4)
    return params * bent, {"bent": params * bent}


PROBLEM = Problem(valley, Vector(SIZE), lbfgs(memory=4, ftol=1e-6), STEPS)


def run(monkeypatch, shrink, *, params=1.0, items=HARD, chunk=8, **options):
    """Returns the run, and the sizes of the batches that were stepped."""
    sizes, step_once, step_many = [], stepping.step_once, stepping.step_many

    def once(*arguments):
        sizes.append(len(arguments[4]))
        return step_once(*arguments)

    def many(*arguments):
        sizes.append(len(arguments[4]))
        return step_many(*arguments)

    once.trace, many.trace = step_once.trace, step_many.trace
    with monkeypatch.context() as patch:
        patch.setattr(stepping, "SHRINK", shrink)
        patch.setattr(stepping, "step_once", once)
        patch.setattr(stepping, "step_many", many)
        return solve(PROBLEM, params, items, jax.random.key(0), chunk=chunk, **options), sizes


def same(one, other):
    np.testing.assert_array_equal(one.trace["status"], other.trace["status"])
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
    np.testing.assert_array_equal(whole.trace["status"], Status.CONVERGED)
    assert np.abs(np.diff(whole.z, axis=0)).max(axis=1).min() > 0.02
    order = np.argsort(shrinking.trace["evaluations"])
    assert order[-1] == 2
    assert len(sizes) == shrinking.trace["evaluations"].max()


def test_traces_stay_where_an_item_ended(monkeypatch):
    found, _ = run(monkeypatch, 1)
    for losses, count in zip(found.trace["loss"], found.trace["evaluations"]):
        assert np.all(np.diff(losses) <= 0)
        np.testing.assert_array_equal(losses[count - 1 :], losses[-1])


@pytest.mark.slow
def test_parameters_of_their_own_leave_with_their_items(monkeypatch):
    params = np.float32(2.0) ** np.arange(8)
    options = {"params": params, "params_axis": 0}
    whole, _ = run(monkeypatch, 10**6, **options)
    shrinking, sizes = run(monkeypatch, 1, **options)
    assert sizes[-1] < 8
    same(shrinking, whole)
    assert np.all(np.diff(whole.trace["loss"][[0, 3, 5, 6], 0]) > 0)


@pytest.mark.slow
def test_a_scanned_batch_shrinks_between_scans(monkeypatch):
    whole, _ = run(monkeypatch, 10**6)
    with monkeypatch.context() as patch:
        patch.setattr(stepping.jax, "default_backend", lambda: "gpu")
        patch.setattr(stepping, "SCAN", 10)
        scanned, sizes = run(monkeypatch, 1)
    assert sizes[0] == 8
    assert sizes[-1] < 8
    assert len(sizes) < STEPS / 10
    same(scanned, whole)


def test_too_few_steps_left_compile_nothing_smaller(monkeypatch):
    _, sizes = run(monkeypatch, STEPS)
    assert set(sizes) == {8}


def test_failed_items_leave_too(monkeypatch):
    items = HARD.copy()
    items[[2, 4, 7]] = np.nan
    found, sizes = run(monkeypatch, 1, items=items)
    failed = np.isnan(items)
    np.testing.assert_array_equal(found.trace["status"][failed], Status.FAILED)
    np.testing.assert_array_equal(found.trace["evaluations"][failed], 1)
    assert np.isnan(found.trace["loss"][failed]).all()
    assert np.isfinite(found.trace["loss"][~failed]).all()
    assert np.isfinite(found.z).all()


def test_a_second_sweep_compiles_nothing(monkeypatch):
    run(monkeypatch, 1)
    assert compilations(lambda: run(monkeypatch, 1)) == 0


def test_what_an_interrupt_leaves_has_no_evaluations(monkeypatch):
    def press(where, part):
        raise KeyboardInterrupt

    found, _ = run(monkeypatch, 10**6, chunk=4, on_chunk=press)
    np.testing.assert_array_equal(found.trace["status"][4:], Status.UNFINISHED)
    np.testing.assert_array_equal(found.trace["evaluations"][4:], 0)
    assert np.all(found.trace["evaluations"][:4] > 0)
    assert np.isnan(found.trace["loss"][4:]).all()


def test_the_bar_reaches_its_end_early():
    ticks = []
    keys = jax.random.split(jax.random.key(0), 8)
    carry = stepping.begin(PROBLEM, keys, None)
    stepping.drive(PROBLEM, None, 1.0, HARD, keys, carry, tick=ticks.append)
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
    index = Gathered(len(alive), 5).shrunk(alive)
    if size is None:
        assert index is None
        return
    assert len(index) == size
    assert set(np.flatnonzero(alive)) <= set(index)
    assert len(set(index)) == size


def test_rows_go_back_to_their_items():
    gathered = Gathered(4, 3)
    gathered.terms({"loss": np.float32([[0, 1, 2, 3]]), "accepted": np.ones((1, 4))})
    alive = np.array([False, True, False, True])
    gathered.results(np.arange(4.0), {"status": np.zeros(4, np.int8)})
    index = gathered.shrunk(alive)
    np.testing.assert_array_equal(index, [1, 3])
    gathered.keep(index, alive)
    gathered.terms({"loss": np.float32([[11, 13]]), "accepted": np.array([[0, 1]])})
    gathered.terms({"loss": np.float32([[21, 23]]), "accepted": np.array([[1, 0]])})
    gathered.results(np.float64([-1, -3]), {"status": np.int8([3, 4])})
    np.testing.assert_array_equal(gathered.z, [0, -1, 2, -3])
    trace = gathered.trace()
    np.testing.assert_array_equal(trace["status"], [0, 3, 0, 4])
    np.testing.assert_array_equal(trace["loss"], [[0, 0, 0], [1, 1, 21], [2, 2, 2], [3, 13, 13]])
