"""Rematerialisation: a forward pass that keeps few taps for its gradient.

A gradient needs the activations of the forward pass. Here the network runs in segments.
Only the taps that pass from one segment to the next are kept, and the others are computed
again on the way back, which costs about one more forward pass.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp

from jaxvis.nets.table.layers import Layer, is_hidden, rows_between, shapes, sources
from jaxvis.nets.table.token_ops import join_views
from jaxvis.network import Forward, LayerDescription
from jaxvis.types import Array, Params, Taps


@dataclass(frozen=True)
class SegmentedForward(Forward):
    """The forward pass of a table that keeps only the taps between its segments.

    Args:
      forward: the forward pass of the table.
      rows: the table.
      size: (H, W) of the native image.
    """

    forward: Forward
    rows: tuple[Layer, ...]
    size: tuple[int, int]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the `wanted` taps, those between segments, and `values`."""
        taps = join_views(self.rows, values)
        needed = rows_between(self.rows, frozenset(taps), wanted)
        for inner, outputs in segments(self.rows, self.size, needed, wanted):
            reads = sources(self.rows)
            known = {
                name: taps[name] for row in inner for name in (reads[row] or (row,)) if name in taps
            }
            taps |= _run_segment(self.forward, outputs, params, known)
        return {n: value for n, value in taps.items() if not is_hidden(value.shape)}

    def rematerialise(self) -> "SegmentedForward":
        """Returns this forward pass itself, which is cut already."""
        return self

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters as the table's forward pass prepares them.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        return self.forward.prepare(params, size)

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the layers as the network's own forward pass does."""
        return self.forward.describe_layers()


@lru_cache(maxsize=256)
def segments(
    rows: tuple[Layer, ...],
    size: tuple[int, int],
    needed: frozenset[str],
    wanted: tuple[str, ...],
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Returns the segments in forward order: (names of rows, names of outputs) of each.

    A network can be cut where a single tap passes. The cuts are those that need the least
    memory, which is that of the taps between segments and of the largest segment.

    Args:
      rows: the table.
      size: (H, W) of an image. It only serves to weigh the rows against each other.
      needed: the rows that are computed.
      wanted: taps that are outputs whatever reads them.
    """
    reads, at = sources(rows), shapes(rows, size)
    names = [row.name for row in rows if row.name in needed]
    last = {name: i for i, row in enumerate(names) for name in reads[row]}
    # A rectified map and the map it was made from are in effect one array.
    skipped = {row.name for row in rows if row.op == "relu"}
    # What an outline carries is next to nothing, and its gradient is zero.
    outlines = {row.name for row in rows if row.op == "outline"}
    weights = [0 if name in skipped else math.prod(at[name]) for name in names]
    places = {}
    for i in range(1, len(names)):
        passing = [n for n in names[:i] if last.get(n, -1) >= i and n not in outlines]
        # A given "input" is the image, while the tap that passes is its scaled form.
        if len(passing) == 1 and passing != ["input"]:
            places[i] = math.prod(at[passing[0]])
    cuts = _find_cuts(weights, places)
    return tuple(
        (
            tuple(names[a:b]),
            tuple(n for n in names[a:b] if n in wanted or last.get(n, -1) >= b),
        )
        for a, b in zip([0, *cuts], [*cuts, len(names)])
    )


def _find_cuts(weights: list[int], places: Mapping[int, int]) -> list[int]:
    """Returns the cuts that need the least memory.

    For each bound on a segment's weight the cheapest cuts are a shortest path.

    Args:
      weights: of the rows.
      places: where a cut is possible -> what it costs.
    """
    sums = [0]
    for weight in weights:
        sums.append(sums[-1] + weight)
    stops = [0, *sorted(places), len(weights)]
    best: tuple[float, list[int]] = (float(sums[-1]), [])
    for bound in (sums[-1] * share / 32 for share in range(1, 32)):
        ways: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
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
def _run_segment(forward: Forward, outputs: tuple[str, ...], params: Params, values: Taps) -> Taps:
    """Returns the outputs of one segment, whose gradient computes it once more."""
    taps = forward(params, values, outputs)
    return {name: taps[name] for name in outputs}


def _run_forward(forward, outputs, params, values):
    return _run_segment(forward, outputs, params, values), (params, values)


def _run_backward(forward, outputs, kept, cotangents):
    params, values = kept
    # The values are tied to the cotangents. Otherwise XLA finds that it has computed all
    # this before and keeps it; on a CPU it even removes the barriers of jax.checkpoint.
    firsts = [leaf.ravel()[0] for leaf in jax.tree.leaves(cotangents)]
    tie = 0 * sum(jnp.where(jnp.isfinite(first), first, 0) for first in firsts)
    values = {name: value + tie.astype(value.dtype) for name, value in values.items()}
    _, pull = jax.vjp(partial(_run_segment.fun, forward, outputs), params, values)
    return pull(cotangents)


_run_segment.defvjp(_run_forward, _run_backward)
