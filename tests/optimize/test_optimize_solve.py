"""The solver: the same image for the same key however the items are cut."""

import gc
import math
import signal
import sys
import weakref

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_nets import FunctionLoss, Grey, conv_net, counted_net

from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Excite, Match
from jaxvis.loss.priors import L2
from jaxvis.loss.views import Roll
from jaxvis.nets import random_params
from jaxvis.optimize import Problem, solve, solve_chunks, step_programs, stepping
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.rules import adam, sgd
from jaxvis.optimize.runs import join_chunks
from jaxvis.types import Interrupted, Status

SIDE, STEPS = 8, 4
SQUARE = Grey((2, 3))
LBFGS = optax.lbfgs()


def _away(params, z, item, key):
    """Computes |z - item + a little noise|^2: the cheapest loss with every part."""
    far = z - item + 0.1 * jax.random.normal(key)
    value = jnp.sum(far**2) * params
    return value, {"objective": value}


AWAY = FunctionLoss(_away)


def _square(steps=STEPS, optimizer=None):
    return Problem(AWAY, SQUARE, optimizer or adam(0.05), steps)


def _net_problem(net):
    canvas = Grey((SIDE, SIDE))
    priors = (Weighted("l2", 0.1, L2()),)
    loss = compose(net, canvas, view=Roll(2), priors=priors)
    return Problem(loss, canvas, adam(0.05), STEPS)


def _classes(count, tap="fc"):
    return jax.vmap(lambda i: Excite(tap, i))(jnp.arange(count) % 4)


def _targets(count, seed=1):
    targets = np.random.default_rng(seed).normal(size=(6, 2, 3, 3))
    return np.float32(np.resize(targets, (count, 2, 3, 3)))


def test_every_field_has_the_sweeps_axis_in_front(key):
    net, params = conv_net(SIDE)
    run = solve(_net_problem(net), params, _classes(3), key)
    assert run.image.shape == (3, SIDE, SIDE, 3)
    assert run.z.shape == (3, SIDE, SIDE, 3)
    assert set(run.trace) == {"loss", "objective", "l2"}
    for name in ("loss", "objective", "l2"):
        assert run.trace[name].shape == (3, STEPS)
    np.testing.assert_array_equal(run.status, [Status.DONE] * 3)
    assert run.status.dtype == np.int8
    assert set(run.facts) == {"steps", "chunk"}
    assert all(fact.shape == (3,) for fact in run.facts.values())
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(run))
    total = run.trace["objective"] + run.trace["l2"]
    np.testing.assert_allclose(run.trace["loss"], total, rtol=1e-5)
    assert 0 <= run.image.min() < run.image.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 3])
