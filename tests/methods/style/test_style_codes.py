"""Codes that are changed: what they keep, and what they change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvis.methods.style.codes import draw_rates, permute_by_rank, reallocate

SHAPE = (3, 5, 6)


def make_code(seed, dead=(2,)):
    """Returns a rectified code with channels that never fire."""
    code = np.maximum(np.random.default_rng(seed).normal(size=SHAPE), 0)
    code[..., list(dead)] = 0
    return jnp.asarray(code, jnp.float32)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(["dirichlet", "normal"]))
def test_random_rates_keep_the_grand_total_and_the_zeros(seed, kind):
    code = make_code(seed)
    rates = draw_rates(jax.random.key(seed), code, kind=kind)
    found = np.asarray(reallocate(code, rates))
    assert float(rates.sum()) == pytest.approx(1, abs=1e-4)
    assert float(rates[2]) == 0
    np.testing.assert_allclose(found.sum(), code.sum(), rtol=1e-3, atol=1e-4 * np.abs(found).sum())
    shares = found.sum((0, 1)) / float(code.sum())
    np.testing.assert_allclose(shares, rates, rtol=1e-3, atol=1e-5)
    assert np.all(found[np.asarray(code) == 0] == 0)
    if kind == "dirichlet":
        assert np.all(found >= 0)


def test_concentration_evens_the_rates_out():
    code = make_code(0, dead=())
    even = draw_rates(jax.random.key(1), code, concentration=1e4)
    spiky = draw_rates(jax.random.key(1), code, concentration=0.05)
    np.testing.assert_allclose(even, 1 / 6, rtol=0.05)
    assert float(spiky.max()) > 0.5


@pytest.mark.parametrize("concentration", [0.0, -1.0, float("nan"), float("inf")])
def test_a_concentration_that_is_none_is_refused(concentration):
    with pytest.raises(ValueError, match="concentration must be above 0"):
        draw_rates(jax.random.key(1), make_code(0), concentration=concentration)


def test_unknown_rates_are_refused():
    with pytest.raises(ValueError, match="rates are dirichlet or normal, not 'even'"):
        draw_rates(jax.random.key(1), make_code(0), kind="even")


def test_a_dead_code_stays_dead():
    dead = jnp.zeros(SHAPE)
    rates = draw_rates(jax.random.key(0), dead)
    np.testing.assert_array_equal(rates, np.zeros(6))
    np.testing.assert_array_equal(reallocate(dead, rates), dead)


def test_rank_permutation_takes_maps_in_order_and_means_of_the_style():
    code, style = make_code(1, dead=()), make_code(2, dead=())[:2]
    found = np.asarray(permute_by_rank(code, style))
    np.testing.assert_allclose(found.mean((0, 1)), style.mean((0, 1)), atol=1e-6)
    own, other = np.asarray(code).mean((0, 1)), np.asarray(style).mean((0, 1))
    for rank in range(6):
        source, place = np.argsort(own)[rank], np.argsort(other)[rank]
        shape = np.asarray(code)[..., source] - own[source]
        np.testing.assert_allclose(found[..., place] - other[place], shape, atol=1e-6)


def test_rank_permutation_by_itself_is_the_identity():
    code = make_code(3, dead=())
    np.testing.assert_allclose(permute_by_rank(code, code), code, atol=1e-6)
