"""One step of L-BFGS: what an item does with the one evaluation that it gets.

Where its line search stands decides: try another point, accept this one and set out in
a new direction, start again from the steepest descent, or finish. All is selects.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxvis.optimize.lbfgs import bounds, history, line_search
from jaxvis.optimize.lbfgs.bounds import Bound, Limits
from jaxvis.types import Array, Status

FAR = 1e10
"""The longest step, in units of the direction, as in L-BFGS-B."""


class Options(NamedTuple):
    """The options of `jaxvis.optimize.lbfgs.rule`."""

    memory: int
    lower: Bound
    upper: Bound
    ftol: float
    gtol: float
    max_line_search: int
    c1: float
    c2: float


class LbfgsState(NamedTuple):
    """One item's state.

    Attributes:
      solution: the last accepted iterate, shaped like z.
      status: `[]` int8, `Status.DONE` as long as it runs; see `jaxvis.types.Run`.
      evaluations: `[]` int32, values and gradients taken.
      accepted: `[]` bool, whether the last evaluation was at `solution`.
      value: the loss at `solution`.
      scale: a power of two, the unit of gradients: tiny ones must not underflow.
      gradient, direction: `[D]`, in that unit.
      pairs: the history.
      search: the line search.
    """

    solution: Any
    status: Array
    evaluations: Array
    accepted: Array
    value: Array
    scale: Array
    gradient: Array
    direction: Array
    pairs: history.History
    search: line_search.Search


class _Aim(NamedTuple):
    """Where to go from an iterate: direction, its slope, how many pairs still count."""

    direction: Array
    slope: Array
    count: Array


def flat(tree: Any) -> Array:
    """Returns the leaves as one `[D]`, of float32 at least.

    Args:
      tree: arrays.
    """
    joined = ravel_pytree(tree)[0]
    return joined.astype(jnp.promote_types(joined.dtype, jnp.float32))


def initial(options: Options, z: Any) -> LbfgsState:
    """Returns the state before the first evaluation.

    Args:
      options: see `Options`.
      z: the first iterate; `solution` is the nearest one inside the bounds.
    """
    x, box = flat(z), bounds.limits(options.lower, options.upper, z)
    if box is not None:
        z = ravel_pytree(z)[1](bounds.inside(box, x).astype(ravel_pytree(z)[0].dtype))
    nothing, zero = jnp.zeros_like(x), jnp.zeros((), x.dtype)
    return LbfgsState(
        solution=z,
        status=jnp.int8(Status.DONE),
        evaluations=jnp.int32(0),
        accepted=jnp.array(False),
        value=zero,
        scale=zero + 1,
        gradient=nothing,
        direction=nothing,
        pairs=history.empty(options.memory, x),
        search=line_search.begin(zero, zero - 1, zero + 1, zero + FAR),
    )


def stepped(
    options: Options, grad: Any, state: LbfgsState, z: Any, value: Array
) -> tuple[Any, LbfgsState]:
    """Returns the step to the next trial point, and the state.

    Args:
      options: see `Options`.
      grad: shaped like z, the gradient at z.
      state: the state.
      z: the trial point that was evaluated.
      value: `[]`, the loss at z.
    """
    box = bounds.limits(options.lower, options.upper, z)
    raw, g = flat(z), flat(grad)
    # Read in many places below, and not to be computed again in each of them.
    value, g = jax.lax.optimization_barrier((value, g))
    first = state.evaluations == 0
    scale = jnp.where(first, _unit(g), state.scale)
    g = g * scale
    at = raw if box is None else bounds.inside(box, raw)
    slope = _slope(box, at, g, state.direction)
    finite = jnp.isfinite(value) & jnp.isfinite(slope)
    running = state.status == Status.DONE
    search, counts, ends = line_search.advance(
        state.search,
        value * scale,
        slope,
        c1=options.c1,
        c2=options.c2,
        trials=options.max_line_search,
    )
    accepted = running & finite & (first | counts)
    ended = running & ~accepted & (first | ends)
    restart = ended & (state.pairs.count > 0)
    pairs, with_g = _learned(state, at, g, accepted & ~first, restart)
    x = jnp.where(accepted, at, flat(state.solution))
    g = jnp.where(accepted, g, state.gradient)

    met = accepted & _met(options, box, first, state.value, value, x, g / scale)
    status = jnp.where(
        ended & ~restart, jnp.where(finite, Status.STALLED, Status.FAILED), Status.DONE
    )
    status = jnp.where(running, jnp.where(met, Status.CONVERGED, status), state.status)
    value = jnp.where(accepted, value, state.value)
    aim, begins = _aim(box, pairs, with_g, x, g), accepted | restart
    one = jnp.ones_like(slope)
    new = line_search.begin(value * scale, aim.slope, one, FAR * one)
    search = line_search.chosen(begins, new, search)
    pairs = pairs._replace(count=jnp.where(begins, aim.count, pairs.count))
    d = jnp.where(begins, aim.direction, state.direction)
    trial = jnp.where(status == Status.DONE, x + search.step * d, x)
    trial = trial if box is None else bounds.inside(box, trial)
    shaped = ravel_pytree(z)[1]
    return shaped((trial - raw).astype(raw.dtype)), LbfgsState(
        shaped(x),
        status.astype(jnp.int8),
        state.evaluations + running,
        accepted,
        value,
        scale,
        g,
        d,
        pairs,
        search,
    )


def _slope(box, at, g, d) -> Array:
    """Returns phi', of the entries that still move; not finite if any of g is not."""
    return jnp.vdot(g, d if box is None else d * bounds.free(box, at, -d))