def test_image_does_not_depend_on_the_chunk(chunk, key):
    net, params = conv_net(SIDE)
    problem, items = _net_problem(net), _classes(8)
    whole = solve(problem, params, items, key, chunk=8)
    cut = solve(problem, params, items, key, chunk=chunk)
    np.testing.assert_allclose(cut.image, whole.image, atol=1e-5)
    np.testing.assert_allclose(cut.trace["loss"], whole.trace["loss"], rtol=1e-4)
    differ = np.abs(whole.image[0] - whole.image[4]).max()  # one class, two keys
    assert differ > 1e-3


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 6), chunk=st.integers(1, 8), seed=st.integers(0, 3))
def test_items_are_alone_whatever_the_sweep(count, chunk, seed):
    key, problem = jax.random.key(seed), _square()
    whole = solve(problem, 1.0, _targets(6), key, chunk=6)
    part = solve(problem, 1.0, _targets(6)[:count], key, chunk=chunk)
    # Another chunk is another program: rounding may differ by a little in every step.
    np.testing.assert_allclose(part.z, whole.z[:count], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(part.image, whole.image[:count], atol=1e-5)
    np.testing.assert_array_equal(part.status, whole.status[:count])
    for name, trace in part.trace.items():
        np.testing.assert_allclose(trace, whole.trace[name][:count], rtol=1e-4, atol=1e-5)


def test_same_key_same_image_and_another_key_another(key):
    first, again, other = (
        solve(_square(), 1.0, _targets(2), k).z for k in (key, key, jax.random.key(9))
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).min(axis=(1, 2, 3)).max() > 0


def test_it_descends_to_the_minimum(key):
    run = solve(_square(steps=200), 1.0, _targets(3), key)
    np.testing.assert_allclose(run.z, _targets(3), atol=0.15)
    assert np.all(run.trace["loss"][:, -1] < 0.2 * run.trace["loss"][:, 0])
    shown = np.clip(run.z + 0.5, 0, 1)
    np.testing.assert_allclose(run.image, shown, atol=1e-6)


def test_trace_begins_at_the_start_and_start_is_used(key):
    start = np.asarray(_targets(3, seed=5))
    still = solve(_square(optimizer=sgd(0.0)), 1.0, _targets(3), key, start=start)
    np.testing.assert_array_equal(still.z, start)
    at_goal = solve(_square(optimizer=sgd(0.0)), 1.0, _targets(3), key, start=_targets(3))
    # Only the noise is left: the same of variance 0.01 on 18 values.
    assert at_goal.trace["loss"].mean() < 0.5
    assert still.trace["loss"][:, 0].min() > 3


def test_start_is_not_consumed(key):
    start = _targets(3, seed=5)
    for chunk in (3, 2):
        solve(_square(), 1.0, _targets(3), key, start=start, chunk=chunk)
    assert np.isfinite(np.asarray(start)).all()


@pytest.mark.slow
def test_parameters_per_item_equal_a_loop(key):
    net, _ = conv_net(SIDE)
    problem, items = _net_problem(net), _classes(3)
    sets = [random_params(net, jax.random.key(i), preprocess="unit") for i in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *sets)
    swept = solve(problem, stacked, items, key, params_axis=0, chunk=2)
    for i, params in enumerate(sets):
        alone = solve(problem, params, items, key, chunk=3)
        np.testing.assert_allclose(swept.image[i], alone.image[i], atol=1e-4)


@pytest.mark.slow
def test_a_bad_item_fails_alone(key):
    net, params = conv_net(SIDE)
    codes = jax.random.uniform(key, (3, SIDE // 2, SIDE // 2, 8))
    problem = _net_problem(net)

    def run(codes):
        items = jax.vmap(lambda code: Match("relu2", code))(codes)
        return solve(problem, params, items, key, chunk=3)

    good, bad = run(codes), run(codes.at[1, 0, 0, 0].set(jnp.nan))
    np.testing.assert_array_equal(good.status, [Status.DONE] * 3)
    np.testing.assert_array_equal(bad.status, [Status.DONE, Status.FAILED, Status.DONE])
    for name in ("z", "image"):
        one, other = getattr(good, name), getattr(bad, name)
        np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])
        assert np.isfinite(other[1]).all()
    for name in ("loss", "objective", "l2"):
        one, other = good.trace[name], bad.trace[name]
        np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])
    assert np.isnan(bad.trace["loss"][1]).all()


