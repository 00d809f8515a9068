"""One step of L-BFGS: what an item does with one value and gradient.

The state of its line search decides what comes next: to try another point, to accept
this one and choose a new direction, to restart from the steepest descent, or to finish.
No code branches on it, so that items can be batched by `jax.vmap`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxvis.optimize.quasi_newton import bounds, history, line_search
from jaxvis.optimize.quasi_newton.bounds import Bound, Limits
from jaxvis.types import Array, Status

FAR = 1e10
"""The longest step, in units of the direction's length, as in L-BFGS-B."""


class Options(NamedTuple):
    """The options of `jaxvis.optimize.quasi_newton.lbfgs`."""

    memory: int
    lower: Bound
    upper: Bound
    ftol: float
    gtol: float
    max_line_search: int
    c1: float
    c2: float


class LbfgsState(NamedTuple):
    """The state of one item.

    Attributes:
      solution: the last accepted iterate, shaped like z.
      status: `[]` int8, `Status.DONE` as long as the item runs; see `jaxvis.types.Status`.
      evaluations: `[]` int32, how many values and gradients were taken.
      accepted: `[]` bool, whether the last evaluation was made at `solution`.
      value: the loss at `solution`.
      scale: a power of two by which gradients are multiplied, so that tiny ones do not
        underflow.
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
    """Where to go from an iterate: the direction, its slope, how many pairs are still used."""

    direction: Array
    slope: Array
    used: Array


def flatten(tree: Any) -> Array:
    """Flattens a pytree to one array `[D]`, of float32 at least.

    Args:
      tree: arrays of any shapes.
    """
    joined = ravel_pytree(tree)[0]
    return joined.astype(jnp.promote_types(joined.dtype, jnp.float32))


def begin(options: Options, z: Any) -> LbfgsState:
    """Makes the state before the first evaluation.

    Args:
      options: see `Options`.
      z: the first iterate; `solution` is the nearest one inside the bounds.
    """
    x, box = flatten(z), bounds.make_limits(options.lower, options.upper, z)
    if box is not None:
        z = ravel_pytree(z)[1](bounds.clip_inside(box, x).astype(ravel_pytree(z)[0].dtype))
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
        pairs=history.make_empty(options.memory, x),
        search=line_search.begin(zero, zero - 1, zero + 1, zero + FAR),
    )


def take_step(
    options: Options, grad: Any, state: LbfgsState, z: Any, value: Array
) -> tuple[Any, LbfgsState]:
    """Takes in an evaluation; gives the step to the next trial point, and the state.

    Args:
      options: see `Options`.
      grad: shaped like z, the gradient at z.
      state: the state.
      z: the trial point that was evaluated.
      value: `[]`, the loss at z.
    """
    box = bounds.make_limits(options.lower, options.upper, z)
    raw, g = flatten(z), flatten(grad)
    # Both are read in many places below. The barrier keeps XLA from computing them again
    # in each of these.
    value, g = jax.lax.optimization_barrier((value, g))
    first = state.evaluations == 0
    scale = jnp.where(first, _choose_unit(g), state.scale)
    g = g * scale
    at = raw if box is None else bounds.clip_inside(box, raw)
    slope = _slope_along(box, at, g, state.direction)
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
    restart = ended & (state.pairs.used > 0)
    pairs, with_g = _learn_pair(state, at, g, accepted & ~first, restart)
    x = jnp.where(accepted, at, flatten(state.solution))
    g = jnp.where(accepted, g, state.gradient)
    met = accepted & _meets_tolerance(options, box, first, state.value, value, x, g / scale)
    status = _update_status(state.status, ended & ~restart, finite, met)
    value = jnp.where(accepted, value, state.value)
    aim, begins = _aim(box, pairs, with_g, x, g), accepted | restart
    search = line_search.select(begins, _begin_search(value * scale, aim), search)
    pairs = pairs._replace(used=jnp.where(begins, aim.used, pairs.used))
    d = jnp.where(begins, aim.direction, state.direction)
    trial = jnp.where(status == Status.DONE, x + search.step * d, x)
    trial = trial if box is None else bounds.clip_inside(box, trial)
    status, count = status.astype(jnp.int8), state.evaluations + running
    shaped = ravel_pytree(z)[1]
    step = shaped((trial - raw).astype(raw.dtype))
    new = LbfgsState(shaped(x), status, count, accepted, value, scale, g, d, pairs, search)
    return step, new


def _update_status(status: Array, ended: Array, finite: Array, met: Array) -> Array:
    """Updates the status of an item: one that has finished keeps its own."""
    new = jnp.where(ended, jnp.where(finite, Status.STALLED, Status.FAILED), Status.DONE)
    return jnp.where(status == Status.DONE, jnp.where(met, Status.CONVERGED, new), status)


def _begin_search(value: Array, aim: _Aim) -> line_search.Search:
    """Begins a search in a new direction, whose first trial is one length of it."""
    one = jnp.ones_like(aim.slope)
    return line_search.begin(value, aim.slope, one, FAR * one)


def _slope_along(box, at, g, d) -> Array:
    """Computes phi' over the entries that still move; not finite where any of g is not."""
    return jnp.vdot(g, d if box is None else d * bounds.find_free(box, at, -d))


