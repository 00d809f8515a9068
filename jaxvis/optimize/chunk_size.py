"""How many items go together: as many as the compiled step has room for.

A compiled step says what it takes. Beside the parameters, which are there already, all
of it grows with the items, so one compilation tells how many fit: the one that will
run, whenever the first guess holds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxvis.optimize import memory, stepping
from jaxvis.optimize.problem import Problem
from jaxvis.types import Params

GROW = 1.5  # a chunk that much larger is worth another compilation


def prepared(problem: Problem, params: Params) -> Params:
    """Returns the parameters as the step wants them: once, not in every step.

    Args:
      problem: one item's problem.
      params: the network's parameters, with or without the items' axis.
    """
    prepare = getattr(problem.loss, "prepared", None)
    return params if prepare is None else prepare(params)


def take(tree: Any, index: np.ndarray) -> Any:
    """Returns rows of every leaf; what is on the host is cut there.

    Args:
      tree: leaves `[N, ...]`.
      index: `[k]`.
    """
    return jax.tree.map(lambda leaf: leaf[index], tree)


def fitting(
    problem: Problem,
    params: Params,
    sweep: tuple,
    params_axis: int | None,
    *,
    chunk: int | None = None,
) -> int:
    """Returns how many items to optimise together.

    Args:
      problem, params, params_axis: as for `jaxvis.optimize.solve`.
      sweep: (items, keys, start, per-item params or None), leaves `[N, ...]`.
      chunk: how many are asked for; None takes what fits.

    Raises:
      ValueError: if the chunk that is asked for takes more memory than there is.
    """
    count = sweep[1].shape[0]
    most = together(problem, params_axis, count)
    size = most if chunk is None else min(chunk, count)
    if size == 1:
        return 1
    traced = partial(_traced, problem, params, sweep, params_axis)
    shared = params if params_axis is None else ()

    def need(size: int) -> float | None:
        try:
            return memory.taken(traced(size).lower().compile(), shared)
        except Exception as error:
            if memory.exhausted(error):  # while the compiler tries its algorithms
                return float("inf")
            raise

    if chunk is not None:
        _check(size, need(size), memory.free())
        return size
    room = memory.budget()
    guess = memory.peak_bytes(traced(size).jaxpr.jaxpr)
    if guess > size * room:
        return 1  # not even one: nothing else to try
    if guess > room:
        size = int(size * room / guess)
    return _fitted(need, size, most, room)


def together(problem: Problem, params_axis: int | None, count: int) -> int:
    """Returns how many of `count` items at most are worth taking together.

    On a CPU items with kernels of their own, a network or a generator each, share no
    work, only a loop around it.

    Args:
      problem, params_axis: as for `jaxvis.optimize.solve`.
      count: of items.
    """
    if jax.default_backend() != "cpu":
        return count
    own = params_axis == 0 or getattr(problem.canvas, "own_kernels", False)
    return 1 if own else min(count, memory.CPU_ITEMS)


def _traced(
    problem: Problem, params: Params, sweep: tuple, params_axis: int | None, size: int
) -> jax.stages.Traced:
    """Returns the step of `size` items, traced; jit keeps it, and the compiled step."""
    items, keys, start, own = take(sweep, np.arange(size))
    carry = jax.eval_shape(partial(stepping.begin, problem), keys, start)
    given = params if own is None else jax.eval_shape(partial(prepared, problem), own)
    return stepping.traced(problem, params_axis, given, items, keys, carry)


def _fitted(need: Callable[[int], float | None], size: int, most: int, room: int) -> int:
    """Returns the chunk that `room` bytes have room for, up to `most`."""
    if size == 1 == most:
        return 1
    bytes_ = need(size)
    if bytes_ is None:
        return size
    if bytes_ <= room:
        larger = min(most, int(size * room / max(bytes_, 1)))
        grows = larger >= GROW * size and (need(larger) or 0) <= room
        return larger if grows else size
    while size > 1 and bytes_ > room:
        size = max(1, min(size - 1, int(size * room / bytes_)))
        bytes_ = need(size) if size > 1 else 0
    return size


def _check(size: int, bytes_: float | None, free: int) -> None:
    if bytes_ is None or bytes_ <= free or bytes_ == float("inf"):
        return
    fits = max(1, int(size * free / bytes_))
    raise ValueError(
        f"chunk={size} takes {bytes_ / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are "
        f"free: about {fits} items fit; leave chunk out to have it chosen"
    )