def test_parameters_that_are_not_numbers_are_named(key):
    net, params = conv_net(SIDE)
    bias = jnp.full_like(params["conv1"]["bias"], jnp.nan)
    params = {**params, "conv1": {**params["conv1"], "bias": bias}}
    items = jax.vmap(lambda code: Match("relu2", code))(
        jax.random.uniform(key, (3, SIDE // 2, SIDE // 2, 8))
    )
    with pytest.raises(ValueError, match="infinite in conv1/bias: the weights file"):
        solve(_net_problem(net), params, items, key, chunk=3)


def test_an_item_that_diverges_keeps_its_last_finite_z(key):
    run = solve(_square(60, sgd(1e3)), 1.0, _targets(2), key)
    np.testing.assert_array_equal(run.status, [Status.FAILED] * 2)
    assert np.isfinite(run.z).all()
    assert np.abs(run.z).max() > 1e6
    assert not np.isfinite(run.trace["loss"][:, -1]).any()


def _press_in_step(monkeypatch, number):
    """Presses Ctrl-C instead of taking step `number`, counted from 1 over all chunks."""
    step_once, calls = step_programs.step_once, []

    def press(*arguments):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return step_once(*arguments)

    press.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", press)


def _press_in_tick(monkeypatch, number):
    """Presses Ctrl-C right after step `number`, counted from 1 over all chunks."""
    drive, calls = stepping.drive, []

    def press(batch, carry, steps, *, tick, **options):
        def press_in_tick(count):
            calls.append(1)
            if len(calls) == number:
                raise KeyboardInterrupt

        return drive(batch, carry, steps, tick=press_in_tick, **options)

    monkeypatch.setattr(stepping, "drive", press)


def _press_for_real(monkeypatch, number):
    """Sends SIGINT inside step `number`, where it is held back until the step has ended."""
    step_once, calls = step_programs.step_once, []

    def press(*arguments):
        calls.append(1)
        if len(calls) == number:
            signal.raise_signal(signal.SIGINT)
        return step_once(*arguments)

    press.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", press)


DONE, UNFINISHED = Status.DONE, Status.UNFINISHED


@pytest.mark.parametrize("press", [_press_in_step, _press_in_tick, _press_for_real])
@pytest.mark.parametrize(
    ("number", "taken", "status"),
    [
        (3, [2, 2, 0, 0, 0], [UNFINISHED] * 5),
        (STEPS + 3, [STEPS, STEPS, 2, 2, 0], [DONE] * 2 + [UNFINISHED] * 3),
        (3 * STEPS, [STEPS] * 4 + [STEPS - 1], [DONE] * 4 + [UNFINISHED]),
    ],
)
def test_an_interrupt_carries_what_is_there(press, number, taken, status, key, monkeypatch):
    whole = solve(_square(), 1.0, _targets(5), key, chunk=2)
    press(monkeypatch, number if press is _press_in_step else number - 1)
    with pytest.raises(Interrupted) as stop:
        solve(_square(), 1.0, _targets(5), key, chunk=2)
    run = stop.value.run
    np.testing.assert_array_equal(run.status, status)
    np.testing.assert_array_equal(run.facts["steps"], taken)
    assert stop.value.finished == status.count(DONE)
    assert run.image.shape == whole.image.shape
    for at, steps in enumerate(taken):
        assert np.isfinite(run.image[at]).all() == np.isfinite(run.z[at]).all() == (steps > 0)
        np.testing.assert_array_equal(
            run.trace["loss"][at, :steps], whole.trace["loss"][at, :steps]
        )
        assert np.isnan(run.trace["loss"][at, steps:]).all()
        if steps == STEPS:
            np.testing.assert_array_equal(run.z[at], whole.z[at])
            np.testing.assert_array_equal(run.image[at], whole.image[at])
        elif steps:
            assert np.abs(run.z[at] - whole.z[at]).max() > 1e-3


def test_an_interrupt_after_the_last_step_of_a_chunk_leaves_it_done(key, monkeypatch):
    _press_in_tick(monkeypatch, STEPS)
    with pytest.raises(Interrupted) as stop:
        solve(_square(), 1.0, _targets(4), key, chunk=2)
    np.testing.assert_array_equal(stop.value.run.status, [DONE, DONE, UNFINISHED, UNFINISHED])
    np.testing.assert_array_equal(stop.value.run.facts["steps"], [STEPS, STEPS, 0, 0])


@pytest.mark.parametrize("number", [1, STEPS + 1])
def test_an_interrupt_before_a_chunks_first_step_carries_the_chunks_before(
    number, key, monkeypatch
):
    _press_in_step(monkeypatch, number)
    with pytest.raises(Interrupted) as stop:
        solve(_square(), 1.0, _targets(4), key, chunk=2)
    if number == 1:
        assert stop.value.run is None and stop.value.finished == 0
    else:
        np.testing.assert_array_equal(stop.value.run.status, [DONE] * 2 + [UNFINISHED] * 2)


@pytest.mark.parametrize("where", ["plan", "finish"])
def test_an_interrupt_where_no_step_is_taken_is_one_too(where, key, monkeypatch):
    def press(*arguments, **options):
        raise KeyboardInterrupt

    module = step_programs if where == "finish" else sys.modules[solve.__module__]
    monkeypatch.setattr(module, where, press)
    with pytest.raises(Interrupted) as stop:
        solve(_square(), 1.0, _targets(4), key, chunk=2)
    assert stop.value.run is None


def test_chunks_give_what_was_in_progress_before_the_interrupt(key, monkeypatch):
    _press_in_step(monkeypatch, STEPS + 3)
    found = []
    with pytest.raises(Interrupted):
        for finished in solve_chunks(_square(), 1.0, _targets(5), key, chunk=2):
            found.append(finished)
    assert [where.tolist() for where, _ in found] == [[0, 1], [2, 3]]
    assert [run.status.tolist() for _, run in found] == [[DONE] * 2, [UNFINISHED] * 2]
    assert all(np.isfinite(run.image).all() for _, run in found)


def test_chunks_hold_every_item_once_without_the_filling(key):
    run = solve(_square(), 1.0, _targets(5), key, chunk=2)
    chunks = list(solve_chunks(_square(), 1.0, _targets(5), key, chunk=2))
    assert [where.tolist() for where, _ in chunks] == [[0, 1], [2, 3], [4]]
    chex.assert_trees_all_equal(join_chunks(chunks, 5), run)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(chunks))


def test_what_is_skipped_leaves_the_rest_byte_for_byte(key):
    """Chunks keep their composition, so every item is computed at the same place."""
    whole = solve(_square(), 1.0, _targets(7), key, chunk=2)
    done = (0, 2, 3, 5, 6)
    chunks = list(solve_chunks(_square(), 1.0, _targets(7), key, chunk=2, skip=done))
    assert [where.tolist() for where, _ in chunks] == [[1], [4]]
    rest = solve(_square(), 1.0, _targets(7), key, chunk=2, skip=done)
    left = [1, 4]
    chex.assert_trees_all_equal(
        *(jax.tree.map(lambda leaf: leaf[left], run) for run in (rest, whole))
    )
    np.testing.assert_array_equal(rest.status[list(done)], UNFINISHED)
    np.testing.assert_array_equal(rest.facts["steps"][list(done)], 0)
    assert np.isnan(rest.image[list(done)]).all()
    with pytest.raises(ValueError, match="all 7 items are done already: there is nothing to do"):
        solve(_square(), 1.0, _targets(7), key, skip=range(7))


def test_facts_say_how_many_steps_and_how_large_a_chunk(key):
    run = solve(_square(), 1.0, _targets(5), key, chunk=2)
    np.testing.assert_array_equal(run.facts["steps"], [STEPS] * 5)
    np.testing.assert_array_equal(run.facts["chunk"], [2] * 5)
    np.testing.assert_array_equal(solve(_square(), 1.0, _targets(3), key).facts["chunk"], 3)


def test_z_is_left_out_where_it_is_not_kept(key):
    run = solve(_square(), 1.0, _targets(3), key, chunk=2, keep_z=False)
    assert run.z == ()
    np.testing.assert_array_equal(run.image, solve(_square(), 1.0, _targets(3), key, chunk=2).image)


def test_a_sweep_holds_one_chunk_only(key):
    """Arrays of a chunk before are gone once the caller lets go of them."""
    problem, held, images = _square(), [], []
    chunks = solve_chunks(problem, 1.0, _targets(12), key, chunk=2)
    for _, run in chunks:
        images.append(weakref.ref(run.image))
        del run
        gc.collect()
        assert images[-1]() is None
        shapes = [array.shape for array in jax.live_arrays()]
        held.append(sum(math.prod(shape) for shape in shapes if shape[:1] == (2,)))
    assert len(held) == 6
    assert max(held) == min(held)


def test_nothing_of_a_chunk_is_held_while_the_next_is_solved(key, monkeypatch):
    begin, alive, images = step_programs.begin, [], []

    def watch(*arguments, **options):
        gc.collect()
        alive.append([image() is not None for image in images])
        return begin(*arguments, **options)

    monkeypatch.setattr(step_programs, "begin", watch)
    for _, run in solve_chunks(_square(), 1.0, _targets(6), key, chunk=2):
        images.append(weakref.ref(run.image))
        del run
    assert alive[-3:] == [[], [False], [False, False]]


def test_a_key_may_be_an_integer_or_one_for_each_item(key):
    one = solve(_square(), 1.0, _targets(3), key, chunk=3)
    np.testing.assert_array_equal(solve(_square(), 1.0, _targets(3), 0, chunk=3).z, one.z)
    each = keys_of_places(key, 3)
    np.testing.assert_array_equal(solve(_square(), 1.0, _targets(3), each, chunk=3).z, one.z)


@pytest.mark.slow
def test_lbfgs_from_optax_beats_adam(key):
    def exact(params, z, item, key):
        value = jnp.sum(jnp.cosh(z - item) - 1) * params
        return value, {}

    def last(optimizer):
        problem = Problem(FunctionLoss(exact), SQUARE, optimizer, 8)
        return solve(problem, 1.0, _targets(2), key).trace["loss"][:, -1]

    assert np.all(last(LBFGS) < 1e-3)
    assert np.all(last(LBFGS) < last(adam(0.05)))


@pytest.mark.parametrize(
    ("items", "options", "message"),
    [
        ({"a": np.zeros(3), "b": np.zeros((4, 2))}, {}, r"\[\(3,\), \(4,\)\]"),
        (np.zeros((0, 2, 3, 3)), {}, "at least 1"),
        (np.float32(1), {}, "share one leading axis"),
        ((), {}, "share one leading axis"),
        (np.zeros((2, 2, 3, 3)), {"start": np.zeros((3, 2, 3, 3))}, "start"),
        (np.zeros((2, 2, 3, 3)), {"chunk": 0}, "chunk must be at least 1, got 0"),
        (np.zeros((2, 2, 3, 3)), {"chunk": -1}, "chunk must be at least 1"),
        (np.zeros((2, 2, 3, 3)), {"params_axis": 1}, "params_axis is None or 0"),
    ],
)
def test_sweeps_that_do_not_fit_are_refused(items, options, message, key):
    with pytest.raises(ValueError, match=message):
        solve(_square(), 1.0, items, key, **options)


def test_per_item_parameters_must_be_as_many(key):
    with pytest.raises(ValueError, match="share one leading axis"):
        solve(_square(), np.ones(3, np.float32), _targets(2), key, params_axis=0)


@pytest.mark.slow
def test_the_network_is_traced_once_for_all_sweeps_of_a_shape(key):
    net, params, traced = counted_net(SIDE)
    for i in range(3):
        problem = _net_problem(net)  # rebuilt, equal
        other = jax.tree.map(lambda leaf, i=i: leaf + i, params)
        solve(problem, other, _classes(4, "scores"), jax.random.key(i))
        assert traced() == 1
    solve(_net_problem(net), params, _classes(4, "scores"), key, chunk=2)
    assert traced() == 2
    solve(_net_problem(net), params, _classes(6, "scores"), key, chunk=2)
    assert traced() == 2
