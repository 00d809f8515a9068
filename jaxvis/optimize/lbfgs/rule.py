"""L-BFGS for many items at once: one value and gradient a step, none wasted.

A line search needs a varying number of evaluations. Written as a loop it makes every
item of a batch wait for the slowest; here each evaluation is a step, and what an item
does with it depends on where its own search stands (reverse communication).
"""

from functools import lru_cache
from typing import Any

import numpy as np

from jaxvis.optimize.lbfgs.bounds import Bound
from jaxvis.optimize.lbfgs.step import LbfgsState, Options, initial, stepped
from jaxvis.optimize.problem import Searching


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
    """Returns L-BFGS with a strong Wolfe search, as an optax transformation.

    `update(grad, state, z, value=value)` takes the value and gradient at z, which is a
    trial point, and returns the step to the next trial point. The iterate that counts
    is `state.solution`, from `init` on: with bounds the first evaluation is due there,
    which is z inside the box. The loss must be deterministic. An item that converges,
    stalls or fails moves no more. Equal arguments return the same object.

    Args:
      memory: m, pairs (s, y) kept: 2 m copies of z.
      lower, upper: box bounds on z, a number or nested tuples that broadcast against
        its leaves; None leaves that side free.
      ftol: converged if an accepted step lowers the value by no more than
        ftol max(|f|, |f'|, 1); 0 stops only where the value no longer falls at all.
      gtol: converged if the largest entry of the (projected) gradient is no more.
      max_line_search: evaluations that one search may take.
      c1, c2: of the Wolfe conditions, f(t) <= f(0) + c1 t f'(0), |f'(t)| <= c2 |f'(0)|.

    Raises:
      ValueError: for a memory or search length below 1, unless 0 < c1 < c2 < 1, for
        negative tolerances, and for bounds that cross or are arrays (use tuples).

    Source: Liu & Nocedal (1989); Moré & Thuente (1994); stopping rules, first step,
    skipped pairs and restarts as in L-BFGS-B 3.0 (Zhu, Byrd, Lu & Nocedal 1997;
    Morales & Nocedal 2011). Departures: bounds by projection with two metrics
    (Bertsekas 1982; `jaxvis.optimize.lbfgs.bounds`), not by the generalised Cauchy point; the
    first step after a restart has unit length again; a value that is not finite
    shortens the step.
    """
    options = Options(memory, lower, upper, ftol, gtol, max_line_search, c1, c2)
    _check(options)
    return _made(options)


def _check(options: Options) -> None:
    """Raises ValueError for options that make no sense."""
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
def _made(options: Options) -> Searching:
    def init(z: Any) -> LbfgsState:
        return initial(options, z)

    # The names are optax's: extra arguments come by keyword, `grad` among them.
    def update(updates, state, params=None, *, value, **extra):
        del extra
        return stepped(options, updates, state, params, value)

    return Searching(init, update)
