"""The one solver: many items, in chunks that fit the memory."""

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from jaxvis.devices import count_devices, split_items
from jaxvis.interrupts import hold_interrupts
from jaxvis.optimize import memory, step_programs, stepping
from jaxvis.optimize.check import check_finite
from jaxvis.optimize.chunk_size import Sweep, plan
from jaxvis.optimize.groups import choose_group
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.problem import Problem
from jaxvis.optimize.runs import join_chunks
from jaxvis.optimize.watch import Progress, Watch, change_looks
from jaxvis.types import Interrupted, Item, Key, Params, Run, Status, as_key

log = logging.getLogger("jaxvis")

Chunk = tuple[np.ndarray, Run]
"""The positions of items in their sweep, `[n]`, and their Run."""


def solve(
    problem: Problem,
    params: Params,
    items: Item,
    key: Key,
    *,
    shared: Any = None,
    start: Any = None,
    params_axis: int | None = None,
    skip: Collection[int] = (),
    chunk: int | None = None,
    keep_z: bool = True,
    progress: Progress = False,
) -> Run:
    """Minimises problem.loss for each of N items, and joins what `solve_chunks` gives.

    Args:
      problem, params, items, key, shared, start, params_axis, skip, chunk, keep_z, progress:
        see `solve_chunks`.

    Returns:
      Run, on the host: z, image `[N, H, W, 3]` in [0, 1], trace with "loss" and each
      term `[N, steps]`, status and facts `[N]`. A non-finite item keeps its last finite
      z and is marked FAILED. Items of `skip` are NaN and marked UNFINISHED.

    Raises:
      ValueError: as `solve_chunks`.
      Interrupted: on Ctrl-C; it carries the whole Run, as far as it came.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.loss.compose import compose
    >>> from jaxvis.optimize import Problem, solve
    >>> net, params = jaxvis.load("demo")
    >>> canvas = jaxvis.canvases.Tanh((32, 32))
    >>> problem = Problem(compose(net, canvas), canvas, jaxvis.optimizers.adam(0.05), steps=3)
    >>> items = jaxvis.objectives.Excite("conv3_1", jax.numpy.array([3, 7]))
    >>> solve(problem, params, items, jax.random.key(0)).image.shape
    (2, 32, 32, 3)
    """
    parts: list[Chunk] = []

    def join(chunks: list[Chunk]) -> Run:
        return join_chunks(chunks, jax.tree.leaves(items)[0].shape[0])

    def look(where: np.ndarray, run: Run) -> None:
        """Shows the whole sweep, with the chunk that is in progress."""
        assert isinstance(progress, Watch)
        whole = join([*((at, one._replace(z=())) for at, one in parts), (where, run)])
        progress.look(np.arange(len(whole.status)), whole)

    try:
        chunks = solve_chunks(
            problem,
            params,
            items,
            key,
            shared=shared,
            start=start,
            params_axis=params_axis,
            skip=skip,
            chunk=chunk,
            keep_z=keep_z,
            progress=replace(progress, look=look) if isinstance(progress, Watch) else progress,
        )
        for finished in chunks:
            parts.append(finished)
    except KeyboardInterrupt:
        raise Interrupted(join(parts) if parts else None) from None
    return join(parts)


def solve_chunks(
    problem: Problem,
    params: Params,
    items: Item,
    key: Key,
    *,
    shared: Any = None,
    start: Any = None,
    params_axis: int | None = None,
    skip: Collection[int] = (),
    chunk: int | None = None,
    keep_z: bool = True,
    progress: Progress = False,
) -> Iterator[Chunk]:
    """Minimises problem.loss for each of N items, and gives one finished chunk after another.

    Nothing of a chunk is kept once the caller lets go of it, so a sweep of any length
    takes the memory of one chunk. Item i draws all its randomness from its own key.

    Items are spread over all devices of this process, the cores of a CPU among them (see
    `jaxvis.use_cores`); parameters or items that lie on a device keep them there. Each
    device takes a chunk of its own, and what a step computes depends on the size of the
    chunk alone, not on how many devices there are.

    Args:
      problem: one item's problem.
      params: the network's parameters; with `params_axis`, one set per item.
      items: a pytree whose leaves have the sweep's axis `[N, ...]` in front.
      key: `[N]` typed random keys, an item's own each (see `jaxvis.optimize.keys`); or
        one key, from which item i takes `fold_in(key, i)`.
      shared: what the canvases of all items have in common, such as a generator's
        weights.
      start: the first z of every item, leaves `[N, ...]`; None asks the canvas.
      params_axis: 0 where `params` carry the sweep's axis too; None shares them.
      skip: positions of items that are done already. A chunk is left out when all of
        its items are done; otherwise it is optimised whole, so that its bytes come out
        as before, and only what was missing is given.
      chunk: items that a device optimises together; None fits them to the memory that
        the compiled step takes and the device reports (on a CPU at most 8, fewer large
        ones where each core is a device, and items with kernels of their own one by
        one). Where memory runs out all the same it is halved, and a warning logged.
      keep_z: whether a Run has its z, which may be a whole generator; () without.
      progress: whether to show a bar; or a `jaxvis.optimize.watch.Watch`, which is
        shown the chunk in progress beside it.

    Yields:
      Positions `[n]` and the Run of these items on the host, its facts with the "chunk"
      that was used.

    Raises:
      ValueError: if the leaves of `items`, of `start` or (with `params_axis`) of
        `params` disagree on N, if N is 0, if chunk is below 1 or takes more memory
        than there is; if nothing is left to do; if all items of a chunk fail and shared
        parameters are NaN or infinite: names the layers.
      Interrupted: on Ctrl-C, after what was in progress has been given as UNFINISHED.
    """
    if params_axis not in (None, 0):
        raise ValueError(f"params_axis is None or 0, not {params_axis!r}")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    own = params if params_axis == 0 else None
    key = as_key(key)
    count = _count((items, key if key.ndim else None), start, own)
    done = frozenset(skip)
    if done.issuperset(range(count)):
        raise ValueError(f"all {count} items are done already: there is nothing to do")
    keys = key if key.ndim else keys_of_places(key, count)
    common = {} if params_axis == 0 else problem.loss.prepare(params)
    sweep = Sweep(common, shared, items, keys, start, own)
    sweep, size = plan(problem, sweep, chunk=chunk, done=done)
    return _solve_all(problem, sweep, params, size, done, keep_z=keep_z, progress=progress)


