"""The one solver: many items, chunked to memory, same image for the same key."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxvis.optimize import memory, stepping
from jaxvis.optimize.problem import Problem
from jaxvis.types import UNFINISHED, Array, Item, Key, Params, Run

OnChunk = Callable[[range, Run], None]
"""Called with the items' positions and their finished Run, chunk by chunk."""


def solve(
    problem: Problem,
    params: Params,
    items: Item,
    key: Key,
    *,
    start: Any = None,
    params_axis: int | None = None,
    chunk: int | None = None,
    progress: bool = False,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns the optimised images of N items: minimises problem.loss for each.

    Item i draws all its randomness from `fold_in(key, i)`, so its image depends on
    neither the chunk size nor the other items.

    Args:
      problem: one item's problem.
      params: the network's parameters; with `params_axis`, one set per item.
      items: a pytree whose leaves have the sweep's axis `[N, ...]` in front.
      key: a typed random key.
      start: the first z of every item, leaves `[N, ...]`; None asks the canvas.
      params_axis: 0 where `params` carry the sweep's axis too; None shares them.
      chunk: items optimised together; None fits them to the memory that the device
        reports (at most 8 on a CPU).
      progress: whether to show a bar.
      on_chunk: called with each finished chunk, so that a caller can save it.

    Returns:
      Run, on the host: z, image `[N, H, W, 3]` in [0, 1], trace with "loss" and each
      term `[N, steps]` and "status" `[N]`. A non-finite item keeps its last finite z
      and is marked FAILED. On Ctrl-C the finished items are returned, the others are
      NaN and marked UNFINISHED.

    Raises:
      ValueError: if the leaves of `items`, of `start` or (with `params_axis`) of
        `params` disagree on N, if N is 0, or if chunk is below 1.
    """
    if params_axis not in (None, 0):
        raise ValueError(f"params_axis is None or 0, not {params_axis!r}")
    count = _count(items, start, params if params_axis == 0 else None)
    # Folded one by one outside any chunk: item i's key never depends on the chunk.
    keys = jax.vmap(partial(jax.random.fold_in, key))(np.arange(count))
    if params_axis is None:
        params = _prepared(problem, params)
    sweep = (items, keys, start, params if params_axis == 0 else None)
    if chunk is None:
        chunk = fitting(problem, params, sweep, params_axis)
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    chunks = -(-count // chunk)
    done: list[tuple[range, Run]] = []
    with tqdm(total=chunks * problem.steps, disable=not progress, delay=1) as bar:
        try:
            for where, run in _chunks(
                problem, params, sweep, params_axis, chunk, bar.update
            ):
                done.append((where, run))
                if on_chunk is not None:
                    on_chunk(where, run)
        except KeyboardInterrupt:
            if not done:
                raise
    return _join([run for _, run in done], count)


def _count(items: Item, start: Any, own: Params | None) -> int:
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves((items, start, own))}
    if not jax.tree.leaves(items) or len(sizes) != 1 or sizes & {(), (0,)}:
        raise ValueError(
            "the leaves of items (of start too, and of params with params_axis) must "
            "share one leading axis, the sweep, of at least 1; got leading sizes "
            f"{sorted(sizes)}: build them under jax.vmap"
        )
    return sizes.pop()[0]


def _prepared(problem: Problem, params: Params) -> Params:
    """Returns the parameters as the step wants them: once, not in every step."""
    prepare = getattr(problem.loss, "prepared", None)
    return params if prepare is None else prepare(params)


def _take(tree: Any, index: np.ndarray) -> Any:
    # Leaves on the host are cut there: only the chunk goes to the device.
    return jax.tree.map(lambda leaf: leaf[index], tree)


def fitting(
    problem: Problem, params: Params, sweep: tuple, params_axis: int | None
) -> int:
    """Returns how many items to optimise together, from the traced step's memory.

    Args:
      problem, params, params_axis: as for `solve`.
      sweep: (items, keys, start, per-item params or None), leaves `[N, ...]`.
    """
    count = sweep[1].shape[0]
    size = min(count, memory.CPU_ITEMS) if jax.default_backend() == "cpu" else count
    if size == 1:
        return 1
    items, keys, start, own = _take(sweep, np.arange(size))
    carry = jax.eval_shape(partial(stepping.begin, problem), keys, start)
    given = params if own is None else jax.eval_shape(partial(_prepared, problem), own)
    # jit keeps this trace: a first call then runs it, a second finds it.
    program = stepping.step_once.trace(
        problem, params_axis, given, items, keys, carry, np.int32(0)
    ).jaxpr
    need, free = memory.peak_bytes(program.jaxpr), memory.budget()
    return size if need <= free else max(1, int(size * free / need))


def _chunks(
    problem: Problem,
    params: Params,
    sweep: tuple,
    params_axis: int | None,
    chunk: int,
    tick: Callable[[int], Any],
) -> Iterator[tuple[range, Run]]:
    """Yields the positions and the Run of one chunk after another."""
    count = sweep[1].shape[0]
    chunk = min(chunk, count)
    for first in range(0, count, chunk):
        where = range(first, min(first + chunk, count))
        # The last chunk is filled up with copies: another size would compile again.
        index = np.minimum(np.arange(first, first + chunk), count - 1)
        items, keys, start, own = _take(sweep, index)
        given = params if own is None else _prepared(problem, own)
        carry = stepping.begin(problem, keys, start)
        z, trace = stepping.drive(
            problem, params_axis, given, items, keys, carry, tick=tick
        )
        run = Run(z, stepping.finish(problem, keys, z), trace)
        yield where, _first(run, len(where))


def _first(run: Run, count: int) -> Run:
    """Returns the first items of a run, on the host."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], run)


def _join(runs: list[Run], count: int) -> Run:
    """Returns the runs as one; items that are missing at the end are unfinished."""
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *runs)
    missing = count - len(joined.trace["status"])
    if not missing:
        return joined

    def extend(leaf: Array) -> np.ndarray:
        fill = {"i": 0, "f": np.nan}.get(leaf.dtype.kind)
        fill = UNFINISHED if leaf.dtype == np.int8 else fill
        return np.concatenate(
            [leaf, np.full((missing, *leaf.shape[1:]), fill, leaf.dtype)]
        )

    return jax.tree.map(extend, joined)