def _learn_pair(state, at, g, accepted, restart) -> tuple[history.History, Array]:
    """Adds the step just taken to the pairs; gives them, and their products with g.

    A step without curvature is not added. A restart drops all pairs.
    """
    used = jnp.where(restart, 0, state.pairs.used)
    s, y = at - flatten(state.solution), g - state.gradient
    eps = jnp.finfo(g.dtype).eps
    curved = jnp.vdot(s, y) > -eps * jnp.vdot(s, state.gradient)
    return history.extend(
        state.pairs._replace(used=used),
        s,
        y,
        g,
        accepted & curved,
    )


def _choose_unit(g: Array) -> Array:
    """Chooses the power of two that brings the largest |g| near 1."""
    largest = jnp.max(jnp.abs(g))
    _, exponent = jnp.frexp(largest)
    usable = jnp.isfinite(largest) & (largest > 0)
    exponent = jnp.clip(jnp.where(usable, exponent, 0), -100, 100)
    return jnp.ldexp(jnp.ones((), g.dtype), -exponent)


def _meets_tolerance(options, box, first, before, value, x, g) -> Array:
    """Says whether an accepted iterate meets a tolerance."""
    if box is not None:
        g = jnp.where(g < 0, jnp.maximum(x - box.upper, g), g)
        g = jnp.where(g > 0, jnp.minimum(x - box.lower, g), g)
    largest = jnp.maximum(jnp.maximum(jnp.abs(before), jnp.abs(value)), 1.0)
    flat = ~first & (before - value <= options.ftol * largest)
    return flat | (jnp.max(jnp.abs(g)) <= options.gtol)


def _invert(norm: Array) -> Array:
    return 1 / jnp.where(norm > 0, norm, 1.0)


def _aim(box: Limits | None, pairs, with_g, x, g) -> _Aim:
    """Chooses where to go from x.

    Without usable pairs nothing is known of the curvature: then it is a step of unit length
    down the gradient.
    """
    if box is not None:
        return _aim_inside(box, pairs, x, g)
    newton, norm = history.find_direction(pairs, with_g, g), jnp.linalg.norm(g)
    slope = jnp.vdot(newton, g)
    good = (pairs.used > 0) & (slope < 0)
    return _Aim(
        jnp.where(good, newton, -_invert(norm) * g),
        jnp.where(good, slope, -norm),
        jnp.where(good, pairs.used, 0),
    )


def _aim_inside(box: Limits, pairs, x, g) -> _Aim:
    """Chooses where to go from x along a path that is clipped to the box."""
    some = pairs.used > 0
    unit = jnp.where(some, history.scale_of(pairs), _invert(jnp.linalg.norm(g)))
    goal = jnp.clip(x - unit * g, *box)
    free = bounds.find_free(box, goal, g)
    loose, with_g = history.restrict(pairs, free.astype(g.dtype), g * free)
    newton = history.find_direction(loose, with_g, g * free)
    d = jnp.where(free & some, newton, goal - x)
    slope = jnp.vdot(d, g)
    good = slope < 0
    d, slope = (
        jnp.where(good, d, goal - x),
        jnp.where(good, slope, jnp.vdot(goal - x, g)),
    )
    return _Aim(d, slope, pairs.used)
