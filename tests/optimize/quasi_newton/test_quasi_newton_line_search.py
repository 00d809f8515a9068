"""The line search against MINPACK's, as SciPy has it: same steps, same end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import _dcsrch as minpack

from jaxvis.optimize.quasi_newton import line_search
from jaxvis.optimize.quasi_newton.line_search import Interval

C1, C2, FAR = 1e-4, 0.9, 1e10


@pytest.fixture(autouse=True)
def double():
    """Computes in float64, so that no decision is a matter of rounding."""
    with jax.enable_x64(True):
        yield


@jax.jit
def _next(known, step, value, slope, low, high):
    return line_search.choose_next_step(known, step, value, slope, low, high)


def _known(best, other, bracketed):
    return Interval(*map(jnp.float64, (*best, *other)), jnp.array(bracketed))


def test_a_higher_value_takes_the_cubic_that_is_nearer():
    # phi = t^3 / 3 - t: phi'(0) = -1; at 2 phi = 2/3, phi' = 3. The cubic through both
    # ends is phi itself, least at 1; the quadratic's minimum, 2 / (2 (1/3 + 1)) = 3/4,
    # is nearer, so the step is half way between: 7/8.
    known = _known((0, 0, -1), (0, 0, -1), False)
    interval, step = _next(known, 2.0, 2 / 3, 3.0, 0.0, 10.0)
    assert float(step) == pytest.approx(7 / 8)
    assert bool(interval.bracketed)
    assert [float(v) for v in interval[:6]] == pytest.approx([0, 0, -1, 2, 2 / 3, 3])


def test_a_lower_value_with_a_turned_slope_takes_the_farther():
    # phi = t^2 - 2 t at 3/2: cubic and secant agree on the minimum 1.
    known = _known((0, 0, -2), (0, 0, -2), False)
    interval, step = _next(known, 1.5, -0.75, 1.0, 0.0, 10.0)
    assert float(step) == pytest.approx(1.0)
    assert bool(interval.bracketed)
    assert [float(v) for v in interval[:6]] == pytest.approx([1.5, -0.75, 1, 0, 0, -2])


def test_a_flatter_slope_goes_on_to_the_minimum_within_reach():
    # phi = t^2 - 2 t at 1/2: least at 1, but no farther than `high`.
    known = _known((0, 0, -2), (0, 0, -2), False)
    interval, step = _next(known, 0.5, -0.75, -1.0, 0.55, 2.0)
    assert float(step) == pytest.approx(1.0)
    assert not bool(interval.bracketed)
    _, step = _next(known, 0.5, -0.75, -1.0, 0.55, 0.75)
    assert float(step) == pytest.approx(0.75)


def test_a_steeper_slope_goes_to_the_edge():
    known = _known((0, 0, -1), (0, 0, -1), False)
    _, step = _next(known, 1.0, -2.0, -3.0, 1.1, 5.0)
    assert float(step) == 5.0


FINITE = st.floats(-50, 50).filter(lambda v: abs(v) > 1e-3)


@settings(max_examples=300, deadline=None)
@given(
    best=st.floats(0, 3),
    reach=st.floats(0.05, 4),
    other=st.floats(0.05, 4),
    values=st.tuples(FINITE, FINITE, FINITE),
    slopes=st.tuples(FINITE, FINITE, FINITE),
    bracketed=st.booleans(),
    back=st.booleans(),
)
def test_next_step_is_minpacks(best, reach, other, values, slopes, bracketed, back):
    sign = -1.0 if back else 1.0
    step = best + sign * reach
    far = step + sign * other
    known = (best, values[0], -sign * abs(slopes[0]), far, values[1], slopes[1])
    low, high = step + sign * 1.1 * reach, step + sign * 4 * reach
    low, high = (min(best, far), max(best, far)) if bracketed else sorted((low, high))
    with np.errstate(all="ignore"):
        wanted = minpack.dcstep(*known, step, values[2], slopes[2], bracketed, low, high)
    assume(np.isfinite(wanted[6]))
    interval, found = _next(
        _known(known[:3], known[3:], bracketed), step, values[2], slopes[2], low, high
    )
    np.testing.assert_allclose(interval[:6], wanted[:6], rtol=1e-12)
    assert bool(interval.bracketed) == wanted[7]
    np.testing.assert_allclose(found, wanted[6], rtol=1e-6, atol=1e-9)


def _function(kind, a, b):
    """Returns phi and phi' of a function that More and Thuente's paper would like."""
    return {
        "quartic": (lambda t: (t - a) ** 4 - b * t, lambda t: 4 * (t - a) ** 3 - b),
        "rational": (
            lambda t: -t / (t * t + b),
            lambda t: (t * t - b) / (t * t + b) ** 2,
        ),
        "waves": (
            lambda t: np.sin(4 * t) / 6 - np.log1p(t) + 0.01 * t * t,
            lambda t: np.cos(4 * t) / 1.5 - 1 / (1 + t) + 0.02 * t,
        ),
        "steep": (lambda t: np.exp(a * t) - 30 * t, lambda t: a * np.exp(a * t) - 30),
    }[kind]


@jax.jit
def _advance(search, value, slope):
    return line_search.advance(search, value, slope, c1=C1, c2=C2, trials=20)


def _ours(phi, slope, first, longest):
    """Returns the trial steps, and whether the last of them counts."""
    search = line_search.begin(*map(jnp.float64, (phi(0.0), slope(0.0), first, longest)))
    trials = []
    for _ in range(25):
        at = float(search.step)
        trials.append(at)
        search, counts, ends = _advance(search, phi(at), slope(at))
        if counts or ends:
            return trials, bool(counts)
    raise AssertionError("the search did not end")


def _theirs(phi, slope, first, longest):
    search = minpack.DCSRCH(phi, slope, C1, C2, 0.1, 0.0, longest)
    trials, task, step = [], b"START", first
    value, gradient = phi(0.0), slope(0.0)
    for _ in range(25):
        step, _, _, task = search._iterate(step, value, gradient, task)
        if task[:2] != b"FG":
            return trials, task
        trials.append(float(step))
        value, gradient = phi(step), slope(step)
    raise AssertionError("the search did not end")


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("kind", ["quartic", "rational", "waves", "steep"])
def test_a_whole_search_takes_minpacks_steps(kind, first):
    for a, b in ((1.0, 2.0), (3.0, 0.5), (0.3, 0.1)):
        phi, slope = _function(kind, a, b)
        wanted, task = _theirs(phi, slope, first, FAR)
        found, counts = _ours(phi, slope, first, FAR)
        np.testing.assert_allclose(found, wanted, rtol=1e-7)
        assert counts
        assert task[:4] in (b"CONV", b"WARN")


def test_a_search_stops_at_the_longest_step():
    phi, slope = (lambda t: -t), (lambda t: -1.0)
    found, counts = _ours(phi, slope, 1.0, 7.5)
    assert found == _theirs(phi, slope, 1.0, 7.5)[0]
    assert found[-1] == 7.5
    assert counts


@pytest.mark.parametrize("wall", [np.nan, np.inf])
def test_a_search_retreats_from_what_is_not_finite(wall):
    def phi(t):
        return (t - 1.0) ** 2 if t < 1.5 else wall

    def slope(t):
        return 2 * (t - 1.0) if t < 1.5 else wall

    found, counts = _ours(phi, slope, 100.0, FAR)
    assert counts
    assert found[:3] == [100.0, 10.0, 1.0]
    assert max(found[3:], default=0.0) < 1.5


def test_a_search_that_cannot_descend_ends_without_a_step():
    # The slope promises a descent that no step has.
    found, counts = _ours(lambda t: float(t > 0), lambda t: -1.0, 1.0, FAR)
    assert not counts
    assert len(found) <= 20
    never, counts = _ours(lambda t: np.nan if t else 0.0, lambda t: -1.0, 1.0, FAR)
    assert not counts
    assert len(never) == 20


@settings(max_examples=50, deadline=None)
@given(
    a=st.floats(-2, 2),
    b=st.floats(0.3, 3),
    c=st.floats(0, 5),
    first=st.floats(1e-3, 20),
)
def test_a_step_that_counts_meets_wolfes_conditions(a, b, c, first):
    def phi(t):
        return np.cosh(b * (t - 1 - abs(a))) + c * np.sin(t) / 5

    def slope(t):
        return b * np.sinh(b * (t - 1 - abs(a))) + c * np.cos(t) / 5

    assume(slope(0.0) < -1e-3)
    found, counts = _ours(phi, slope, first, FAR)
    step = found[-1]
    assert counts
    assert phi(step) <= phi(0.0) + C1 * step * slope(0.0)
    narrow = len(found) > 3  # a bracket of a tenth of its end is taken as it is
    assert narrow or abs(slope(step)) <= C2 * abs(slope(0.0))
