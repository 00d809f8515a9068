"""The one solver: many items, chunked to memory, same image for the same key."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxvis.optimize import memory, stepping
from jaxvis.optimize.check import finite_params
from jaxvis.optimize.chunk_size import fitting, prepared, take
from jaxvis.optimize.problem import Problem
from jaxvis.types import Array, Item, Key, Params, Run, Status

log = logging.getLogger("jaxvis")

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
      key: a typed random key; or `[N]`, an item's own each, where they are a part of a
        larger sweep.
      start: the first z of every item, leaves `[N, ...]`; None asks the canvas.
      params_axis: 0 where `params` carry the sweep's axis too; None shares them.
      chunk: items optimised together; None fits them to the memory that the compiled
        step takes and the device reports (on a CPU at most 8, and items with kernels
        of their own one by one). Where memory runs out all the same it is halved, and a
        warning logged.
      progress: whether to show a bar.
      on_chunk: called with each finished chunk, so that a caller can save it.

    Returns:
      Run, on the host: z, image `[N, H, W, 3]` in [0, 1], trace with "loss" and each
      term `[N, steps]` and "status" `[N]`. A non-finite item keeps its last finite z
      and is marked Status.FAILED. On Ctrl-C the finished items are returned, the others are
      NaN and marked Status.UNFINISHED.

    Raises:
      ValueError: if the leaves of `items`, of `start` or (with `params_axis`) of
        `params` disagree on N, if N is 0, if chunk is below 1 or takes more memory
        than there is; if all items of a chunk fail and shared parameters are NaN or
        infinite: names the layers.
    """
    if params_axis not in (None, 0):
        raise ValueError(f"params_axis is None or 0, not {params_axis!r}")
    each = key if key.ndim else None
    count = _count((items, each), start, params if params_axis == 0 else None)
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    # Folded one by one outside any chunk: item i's key never depends on the chunk.
    keys = each
    if keys is None:
        keys = jax.vmap(partial(jax.random.fold_in, key))(np.arange(count))
    plain = params
    if params_axis is None:
        params = prepared(problem, params)
    sweep = (items, keys, start, params if params_axis == 0 else None)
    chunk = fitting(problem, params, sweep, params_axis, chunk=chunk)
    done: list[tuple[range, Run]] = []
    with tqdm(total=problem.steps, disable=not progress, delay=1) as bar:
        try:
            for where, run in _chunks(problem, params, sweep, params_axis, chunk, bar):
                # Looked for where it can be the reason, not before every run.
                if params_axis is None and np.all(run.trace["status"] == Status.FAILED):
                    finite_params(plain)
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


def _chunks(
    problem: Problem,
    params: Params,
    sweep: tuple,
    params_axis: int | None,
    chunk: int,
    bar: tqdm,
) -> Iterator[tuple[range, Run]]:
    """Yields the positions and the Run of one chunk after another.

    Where memory runs out the chunk is halved, and its items are begun again.
    """
    count, first = sweep[1].shape[0], 0
    while first < count:
        left = -(-(count - first) // chunk)
        bar.total = bar.n + left * problem.steps
        where = range(first, min(first + chunk, count))
        # The last chunk is filled up with copies: another size would compile again.
        index = np.minimum(np.arange(first, first + chunk), count - 1)
        try:
            run = _chunk(problem, params, sweep, params_axis, index, bar.update)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if chunk == 1 or not memory.exhausted(error):
                raise
            run = None
        # Only here is the error gone, and with it what its frames held on to.
        if run is None:
            smaller = -(-chunk // 2)
            log.warning("out of memory with %d items together: going on with %d", chunk, smaller)
            chunk = smaller
            continue
        yield where, _first(run, len(where))
        first = where.stop


def _chunk(
    problem: Problem,
    params: Params,
    sweep: tuple,
    params_axis: int | None,
    index: np.ndarray,
    tick: Callable[[int], Any],
) -> Run:
    """Returns the Run of the items at `index`."""
    items, keys, start, own = take(sweep, index)
    given = params if own is None else prepared(problem, own)
    carry = stepping.begin(problem, keys, start)
    z, trace = stepping.drive(problem, params_axis, given, items, keys, carry, tick=tick)
    return Run(z, stepping.finish(problem, keys, z), trace)


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
        fill = Status.UNFINISHED if leaf.dtype == np.int8 else fill
        return np.concatenate([leaf, np.full((missing, *leaf.shape[1:]), fill, leaf.dtype)])

    return jax.tree.map(extend, joined)
