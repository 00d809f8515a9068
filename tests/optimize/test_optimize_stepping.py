"""Stepping: one program for all items, driven from Python or in a scan, alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import Grey, compilations, conv_net

from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.loss.views import Roll
from jaxvis.optimize import Problem, solve, stepping
from jaxvis.optimize.rules.first_order import adam

SIDE = 8


def _far(params, z, item, key):
    value = params * jnp.sum((z - item + 0.1 * jax.random.normal(key)) ** 2)
    return value, {"objective": value}


def _square(steps):
    return Problem(_far, Grey((2, 2)), adam(0.1), steps)


def _items(count, seed=0):
    return np.float32(np.random.default_rng(seed).normal(size=(count, 2, 2, 3)))


@pytest.fixture
def accelerator(monkeypatch):
    """Makes the driver believe that it drives an accelerator: scanned steps."""
    monkeypatch.setattr(stepping.jax, "default_backend", lambda: "gpu")


def test_scanned_steps_equal_steps_from_python(key):
    net, params = conv_net(SIDE)
    canvas = Grey((SIDE, SIDE))
    problem = Problem(compose(net, canvas, view=Roll(2)), canvas, adam(0.02), 5)
    items = jax.vmap(lambda i: Excite("fc", i))(jnp.arange(2))
    keys = jax.random.split(key, 2)

    carry, losses = stepping.begin(problem, keys, None), []
    for i in range(5):
        step = np.int32(i)
        carry, terms = stepping.step_once(problem, None, params, items, keys, carry, step)
        losses.append(np.asarray(terms["loss"]))
    start = stepping.begin(problem, keys, None)
    scanned, traces = stepping.step_many(problem, None, params, items, keys, start, np.int32(0), 5)
    np.testing.assert_allclose(traces["loss"], np.stack(losses), rtol=1e-4)
    np.testing.assert_allclose(scanned[0], carry[0], atol=1e-5)
    assert carry[2].all()
    assert scanned[2].all()


def test_an_accelerator_is_driven_to_the_same_images(key, accelerator, monkeypatch):
    problem = _square(stepping.SCAN + 3)
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
        def __init__(self, *, total, **options):
            self.total, self.n, self.advances = total, 0, []
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def update(self, steps):
            self.n += steps
            self.advances.append(steps)

    monkeypatch.setitem(solve.__globals__, "tqdm", Bar)
    solve(problem, 1.0, _items(count), key, chunk=chunk, progress=True)
    return bars[0].total, bars[0].advances


def test_the_bar_advances_step_by_step_from_python(key, monkeypatch):
    total, advances = _ticks(_square(4), 3, 2, key, monkeypatch)
    assert total == 8
    assert advances == [1] * 8


def test_the_bar_advances_scan_by_scan(key, accelerator, monkeypatch):
    total, advances = _ticks(_square(stepping.SCAN + 3), 2, 2, key, monkeypatch)
    assert advances == [stepping.SCAN, 3]
    assert total == sum(advances)


def test_nothing_is_compiled_for_new_items_keys_and_parameters():
    solve(_square(3), 1.0, _items(4), jax.random.key(0))
    programs = (stepping.begin, stepping.step_once, stepping.finish)
    before = [program._cache_size() for program in programs]
    for i in (1, 2):
        solve(_square(3), 1.0 + i, _items(4, seed=i), jax.random.key(i))
    assert [program._cache_size() for program in programs] == before
    solve(_square(3), 1.0, _items(3), jax.random.key(0))
    assert stepping.step_once._cache_size() == before[1] + 1


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

    problem = Problem(noise, Grey((1, 1)), adam(0.1), 20)
    trace = solve(problem, 1.0, np.zeros(3), key).trace["loss"]
    assert len(np.unique(trace)) == trace.size
    assert abs(trace.mean()) < 0.5


def test_finish_crops_before_clipping(key):
    def brighter(key, image):
        return 4 * image[1:]

    problem = Problem(_far, Grey((2, 2)), adam(0.1), 1, finish=brighter)
    image = stepping.finish(problem, jax.random.split(key, 2), jnp.zeros((2, 2, 2, 3)))
    assert image.shape == (2, 1, 2, 3)
    np.testing.assert_array_equal(image, 1.0)
