"""L-BFGS for many items at once: every step is one value and gradient of every item.

A line search needs a varying number of evaluations. Written as a loop, it makes every
item of a batch wait for the slowest one. Here each evaluation is a step of its own, and
what an item does with it depends on the state of its own search (reverse communication).
"""

from functools import lru_cache
from typing import Any

import numpy as np

from jaxvis.optimize.problem import Searching
from jaxvis.optimize.quasi_newton.bounds import Bound
from jaxvis.optimize.quasi_newton.step import LbfgsState, Options, begin, take_step


def lbfgs(
    *,
    memory: int = 10,
    lower: Bound = None,
    upper: Bound = None,
    ftol: float = 0.0,
    gtol: float = 0.0,
    max_line_search: int = 20,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> Searching:
    """Gives L-BFGS with a strong Wolfe line search, as an optax transformation.

    `update(grad, state, z, value=value)` takes the value and the gradient at z, a trial
    point, and returns the step to the next trial point. The result so far is
    `state.solution`. `init` puts it at z, clipped to the box where there are bounds, and
    the first evaluation must be made there. The loss must be deterministic. An item that
    has converged, stalled or failed moves no more. Equal arguments give the same object,
    so that nothing is compiled again.

    Args:
      memory: m, how many pairs (s, y) are kept; they take 2 m copies of z.
      lower, upper: box bounds on z, a number or nested tuples that broadcast against
        its leaves; None leaves that side free.
      ftol: an item has converged when an accepted step lowers the value f to an f' with
        f - f' <= ftol max(|f|, |f'|, 1); with 0, when the value no longer falls at all.
      gtol: an item has converged when no entry of the (projected) gradient is larger.
      max_line_search: how many evaluations one line search may take.
      c1, c2: of the Wolfe conditions, f(t) <= f(0) + c1 t f'(0), |f'(t)| <= c2 |f'(0)|.

    Raises:
      ValueError: for a memory or search length below 1, unless 0 < c1 < c2 < 1, for
        negative tolerances, and for bounds that cross or are arrays (use tuples).

    Source: Liu & Nocedal (1989); Moré & Thuente (1994); stopping rules, first step,
    skipped pairs and restarts as in L-BFGS-B 3.0 (Zhu, Byrd, Lu & Nocedal 1997;
    Morales & Nocedal 2011). Departures: bounds are kept by projection with two metrics
    (Bertsekas 1982; see `jaxvis.optimize.quasi_newton.bounds`), not by the generalised
    Cauchy point; the first step after a restart has unit length again; a value that is
    not finite shortens the step.
    """
    options = Options(memory, lower, upper, ftol, gtol, max_line_search, c1, c2)
    _check(options)
    return _build(options)


def _check(options: Options) -> None:
    """Raises ValueError for options without a meaning."""
    _check_bounds(options.lower, options.upper)
    if options.memory < 1 or options.max_line_search < 1:
        raise ValueError(
            "memory and max_line_search must be at least 1, got "
            f"{options.memory} and {options.max_line_search}"
        )
    if not 0 < options.c1 < options.c2 < 1:
        raise ValueError(f"0 < c1 < c2 < 1 must hold, got c1 = {options.c1}, c2 = {options.c2}")
    if not (options.ftol >= 0 and options.gtol >= 0):
        raise ValueError(f"ftol and gtol must not be negative, got {options.ftol}, {options.gtol}")


def _check_bounds(lower: Bound, upper: Bound) -> None:
    low, high = -np.inf if lower is None else lower, np.inf if upper is None else upper
    try:
        hash((lower, upper))
        crossed = not np.all(np.less_equal(low, high))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "lower and upper must be numbers or nested tuples of numbers that "
            f"broadcast against z, not arrays or lists: {error}"
        ) from None
    if crossed:
        raise ValueError(f"lower {lower} must not be above upper {upper}")


@lru_cache(maxsize=64)
def _build(options: Options) -> Searching:
    def init(z: Any) -> LbfgsState:
        return begin(options, z)

    # The names are those of optax, which passes extra arguments by keyword, `grad` too.
    def update(updates, state, params=None, *, value, **extra):
        del extra
        return take_step(options, updates, state, params, value)

    return Searching(init, update)
