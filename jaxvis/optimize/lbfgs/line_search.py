"""A line search that asks for one evaluation at a time: Moré & Thuente's, in selects.

`begin` names the first step; after every evaluation `advance` says whether the step
counts, or which to try next. All are scalars of one item and there is no branch, so
that under `jax.vmap` every item walks its own search while one program runs.
"""

from typing import NamedTuple

import jax.numpy as jnp

from jaxvis.types import Array

WIDEN = (1.1, 4.0)  # an unbracketed step grows between these, in units of the last
NARROW = 0.66  # two trials must shrink the bracket to this, or it is halved
WIDTH = 0.1  # a bracket this narrow, relative to its end, is taken as it is
RETREAT = 0.1  # what is kept of a step after which the loss is not finite


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
    """Where one search stands: scalars.

    Attributes:
      step: the trial step t whose evaluation is awaited.
      value, slope: phi(0) and phi'(0) < 0.
      interval: what is known so far.
      low, high: between which the next trial lies.
      widths: `[2]`, the bracket's width after the last trial and the one before.
      first: `[]` bool, whether phi(t) - c1 t phi'(0) is still minimised, not phi.
      longest: the largest step allowed.
      trials: evaluations so far, int32.
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
    """Returns a search whose first trial is `step`.

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


def cubic_step(
    a: Array, value_a: Array, slope_a: Array, b: Array, value_b: Array, slope_b: Array
) -> tuple[Array, Array]:
    """Returns the cubic's minimiser as b + r (a - b), and its root term gamma >= 0.

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


def next_step(
    known: Interval, step: Array, value: Array, slope: Array, low: Array, high: Array
) -> tuple[Interval, Array]:
    """Returns the interval with a trial taken in, and the next step: MINPACK's dcstep.

    Args:
      known: the interval before the trial.
      step, value, slope: scalars: the trial, phi and phi' there.
      low, high: scalars between which an unbracketed next step lies.

    Source: Moré & Thuente (ACM TOMS 1994), section 4; MINPACK-2, dcstep.
    """
    higher = value > known.best_value
    opposite = jnp.sign(slope) * jnp.sign(known.best_slope) < 0
    flatter = jnp.abs(slope) < jnp.abs(known.best_slope)
    edge = jnp.where(step > known.best, high, low)
    turned, flat = _lower(known, step, value, slope, low, high, edge)
    # A lower value and a steeper slope: the cubic to the other end, or the edge.
    r, _ = cubic_step(known.other, known.other_value, known.other_slope, step, value, slope)
    steep = jnp.where(known.bracketed, step + r * (known.other - step), edge)
    chosen = jnp.where(flatter, flat, steep)
    chosen = jnp.where(opposite, turned, chosen)
    chosen = jnp.where(higher, _higher(known, step, value, slope), chosen)
    interval = _narrowed(known, step, value, slope, higher, opposite)
    middle = (interval.best + interval.other) / 2
    fallback = jnp.where(interval.bracketed, middle, edge)
    return interval, jnp.where(jnp.isfinite(chosen), chosen, fallback)


def _higher(known, step, value, slope) -> Array:
    """Returns the next step after a higher value.

    The cubic's, if it is the nearer to the best; else half way on to the quadratic's.
    """
    best, best_value, best_slope = known[:3]
    r, _ = cubic_step(step, value, slope, best, best_value, best_slope)
    cubic = best + r * (step - best)
    mean = (best_value - value) / (step - best)
    quadratic = best + best_slope / (mean + best_slope) / 2 * (step - best)
    closer = jnp.abs(cubic - best) <= jnp.abs(quadratic - best)
    return jnp.where(closer, cubic, cubic + (quadratic - cubic) / 2)


def _lower(known, step, value, slope, low, high, edge) -> tuple[Array, Array]:
    """Returns the next steps after a lower value: slope turned, or flatter.

    Turned: the farther of cubic and secant. Flatter: the nearer in a bracket (but not
    too near its other end), the farther without; the cubic may have no minimum.
    """
    best, best_value, best_slope = known[:3]
    r, gamma = cubic_step(best, best_value, best_slope, step, value, slope)
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


def _narrowed(known, step, value, slope, higher, opposite) -> Interval:
    """Returns the interval whose ends are the trial and one of the two before it."""
    trial = (step, value, slope)
    swap = ~higher & opposite
    other = [
        jnp.where(higher, new, jnp.where(swap, best, old))
        for new, best, old in zip(trial, known[:3], known[3:6])
    ]
    best = [jnp.where(higher, old, new) for new, old in zip(trial, known[:3])]
    return Interval(*best, *other, known.bracketed | higher | opposite)


def advance(
    search: Search, value: Array, slope: Array, *, c1: float, c2: float, trials: int
) -> tuple[Search, Array, Array]:
    """Returns the search after an evaluation, whether its step counts, whether it ends.

    A step counts if phi(t) <= phi(0) + c1 t phi'(0) and |phi'(t)| <= c2 |phi'(0)|; also
    the longest one if it descends enough, and the best of a bracket that cannot be
    narrowed. A search ends without one after `trials` evaluations, or where its best
    step is none at all. A trial that is not finite is retreated from.

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
    moved = _moved(search._replace(first=first), value, slope, gentle, enough)
    search = chosen(finite, moved, _retreated(search))._replace(trials=search.trials + 1)
    counts = finite & (wolfe | at_end | (stuck & (value < search.value)))
    nowhere = finite & (stuck | search.interval.bracketed & (search.step <= 0))
    return search, counts, ~counts & ((search.trials >= trials) | nowhere)


def _moved(search, value, slope, gentle, enough) -> Search:
    """Returns the search with a finite trial taken in and the next step chosen."""
    step, known = search.step, search.interval
    # While the decrease is not enough, phi(t) - c1 t phi'(0) is the better guide.
    aided = search.first & (value <= known.best_value) & ~enough
    tilt = jnp.where(aided, gentle, 0.0)
    interval, step = next_step(
        _tilted(known, -tilt),
        step,
        value - step * tilt,
        slope - tilt,
        search.low,
        search.high,
    )
    interval = _tilted(interval, tilt)
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


def _tilted(known: Interval, tilt: Array) -> Interval:
    """Returns the interval of phi(t) + tilt t."""
    return known._replace(
        best_value=known.best_value + tilt * known.best,
        best_slope=known.best_slope + tilt,
        other_value=known.other_value + tilt * known.other,
        other_slope=known.other_slope + tilt,
    )


def _retreated(search: Search) -> Search:
    """Returns the search after a trial that was not finite: most of it is given up."""
    best = search.interval.best
    reach = search.step - best
    return search._replace(
        step=best + RETREAT * reach,
        low=best,
        high=best + reach / 2,
        longest=jnp.where(reach > 0, best + reach / 2, search.longest),
    )


def chosen(condition: Array, yes: Search, no: Search) -> Search:
    """Returns one search or the other.

    Args:
      condition: `[]` bool.
      yes, no: the searches.
    """
    interval = [jnp.where(condition, a, b) for a, b in zip(yes.interval, no.interval)]
    rest = {
        name: jnp.where(condition, getattr(yes, name), getattr(no, name))
        for name in Search._fields
        if name != "interval"
    }
    return Search(**{**rest, "interval": Interval(*interval)})
