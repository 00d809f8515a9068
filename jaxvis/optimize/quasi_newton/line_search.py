"""Moré and Thuente's line search, as a state machine that asks for one evaluation at a time.

`begin` gives the first step. After every evaluation `advance` says whether that step is
accepted, or which step to try next. The state is a handful of scalars and no code
branches on them, so under `jax.vmap` every item runs its own search in one program.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.types import Array

WIDEN = (1.1, 4.0)  # without a bracket, a step grows by between 1.1 and 4 of the last reach
NARROW = 0.66  # two trials must shrink the bracket to this share, or it is halved
WIDTH = 0.1  # a bracket as narrow as this, relative to its end, ends the search
RETREAT = 0.1  # the share of a step that is kept where the loss is not finite


class Interval(NamedTuple):
    """What is known of phi(t) = f(x + t d): the best step and the other end.

    Attributes:
      best, best_value, best_slope: the step of least value, phi and phi' there.
      other, other_value, other_slope: the other end of the bracket.
      bracketed: `[]` bool, whether a minimum lies between the two.
    """

    best: Array
    best_value: Array
    best_slope: Array
    other: Array
    other_value: Array
    other_slope: Array
    bracketed: Array


class Search(NamedTuple):
    """The state of one search; every field is a scalar, but for `widths`.

    Attributes:
      step: t, the trial step that is evaluated next.
      value, slope: phi(0) and phi'(0) < 0.
      interval: what is known of phi so far.
      low, high: the next trial lies between these.
      widths: `[2]`, the bracket's width after the last trial and the one before.
      first: `[]` bool, whether the search still minimises phi(t) - c1 t phi'(0) instead of
        phi itself.
      longest: the largest step allowed.
      trials: how many evaluations there were, int32.
    """

    step: Array
    value: Array
    slope: Array
    interval: Interval
    low: Array
    high: Array
    widths: Array
    first: Array
    longest: Array
    trials: Array


def begin(value: Array, slope: Array, step: Array, longest: Array) -> Search:
    """Begins a search whose first trial is `step`.

    Args:
      value, slope: scalars phi(0), phi'(0).
      step: scalar, the first trial.
      longest: scalar, the largest step allowed.
    """
    value, slope, step, longest = jnp.broadcast_arrays(value, slope, step, longest)
    zero = jnp.zeros_like(step)
    interval = Interval(zero, value, slope, zero, value, slope, jnp.array(False))
    return Search(
        step,
        value,
        slope,
        interval,
        zero,
        (1 + WIDEN[1]) * step,
        jnp.stack([longest, 2 * longest]),
        jnp.array(True),
        longest,
        jnp.int32(0),
    )


def minimize_cubic(
    a: Array, value_a: Array, slope_a: Array, b: Array, value_b: Array, slope_b: Array
) -> tuple[Array, Array]:
    """Finds the minimum of the cubic through two ends, b + r (a - b); gives r and gamma.

    gamma >= 0 is the root in the formula; it is 0 where the cubic has no minimum.

    Args:
      a, value_a, slope_a: scalars: one end, phi and phi' there.
      b, value_b, slope_b: the other end.

    Source: Moré & Thuente (ACM TOMS 1994), section 4; MINPACK-2, dcstep.
    """
    theta = 3 * (value_a - value_b) / (b - a) + slope_a + slope_b
    s = jnp.maximum(jnp.abs(theta), jnp.maximum(jnp.abs(slope_a), jnp.abs(slope_b)))
    s = jnp.where(s == 0, 1.0, s)
    root = (theta / s) ** 2 - (slope_a / s) * (slope_b / s)
    gamma = s * jnp.sqrt(jnp.maximum(root, 0.0))
    signed = jnp.where(b > a, -gamma, gamma)
    r = ((signed - slope_b) + theta) / ((signed + (slope_a - slope_b)) + signed)
    return r, gamma


def choose_next_step(
    known: Interval, step: Array, value: Array, slope: Array, low: Array, high: Array
) -> tuple[Interval, Array]:
    """Updates the interval by a trial, and chooses the next step: MINPACK's dcstep.

    Args:
      known: the interval before the trial.
      step, value, slope: scalars: the trial, phi and phi' there.
      low, high: scalars; without a bracket the next step lies between them.

    Source: Moré & Thuente (ACM TOMS 1994), section 4; MINPACK-2, dcstep.
    """
    higher = value > known.best_value
    opposite = jnp.sign(slope) * jnp.sign(known.best_slope) < 0
    flatter = jnp.abs(slope) < jnp.abs(known.best_slope)
    edge = jnp.where(step > known.best, high, low)
    turned, flat = _steps_after_lower(known, step, value, slope, low, high, edge)
    # Where the value is lower and the slope steeper: the cubic to the other end, or the
    # edge without a bracket.
    r, _ = minimize_cubic(known.other, known.other_value, known.other_slope, step, value, slope)
    steep = jnp.where(known.bracketed, step + r * (known.other - step), edge)
    chosen = jnp.where(flatter, flat, steep)
    chosen = jnp.where(opposite, turned, chosen)
    chosen = jnp.where(higher, _step_after_higher(known, step, value, slope), chosen)
    interval = _narrow(known, step, value, slope, higher, opposite)
    middle = (interval.best + interval.other) / 2
    fallback = jnp.where(interval.bracketed, middle, edge)
    return interval, jnp.where(jnp.isfinite(chosen), chosen, fallback)


def _step_after_higher(known, step, value, slope) -> Array:
    """Chooses the next step after a higher value.

    It is the cubic's minimum where that is nearer to the best step than the quadratic's,
    and the middle between the two minima otherwise.
    """
    best, best_value, best_slope = known[:3]
    r, _ = minimize_cubic(step, value, slope, best, best_value, best_slope)
    cubic = best + r * (step - best)
    mean = (best_value - value) / (step - best)
    quadratic = best + best_slope / (mean + best_slope) / 2 * (step - best)
    closer = jnp.abs(cubic - best) <= jnp.abs(quadratic - best)
    return jnp.where(closer, cubic, cubic + (quadratic - cubic) / 2)


def _steps_after_lower(known, step, value, slope, low, high, edge) -> tuple[Array, Array]:
    """Chooses the next steps after a lower value: one for a turned slope, one for a flatter.

    Where the slope has turned, it is the farther of the cubic's and the secant's minimum.
    Where it is flatter, it is the nearer of the two inside a bracket (but not too near to
    the other end) and the farther of the two without one; the cubic may have no minimum.
    """
    best, best_value, best_slope = known[:3]
    r, gamma = minimize_cubic(best, best_value, best_slope, step, value, slope)
    cubic = step + r * (best - step)
    secant = step + slope / (slope - best_slope) * (best - step)
    to_secant = jnp.abs(secant - step)
    turned = jnp.where(jnp.abs(cubic - step) > to_secant, cubic, secant)
    cubic = jnp.where((r < 0) & (gamma != 0), cubic, edge)
    inside = jnp.where(jnp.abs(cubic - step) < to_secant, cubic, secant)
    limit = step + NARROW * (known.other - step)
    inside = jnp.where(step > best, jnp.minimum(limit, inside), jnp.maximum(limit, inside))
    outside = jnp.where(jnp.abs(cubic - step) > to_secant, cubic, secant)
    outside = jnp.clip(outside, low, high)
    return turned, jnp.where(known.bracketed, inside, outside)


def _narrow(known, step, value, slope, higher, opposite) -> Interval:
    """Narrows the interval: its ends are the trial and one of the two ends before."""
    trial = (step, value, slope)
    swap = ~higher & opposite
    other = [
        jnp.where(higher, new, jnp.where(swap, best, old))
        for new, best, old in zip(trial, known[:3], known[3:6])
    ]
    best = [jnp.where(higher, old, new) for new, old in zip(trial, known[:3])]
    parts = [*best, *other, known.bracketed | higher | opposite]
    return Interval(*parts)


def advance(
    search: Search, value: Array, slope: Array, *, c1: float, c2: float, trials: int
) -> tuple[Search, Array, Array]:
    """Takes in an evaluation; gives the search, whether its step counts, whether it ends.

    A step counts if phi(t) <= phi(0) + c1 t phi'(0) and |phi'(t)| <= c2 |phi'(0)|. The
    longest step counts if it descends enough, and so does the best step of a bracket that
    cannot be narrowed. A search ends without a step after `trials` evaluations, or where its
    best step is t = 0. After a trial that is not finite the step is shortened.

    Args:
      search: the search, whose `step` was evaluated.
      value, slope: scalars, phi and phi' there.
      c1, c2: of the two Wolfe conditions.
      trials: evaluations allowed.

    Source: Moré & Thuente (ACM TOMS 1994); MINPACK-2, dcsrch. Departures: a value that
    is not finite shortens the step; where the search would go back to t = 0 it ends.
    """
    step, known = search.step, search.interval
    finite = jnp.isfinite(value) & jnp.isfinite(slope)
    gentle = c1 * search.slope
    enough = value <= search.value + step * gentle
    stuck = known.bracketed & (
        (step <= search.low)
        | (step >= search.high)
        | (search.high - search.low <= WIDTH * search.high)
    )
    wolfe = enough & (jnp.abs(slope) <= -c2 * search.slope)
    at_end = (step >= search.longest) & enough & (slope <= gentle)
    first = search.first & ~(enough & (slope >= 0))
    moved = _take_trial(search._replace(first=first), value, slope, gentle, enough)
    search = select(finite, moved, _retreat(search))._replace(trials=search.trials + 1)
    counts = finite & (wolfe | at_end | (stuck & (value < search.value)))
    nowhere = finite & (stuck | search.interval.bracketed & (search.step <= 0))
    return search, counts, ~counts & ((search.trials >= trials) | nowhere)


def _take_trial(search, value, slope, gentle, enough) -> Search:
    """Takes in a finite trial, and chooses the next step."""
    step, known = search.step, search.interval
    # While the decrease is not enough, phi(t) - c1 t phi'(0) is the better guide.
    aided = search.first & (value <= known.best_value) & ~enough
    tilt = jnp.where(aided, gentle, 0.0)
    interval, step = choose_next_step(
        _tilt(known, -tilt),
        step,
        value - step * tilt,
        slope - tilt,
        search.low,
        search.high,
    )
    interval = _tilt(interval, tilt)
    best, other, bracketed = interval.best, interval.other, interval.bracketed
    width = jnp.abs(other - best)
    lazy = bracketed & (width >= NARROW * search.widths[1])
    step = jnp.where(lazy, best + 0.5 * (other - best), step)
    widths = jnp.where(bracketed, jnp.stack([width, search.widths[0]]), search.widths)
    low = jnp.where(bracketed, jnp.minimum(best, other), step + WIDEN[0] * (step - best))
    high = jnp.where(bracketed, jnp.maximum(best, other), step + WIDEN[1] * (step - best))
    step = jnp.clip(step, 0.0, search.longest)
    stuck = (step <= low) | (step >= high) | (high - low <= WIDTH * high)
    step = jnp.where(bracketed & stuck, best, step)
    return search._replace(step=step, interval=interval, low=low, high=high, widths=widths)


def _tilt(known: Interval, tilt: Array) -> Interval:
    """Gives the interval of phi(t) + tilt t."""
    return known._replace(
        best_value=known.best_value + tilt * known.best,
        best_slope=known.best_slope + tilt,
        other_value=known.other_value + tilt * known.other,
        other_slope=known.other_slope + tilt,
    )


def _retreat(search: Search) -> Search:
    """Shortens the step after a trial that was not finite."""
    best = search.interval.best
    reach = search.step - best
    return search._replace(
        step=best + RETREAT * reach,
        low=best,
        high=best + reach / 2,
        longest=jnp.where(reach > 0, best + reach / 2, search.longest),
    )


def select(condition: Array, yes: Search, no: Search) -> Search:
    """Selects one of two searches.

    Args:
      condition: `[]` bool.
      yes, no: the searches.
    """
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
