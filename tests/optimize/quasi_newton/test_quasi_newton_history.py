"""The direction: the two-loop recursion, whatever the ring holds and wherever."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvis.optimize.quasi_newton import history

MEMORY, SIZE = 4, 9


def two_loops(pairs, g):
    """Returns -H g by Nocedal & Wright's algorithm 7.4, in float64."""
    q, alphas = np.array(g, np.float64), []
    for s, y in reversed(pairs):
        alpha = s @ q / (s @ y)
        q -= alpha * y
        alphas.append(alpha)
    if pairs:
        s, y = pairs[-1]
        q *= s @ y / (y @ y)
    for (s, y), alpha in zip(pairs, reversed(alphas)):
        q += s * (alpha - y @ q / (s @ y))
    return -q


def drawn(count, seed):
    """Returns pairs of positive curvature, and a gradient."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(SIZE, SIZE))
    hessian = root @ root.T + np.eye(SIZE)
    steps = np.float32(rng.normal(size=(count, SIZE)))
    return [(s, np.float32(hessian @ s)) for s in steps], np.float32(rng.normal(size=SIZE))


@jax.jit
def _extended(past, s, y, g, keep):
    return history.extend(past, s, y, g, keep)


_direction = jax.jit(history.find_direction)
_restricted = jax.jit(history.restrict)


def filled(pairs, g, keeps=None):
    """Returns the history after the pairs, and its products with g."""
    past = history.make_empty(MEMORY, jnp.zeros(SIZE))
    with_g = jnp.zeros((MEMORY + 1, 2))
    for i, (s, y) in enumerate(pairs):
        keep = jnp.array(keeps is None or bool(keeps[i]))
        past, with_g = _extended(past, s, y, g, keep)
    return past, with_g


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 11])
def test_direction_is_the_two_loop_recursion_of_the_last_pairs(count):
    pairs, g = drawn(count, count)
    past, with_g = filled(pairs, g)
    wanted = two_loops(pairs[-MEMORY:], g)
    found = np.asarray(_direction(past, with_g, g))
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3 * abs(wanted).max())
    assert int(past.used) == min(count, MEMORY)
    assert found @ g < 0


@settings(max_examples=25, deadline=None)
@given(keeps=st.lists(st.booleans(), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_pairs_that_are_not_kept_leave_no_trace(keeps, seed):
    pairs, g = drawn(len(keeps), seed)
    rest = [pair for pair, keep in zip(pairs, keeps) if keep]
    past, with_g = filled(pairs, g, keeps)
    wanted = two_loops(rest[-MEMORY:], g)
    found = _direction(past, with_g, g)
    np.testing.assert_allclose(found, wanted, rtol=5e-3, atol=5e-3 * abs(wanted).max())


def test_a_pair_that_is_not_finite_and_not_kept_does_no_harm():
    pairs, g = drawn(3, 0)
    past, with_g = filled([*pairs, (np.full(SIZE, np.nan),) * 2], g, [1, 1, 1, 0])
    np.testing.assert_allclose(_direction(past, with_g, g), two_loops(pairs, g), rtol=2e-3)


def test_one_pair_reproduces_its_own_step():
    # The secant equation: H y = s for the newest pair.
    pairs, _ = drawn(4, 5)
    s, y = pairs[-1]
    past, with_g = filled(pairs, y)
    np.testing.assert_allclose(_direction(past, with_g, y), -s, rtol=1e-3, atol=1e-4)


def test_restricted_is_the_recursion_of_the_free_entries():
    pairs, g = drawn(6, 3)
    free = np.float32([1, 1, 0, 1, 1, 0, 1, 1, 1])
    past, _ = filled(pairs, g)
    loose, with_g = _restricted(past, free, free * g)
    some = free > 0
    inner = [(s[some], y[some]) for s, y in pairs[-MEMORY:]]
    inner = [(s, y) for s, y in inner if s @ y > 0]
    wanted = two_loops(inner, g[some])
    found = np.asarray(_direction(loose, with_g, free * g))[some]
    np.testing.assert_allclose(found, wanted, rtol=5e-3, atol=5e-3 * abs(wanted).max())


def test_scale_is_the_newest_pairs():
    pairs, g = drawn(6, 3)
    s, y = pairs[-1]
    assert float(history.scale_of(filled(pairs, g)[0])) == pytest.approx(s @ y / (y @ y), rel=1e-3)
    assert float(history.scale_of(history.make_empty(MEMORY, g))) == 1.0


@pytest.mark.slow
def test_items_of_a_batch_keep_their_own_rings():
    pairs, g = drawn(6, 1)
    others, h = drawn(6, 2)
    keeps = np.array([[1, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1]], bool)
    past = jax.vmap(lambda like: history.make_empty(MEMORY, like))(jnp.zeros((2, SIZE)))
    step = jax.jit(jax.vmap(history.extend))
    for i in range(6):
        s, y = (jnp.stack([a, b]) for a, b in zip(pairs[i], others[i]))
        past, with_g = step(past, s, y, jnp.stack([g, h]), keeps[:, i])
    found = jax.vmap(history.find_direction)(past, with_g, jnp.stack([g, h]))
    kept = [pair for pair, keep in zip(pairs, keeps[0]) if keep]
    for one, wanted in zip(found, (two_loops(kept, g), two_loops(others[2:], h))):
        np.testing.assert_allclose(one, wanted, rtol=5e-3, atol=5e-3 * abs(wanted).max())
