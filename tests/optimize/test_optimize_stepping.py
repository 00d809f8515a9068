"""Stepping: one program for all items, driven from Python or in a scan, alike."""

import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import FunctionLoss, Grey, compilations, conv_net

from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Excite
from jaxvis.loss.priors import L2
from jaxvis.loss.views import Roll
from jaxvis.optimize import Problem, solve, step_programs, stepping
from jaxvis.optimize.chunk_size import Sweep
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.rules import adam

SIDE = 8


def _far(params, z, item, key):
    value = params * jnp.sum((z - item + 0.1 * jax.random.normal(key)) ** 2)
    return value, {"objective": value}


FAR = FunctionLoss(_far)


def _square(steps):
    return Problem(FAR, Grey((2, 2)), adam(0.1), steps)


def _items(count, seed=0):
    return np.float32(np.random.default_rng(seed).normal(size=(count, 2, 2, 3)))


@pytest.fixture
def accelerator(monkeypatch):
    """Makes the driver believe that it drives an accelerator: scanned steps."""
    monkeypatch.setattr(stepping, "scans", lambda params: True)


@pytest.mark.slow
def test_scanned_steps_equal_steps_from_python(key, monkeypatch):
    net, params = conv_net(SIDE)
    canvas = Grey((SIDE, SIDE))
    problem = Problem(compose(net, canvas, view=Roll(2)), canvas, adam(0.02), 5)
    items = jax.vmap(lambda i: Excite("fc", i))(jnp.arange(2))
    keys = jax.random.split(key, 2)
    batch = Sweep(params, None, items, keys, None, None).batch(problem)
    monkeypatch.setattr(step_programs, "SCAN", 5)

    carry, losses = step_programs.begin(batch.program, keys, None), []
    for i in range(5):
        step = np.int32(i)
        carry, terms = step_programs.step_once(*batch, carry, step)
        losses.append(np.asarray(terms["loss"]))
    start = step_programs.begin(batch.program, keys, None)
    scanned, traces = step_programs.step_many(*batch, start, np.int32(0))
    np.testing.assert_allclose(traces["loss"], np.stack(losses), rtol=1e-4)
    np.testing.assert_allclose(scanned.z, carry.z, atol=1e-5)
    assert carry.alive.all() and carry.reached.all()
    assert scanned.alive.all() and scanned.reached.all()


def test_an_accelerator_is_driven_to_the_same_images(key, accelerator, monkeypatch):
    problem = _square(step_programs.SCAN + 3)
    scanned = solve(problem, 1.0, _items(3), key, chunk=2)
    monkeypatch.undo()
    stepped = solve(problem, 1.0, _items(3), key, chunk=2)
    np.testing.assert_allclose(scanned.z, stepped.z, atol=1e-5)
    assert scanned.trace["loss"].shape == stepped.trace["loss"].shape == (3, 35)
    np.testing.assert_allclose(scanned.trace["loss"], stepped.trace["loss"], rtol=1e-4, atol=1e-5)


def _ticks(problem, count, chunk, key, monkeypatch):
    """Returns the bar's total and every advance."""
    bars = []

    class Bar:
        def __init__(self, **options):
            self.total, self.n, self.advances = None, 0, []
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def update(self, steps):
            self.n += steps
            self.advances.append(steps)

    monkeypatch.setattr(sys.modules[solve.__module__], "tqdm", Bar)
    solve(problem, 1.0, _items(count), key, chunk=chunk, progress=True)
    return bars[0].total, bars[0].advances


def test_the_bar_advances_step_by_step_from_python(key, monkeypatch):
    total, advances = _ticks(_square(4), 3, 2, key, monkeypatch)
    assert total == 8
    assert advances == [1] * 8


def test_the_bar_advances_scan_by_scan(key, accelerator, monkeypatch):
    total, advances = _ticks(_square(step_programs.SCAN + 3), 2, 2, key, monkeypatch)
    assert advances == [step_programs.SCAN, 1, 1, 1]
    assert total == sum(advances)


def test_nothing_is_compiled_for_new_items_keys_and_parameters():
    solve(_square(3), 1.0, _items(4), jax.random.key(0))
    programs = (step_programs.begin, step_programs.step_once, step_programs.finish)
    before = [program.count_compilations() for program in programs]
    for i in (1, 2):
        solve(_square(3), 1.0 + i, _items(4, seed=i), jax.random.key(i))
    assert [program.count_compilations() for program in programs] == before
    solve(_square(3), 1.0, _items(3), jax.random.key(0))
    assert step_programs.step_once.count_compilations() == before[1] + 1


def test_a_second_call_compiles_nothing_at_all():
    def again(chunk, seed):
        key = jax.random.key(seed)
        solve(_square(3), 1.0 + seed, _items(5, seed=seed), key, chunk=chunk)

    again(chunk=2, seed=0)
    assert compilations(lambda: again(chunk=2, seed=1)) == 0
    # Another shape, which no other test here has: the count does tell.
    assert compilations(lambda: again(chunk=5, seed=1)) > 0


def test_every_step_has_its_own_randomness(key):
    def noise(params, z, item, key):
        return jax.random.normal(key, ()) + 0 * jnp.sum(z), {}

    problem = Problem(FunctionLoss(noise), Grey((1, 1)), adam(0.1), 20)
    trace = solve(problem, 1.0, np.zeros(3), key).trace["loss"]
    assert len(np.unique(trace)) == trace.size
    assert abs(trace.mean()) < 0.5


def test_finish_crops_before_clipping(key):
    def brighter(key, image):
        return 4 * image[1:]

    program = replace(_square(1), finish=brighter).program
    z = jnp.zeros((2, 2, 2, 3))
    image = step_programs.finish(program, None, jax.random.split(key, 2), z, np.int32(1))
    assert image.shape == (2, 1, 2, 3)
    np.testing.assert_array_equal(image, 1.0)


@pytest.mark.slow
def test_numbers_of_a_problem_and_its_steps_never_compile_again(key):
    net, params = conv_net(SIDE)
    canvas = Grey((SIDE, SIDE))

    def run(rate, weight, steps, seed):
        priors = (Weighted("l2", weight, L2()),)
        loss = compose(net, canvas, view=Roll(2), priors=priors)
        problem = Problem(loss, canvas, adam(rate), steps)
        items = jax.vmap(lambda i: Excite("fc", i))(jnp.arange(3) + seed)
        return solve(problem, params, items, jax.random.key(seed), chunk=2)

    first = run(0.02, 0.1, 8, 0)
    assert compilations(lambda: run(0.05, 0.2, 9, 1)) == 0
    # What is handed to the program counts all the same.
    heavy, quick = run(0.02, 0.3, 8, 0), run(0.04, 0.1, 8, 0)
    np.testing.assert_allclose(heavy.trace["l2"][:, 0], 3 * first.trace["l2"][:, 0], rtol=1e-5)
    assert np.abs(quick.z - first.z).max() > 0.02


def _step_lengths(rate, key):
    run = solve(Problem(FAR, Grey((2, 2)), adam(rate), 1), 1.0, _items(2), key)
    start = step_programs.begin(_square(1).program, keys_of_places(key, 2), None).z
    return np.abs(run.z - start)


def test_the_learning_rate_is_the_length_of_adams_first_step(key):
    for rate in (0.1, 0.3):
        np.testing.assert_allclose(_step_lengths(rate, key), rate, rtol=1e-4)