def _learned(state, at, g, accepted, restart) -> tuple[history.History, Array]:
    """Returns the pairs, with the step just accepted if it has curvature, none after a
    search that failed; and their products with g.
    """
    count = jnp.where(restart, 0, state.pairs.count)
    s, y = at - flat(state.solution), g - state.gradient
    eps = jnp.finfo(g.dtype).eps
    curved = jnp.vdot(s, y) > -eps * jnp.vdot(s, state.gradient)
    return history.extended(
        state.pairs._replace(count=count),
        s,
        y,
        g,
        accepted & curved,
    )


def _unit(g: Array) -> Array:
    """Returns a power of two that brings the largest |g| near 1."""
    largest = jnp.max(jnp.abs(g))
    _, exponent = jnp.frexp(largest)
    usable = jnp.isfinite(largest) & (largest > 0)
    exponent = jnp.clip(jnp.where(usable, exponent, 0), -100, 100)
    return jnp.ldexp(jnp.ones((), g.dtype), -exponent)


def _met(options, box, first, before, value, x, g) -> Array:
    """Returns whether an accepted iterate meets a tolerance."""
    if box is not None:
        g = jnp.where(g < 0, jnp.maximum(x - box.upper, g), g)
        g = jnp.where(g > 0, jnp.minimum(x - box.lower, g), g)
    largest = jnp.maximum(jnp.maximum(jnp.abs(before), jnp.abs(value)), 1.0)
    flat = ~first & (before - value <= options.ftol * largest)
    return flat | (jnp.max(jnp.abs(g)) <= options.gtol)


def _inverse(norm: Array) -> Array:
    return 1 / jnp.where(norm > 0, norm, 1.0)


def _aim(box: Limits | None, pairs, with_g, x, g) -> _Aim:
    """Returns where to go from x.

    Without usable pairs, as curvature is not known yet: a unit of steepest descent.
    """
    if box is not None:
        return _aim_inside(box, pairs, x, g)
    newton, norm = history.direction(pairs, with_g, g), jnp.linalg.norm(g)
    slope = jnp.vdot(newton, g)
    good = (pairs.count > 0) & (slope < 0)
    return _Aim(
        jnp.where(good, newton, -_inverse(norm) * g),
        jnp.where(good, slope, -norm),
        jnp.where(good, pairs.count, 0),
    )


def _aim_inside(box: Limits, pairs, x, g) -> _Aim:
    """Returns where to go from x along a path that is clipped to the box."""
    some = pairs.count > 0
    unit = jnp.where(some, history.scale(pairs), _inverse(jnp.linalg.norm(g)))
    goal = jnp.clip(x - unit * g, *box)
    free = bounds.free(box, goal, g)
    loose, with_g = history.restricted(pairs, free.astype(g.dtype), g * free)
    newton = history.direction(loose, with_g, g * free)
    d = jnp.where(free & some, newton, goal - x)
    slope = jnp.vdot(d, g)
    good = slope < 0
    d, slope = (
        jnp.where(good, d, goal - x),
        jnp.where(good, slope, jnp.vdot(goal - x, g)),
    )
    return _Aim(d, slope, pairs.count)