def _count(items: Item, start: Any, own: Params | None) -> int:
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves((items, start, own))}
    if not jax.tree.leaves(items) or len(sizes) != 1 or sizes & {(), (0,)}:
        raise ValueError(
            "the leaves of items (of start too, and of params with params_axis) must "
            "share one leading axis, the sweep, of at least 1; got leading sizes "
            f"{sorted(sizes)}: build them under jax.vmap"
        )
    return sizes.pop()[0]


def _solve_all(
    problem: Problem,
    sweep: Sweep,
    params: Params,
    chunk: int,
    done: frozenset[int],
    *,
    keep_z: bool,
    progress: Progress,
) -> Iterator[Chunk]:
    """Solves one chunk after another, and keeps none of them.

    Where memory runs out the chunk is halved, and its items are begun again.
    """
    devices = count_devices(sweep.mesh)
    missing = np.array([i for i in range(sweep.length) if i not in done], int)
    with tqdm(disable=not progress, delay=1) as bar:
        while len(missing):
            group = choose_group(missing, chunk, devices, sweep.length)
            bar.total = bar.n + -(-group.chunks_left // devices) * problem.steps
            look = change_looks(progress, partial(_take_items, index=group.rows))
            taken = sweep.take(group.places)
            part = _Part(problem, taken, group.where, chunk, keep_z, bar.update, look)
            run, interrupted = _solve_or_halve(part)
            if run is None:
                chunk = -(-chunk // 2)
                log.warning("out of memory: going on with %d items together", chunk * devices)
                continue
            # Looked for where it can be the reason, not before every run.
            if sweep.own is None and np.all(run.status == Status.FAILED):
                check_finite(params)
            finished = [(group.where, _take_items(run, group.rows))]
            # A name that is left here would keep the chunk while the next one is solved.
            del run, part, taken
            yield finished.pop()
            if interrupted:
                raise Interrupted
            missing = np.setdiff1d(missing, group.where)


class _Part(NamedTuple):
    """A chunk for each device: their items, which they are, and who hears how it goes on."""

    problem: Problem
    items: Sweep
    where: np.ndarray
    chunk: int
    keep_z: bool
    tick: Callable[[int], Any]
    progress: Progress


def _solve_or_halve(part: _Part) -> tuple[Run | None, bool]:
    """Solves a chunk; gives (its Run or None where memory ran out, whether interrupted)."""
    try:
        return _solve_chunk(part)
    except KeyboardInterrupt:
        raise Interrupted from None
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if part.chunk == 1 or not memory.is_out_of_memory(error):
            raise
    # Only here is the error gone, and with it what its frames held on to.
    return None, False


def _solve_chunk(part: _Part) -> tuple[Run, bool]:
    """Solves a chunk; gives (its Run on the host, whether interrupted)."""
    problem, items, watch = part.problem, part.items, part.progress
    batch, first = items.batch(problem), problem.begin()
    opening = None if first is None else (items.batch(first), first.steps)
    mesh = items.mesh

    def show(end: stepping.Ended, keep_z: bool) -> Run:
        steps = np.int32(problem.steps)
        z = split_items(end.z, mesh)
        image = step_programs.finish(batch.program, items.shared, batch.keys, z, steps, mesh=mesh)
        facts = {**end.facts, "chunk": np.full(items.length, part.chunk, np.int32)}
        run = Run(end.z if keep_z else (), image, end.trace, end.status, facts)
        return jax.tree.map(np.asarray, run)

    def look(end: stepping.Ended) -> None:
        assert isinstance(watch, Watch)
        watch.look(part.where, show(end, False))

    # A step that is interrupted has consumed what came before, and given nothing.
    with hold_interrupts() as stopped:
        start = split_items(items.start, mesh=mesh)
        carry = step_programs.begin(batch.program, batch.keys, start, mesh=mesh)
        end = stepping.drive(
            batch,
            carry,
            problem.steps,
            opening=opening,
            tick=part.tick,
            stopped=stopped,
            is_due=watch.is_due if isinstance(watch, Watch) else stepping.never,
            look=look,
        )
        run = show(end, part.keep_z)
        return run, stopped() or end.interrupted


def _take_items(run: Run, index: np.ndarray) -> Run:
    """Takes items of a run; without a copy where they are all of them."""
    if np.array_equal(index, np.arange(len(run.status))):
        return run
    return jax.tree.map(lambda leaf: leaf[index], run)
