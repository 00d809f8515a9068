"""Generators solved for many items, piece by piece, and the pictures of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.generators.drawing import Driven, stretch
from jaxvis.loss.objectives import Algebra
from jaxvis.optimize.problem import Problem
from jaxvis.optimize.solve import OnChunk, solve
from jaxvis.optimize.stepping import START
from jaxvis.types import Image, Key, Params, Run, Status

PIECE = 16
"""Items of one call of the solver. Their generators, 21 MB each, are dropped after it;
item i draws from fold_in(fold_in(key, i // 16), i % 16)."""
STRETCHES = ("none", "linear", "root")
"""How a picture is shown: as it is; stretched to [0, 1]; the square root of that."""


@dataclass(frozen=True)
class Coupled:
    """Returns what all pieces of a sweep share.

    Args:
      problem: one item's problem; its loss is a `CoupledLoss`.
      params: the network's.
      shared: the generator's, where all items share them.
      stretched: one of `STRETCHES`.
      keep: whether runs keep their z.
      starts: random starts of every item, of which the one with the least loss is
        moved.
    """

    problem: Problem
    params: Params
    shared: Any
    stretched: str
    keep: bool = False
    starts: int = 1

    def finished(self, run: Run) -> Run:
        """Returns a run with its pictures, and with z only where it is kept.

        Args:
          run: as the solver returns it, leaves `[n, ...]`.
        """
        shown = partial(_show, self.problem.canvas, self.stretched, self.shared)
        images = [
            np.asarray(shown(jax.tree.map(lambda leaf, i=i: leaf[i], run.z)))
            for i in range(len(run.trace["status"]))
        ]
        return Run(run.z if self.keep else (), np.stack(images), run.trace)


@partial(jax.jit, static_argnums=(0, 1))
def _show(canvas: Any, stretched: str, shared: Any, z: Any) -> Image:
    image = canvas.show(shared, z)
    if stretched != "none":
        image = stretch(image, root=stretched == "root")
    return jnp.clip(image, 0.0, 1.0)


def solve_coupled(
    work: Coupled,
    items: Algebra,
    seeds: int,
    key: Key,
    *,
    done: Collection[int] = (),
    chunk: int | None = None,
    progress: bool = False,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns the Run of all items and seeds, `[n, seeds, ...]`, `PIECE` at a time.

    Args:
      work: what they share.
      items: the objectives, leaves `[n, ...]`.
      seeds: pictures per item.
      key: a typed random key.
      done: positions (item * seeds + seed) that are left out: unfinished in the Run.
        The others come out as if none were.
      chunk, progress: see `jaxvis.optimize.solve`.
      on_chunk: called with positions and their finished Run.

    Raises:
      ValueError: for less than one seed, or if nothing is left to do; and as `solve`.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    items = jax.tree.map(lambda leaf: jnp.repeat(leaf, seeds, axis=0), items)
    count = jax.tree.leaves(items)[0].shape[0]
    params = {"net": work.params, "generator": work.shared}
    if not set(range(count)) - set(done):
        raise ValueError(f"all {count} pictures are done already")
    parts: list[tuple[Sequence[int], Run]] = []
    for first in range(0, count, PIECE):
        piece = range(first, min(first + PIECE, count))
        left = _without(piece, done)
        if not left:
            continue
        where = np.array(left)
        own = jax.tree.map(lambda leaf, at=where: leaf[at], items)
        fold = partial(jax.random.fold_in, jax.random.fold_in(key, first // PIECE))
        keys = jax.vmap(fold)(where - first)

        def tell(where: range, run: Run, left: Sequence[int] = left) -> None:
            parts.append((left[where.start : where.stop], work.finished(run)))
            if on_chunk is not None:
                on_chunk(*parts[-1])

        try:
            found = solve(
                work.problem,
                params,
                own,
                keys,
                chunk=chunk,
                progress=progress,
                start=_start(work, params, own, keys),
                on_chunk=tell,
            )
        except KeyboardInterrupt:
            if not parts:
                raise
            break
        if np.any(found.trace["status"] == Status.UNFINISHED):
            break
    joined = _placed(parts, count)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, seeds, *leaf.shape[1:]), joined)


def _without(piece: range, done: Collection[int]) -> Sequence[int]:
    """Returns what of a piece is not done: the range itself where nothing is."""
    left = tuple(number for number in piece if number not in done)
    return piece if len(left) == len(piece) else left


def _start(work: Coupled, params: dict[str, Any], items: Algebra, keys: Key) -> Any:
    """Returns the first z of items where the solver shall not draw it itself."""
    canvas, size = work.problem.canvas, len(keys)
    if isinstance(canvas, Driven):
        return jax.tree.map(
            lambda leaf: np.broadcast_to(np.asarray(leaf), (size, *leaf.shape)),
            canvas.start(work.shared),
        )
    if work.starts == 1:
        return None
    best, least = jax.vmap(canvas.init)(keys), np.full(size, np.inf, np.float32)
    for number in range(work.starts):
        best, least = _better(
            work.problem, params, items, keys, np.uint32(START + number), best, least
        )
    return best


@partial(jax.jit, static_argnums=0)
def _better(
    problem: Problem,
    params: Any,
    items: Algebra,
    keys: Key,
    number: Any,
    best: Any,
    least: Any,
) -> tuple[Any, Any]:
    """Returns the starts of items, and their losses, with one more to choose from."""

    def one(item: Algebra, key: Key, best: Any, least: Any) -> tuple[Any, Any]:
        key = jax.random.fold_in(key, number)
        z = problem.canvas.init(key)
        found, _ = problem.loss(params, z, item, key)
        chosen = jax.tree.map(partial(jnp.where, found < least), z, best)
        return chosen, jnp.minimum(found, least)

    return jax.vmap(one)(items, keys, best, least)


def _placed(parts: list[tuple[Sequence[int], Run]], count: int) -> Run:
    """Returns the parts of a run in their places; what is missing is unfinished."""
    where = np.concatenate([np.array(positions) for positions, _ in parts])

    def place(*leaves: np.ndarray) -> np.ndarray:
        found = np.concatenate(leaves)
        value = Status.UNFINISHED if found.dtype == np.int8 else np.nan
        whole = np.full((count, *found.shape[1:]), value, found.dtype)
        whole[where] = found
        return whole

    return jax.tree.map(place, *(run for _, run in parts))
