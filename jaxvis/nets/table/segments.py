"""Rematerialisation: a network that keeps few taps for its gradient.

A gradient needs the activations of the forward pass. Here the network runs in
segments; only what passes from one to the next is kept, the rest is computed again on
the way back. That costs about one more forward pass.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp

from jaxvis.nets.table.layers import Layer, shapes, sources
from jaxvis.network import Forward
from jaxvis.types import Array, Params, Taps


@dataclass(frozen=True)
class Segmented(Forward):
    """Returns taps, as `forward` does, keeping only those between segments.

    Args:
      forward: a table network's forward pass.
      rows: its table.
      size: (H, W) of the native image.
    """

    forward: Forward
    rows: tuple[Layer, ...]
    size: tuple[int, int]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the `wanted` taps, those between segments, and `values`."""
        needed = self.forward.needed(frozenset(values), wanted)
        taps = dict(values)
        for inner, outputs in segments(self.rows, self.size, needed, wanted):
            reads = sources(self.rows)
            known = {
                name: taps[name] for row in inner for name in (reads[row] or (row,)) if name in taps
            }
            taps |= _segment(self.forward, outputs, params, known)
        return taps

    def rematerialise(self) -> "Segmented":
        """Gives this forward pass itself, which is cut already."""
        return self

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters in the form that a step computes fastest with.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        return self.forward.prepare(params, size)


@lru_cache(maxsize=256)
def segments(
    rows: tuple[Layer, ...],
    size: tuple[int, int],
    needed: frozenset[str],
    wanted: tuple[str, ...],
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Returns (names of a segment's rows, names of its outputs), in forward order.

    Cuts lie where a single tap passes. Of all ways to cut, the one is taken that needs
    least: the taps between segments, and the largest segment.

    Args:
      rows: the table.
      size: (H, W) of an image; it only weighs the rows against each other.
      needed: the rows that are computed.
      wanted: taps that come out whatever reads them.
    """
    reads, at = sources(rows), shapes(rows, size)
    names = [row.name for row in rows if row.name in needed]
    last = {name: i for i, row in enumerate(names) for name in reads[row]}
    # A rectified map and what it was made of are one array, in effect.
    skipped = {row.name for row in rows if row.op == "relu"}
    weights = [0 if name in skipped else math.prod(at[name]) for name in names]
    places = {}
    for i in range(1, len(names)):
        passing = [name for name in names[:i] if last.get(name, -1) >= i]
        # "input" given is the image; what passes would be its scaled form.
        if len(passing) == 1 and passing != ["input"]:
            places[i] = math.prod(at[passing[0]])
    cuts = _cuts(weights, places)
    return tuple(
        (
            tuple(names[a:b]),
            tuple(n for n in names[a:b] if n in wanted or last.get(n, -1) >= b),
        )
        for a, b in zip([0, *cuts], [*cuts, len(names)])
    )


def _cuts(weights: list[int], places: Mapping[int, int]) -> list[int]:
    """Returns the cuts, of places -> cost, that need least memory.

    For each bound on a segment's weight the cheapest cuts are a shortest path.
    """
    sums = [0]
    for weight in weights:
        sums.append(sums[-1] + weight)
    stops = [0, *sorted(places), len(weights)]
    best = (float(sums[-1]), [])
    for bound in (sums[-1] * share / 32 for share in range(1, 32)):
        ways = {0: (0.0, [])}
        for i, stop in enumerate(stops[1:], 1):
            reached = [
                (ways[start][0] + places.get(stop, 0), [*ways[start][1], stop])
                for start in stops[:i]
                if start in ways and sums[stop] - sums[start] <= bound
            ]
            if reached:
                ways[stop] = min(reached)
        if len(weights) in ways:
            cost, path = ways[len(weights)]
            best = min(best, (cost + bound, path[:-1]))
    return best[1]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _segment(forward: Forward, outputs: tuple[str, ...], params: Params, values: Taps) -> Taps:
    taps = forward(params, values, outputs)
    return {name: taps[name] for name in outputs}


def _forward(forward, outputs, params, values):
    return _segment(forward, outputs, params, values), (params, values)


def _backward(forward, outputs, kept, cotangents):
    params, values = kept
    # Tied to the cotangents, or XLA would find that it has computed all this before,
    # and keep it: on a CPU it also takes away the barriers of jax.checkpoint.
    firsts = [leaf.ravel()[0] for leaf in jax.tree.leaves(cotangents)]
    tie = 0 * sum(jnp.where(jnp.isfinite(first), first, 0) for first in firsts)
    values = {name: value + tie.astype(value.dtype) for name, value in values.items()}
    _, pull = jax.vjp(partial(_segment.fun, forward, outputs), params, values)
    return pull(cotangents)


_segment.defvjp(_forward, _backward)
