"""The boxes and margins of a network by each method of certification."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.compiler import jit
from jaxvis.defences.certify.affine import AFFINE, apply_affine
from jaxvis.defences.certify.backward import AT_ONCE, bound_below, count_values, intersect
from jaxvis.defences.certify.boxes import Box, bound_row, make_ball, propagate_boxes
from jaxvis.nets.table.layers import Layer, rows_between, sources
from jaxvis.types import Array, Params

METHODS = ("interval", "crown_ibp", "crown")
"""Intervals alone; linear bounds of the scores with intervals before them; linear bounds of
every row. Each is at least as tight as the one before, and takes longer."""

ONE_BY_ONE = ("input", "bn", "gain")
"""Affine ops of each value by itself."""
Rows = tuple[Layer, ...]


@jit(static_argnums=(0, 4))
def compute_boxes(rows: Rows, params: Params, images: Array, epsilon: Array, tap: str) -> dict:
    """Computes the boxes of all rows up to a tap by intervals; "" is that of the image.

    Args:
      rows, params: the network.
      images: `[N, H, W, C]`.
      epsilon: scalar, the radius of the balls.
      tap: the last row.
    """
    return propagate_boxes(rows, params, make_ball(images, epsilon), tap)


def tighten_boxes(rows: Rows, params: Params, boxes: dict[str, Box], tap: str) -> dict[str, Box]:
    """Tightens the boxes that are read by rows that are not affine, one after another.

    Args:
      rows, params: the network.
      boxes: of all rows up to the tap, by intervals.
      tap: the last row, whose own box is left as it is.
    """
    needed, reads = rows_between(rows, frozenset({"input"}), (tap,)), sources(rows)
    bent = {row.name for row in rows if row.name in needed and row.op not in AFFINE}
    read = {name for row in bent for name in reads[row]}
    found, depth = {"": boxes[""]}, {"": 0}
    for row in rows:
        if row.name not in needed:
            continue
        names = reads[row.name] or ("",)
        own = _bound(row, params.get(row.name, {}), [found[name] for name in names])
        found[row.name] = intersect(own, boxes[row.name])
        # Intervals are exact behind one affine row and any that scale each value by itself.
        depth[row.name] = sum(depth[name] for name in names) + (row.op not in ONE_BY_ONE)
        if row.name in read and row.op in AFFINE and depth[row.name] > 1:
            found[row.name] = intersect(bound_tap(rows, params, found, row.name), found[row.name])
    return found


@jit(static_argnums=0)
def _bound(row: Layer, leaves: dict, given: list[Box]) -> Box:
    return bound_row(row, leaves, given)


def bound_tap(rows: Rows, params: Params, boxes: dict[str, Box], tap: str) -> Box:
    """Bounds every value of a tap by linear functions of the image.

    Args:
      rows, params: the network.
      boxes: of the rows before it, and of the tap.
      tap: the tap.
    """
    shape, count = boxes[tap].lower.shape, count_values(boxes[tap])
    parts = [
        _bound_values(rows, params, boxes, tap, jnp.asarray(first), min(AT_ONCE, count))
        for first in range(0, count, AT_ONCE)
    ]
    ends = [jnp.concatenate(end)[:count].T.reshape(shape) for end in zip(*parts)]
    return Box(*ends)


@jit(static_argnums=(0, 3, 5))
def _bound_values(
    rows: Rows, params: Params, boxes: dict[str, Box], tap: str, first: Array, count: int
) -> tuple[Array, Array]:
    """Returns bounds of values first, first + 1, ... of a tap, `[count, N]` each."""
    shape = boxes[tap].lower.shape
    chosen = jax.nn.one_hot(first + jnp.arange(count), count_values(boxes[tap]))
    each = jnp.broadcast_to(chosen.reshape(count, 1, *shape[1:]), (count, shape[0], *shape[1:]))
    below = partial(bound_below, rows, params, boxes, tap)
    return below(each), -below(-each)


def bound_margins(
    rows: Rows, params: Params, boxes: dict[str, Box], tap: str, labels: Array, *, method: str
) -> Array:
    """Bounds score(label) - score(k) from below for every class k, `[N, classes]`.

    It is 0 for the label itself.

    Args:
      rows, params: the network.
      boxes: of all rows up to the scores.
      tap: the scores.
      labels: `[N]`.
      method: "interval" goes back by the last row alone, if that is affine; any other goes
        back to the image.
    """
    classes = boxes[tap].lower.shape[-1]
    own = jax.nn.one_hot(labels, classes)
    weights = own[None] - jnp.eye(classes)[:, None]
    if method != "interval":
        return bound_below(rows, params, boxes, tap, weights).T
    row = next(row for row in rows if row.name == tap)
    if row.op != "fc":
        lower, upper = boxes[tap]
        label = jnp.take_along_axis(lower, labels[:, None], -1)
        return jnp.where(own > 0, 0.0, label - upper)
    # What the two scores have in common drops out when their rows are subtracted first.
    box = boxes[sources(rows)[tap][0]]
    return _subtract_scores(row, params[tap], box, weights)


def _subtract_scores(row: Layer, leaves: Mapping[str, Any], box: Box, weights: Array) -> Array:
    lower, upper = (end.reshape(len(end), -1) for end in box)
    middle = apply_affine(row, leaves, [(lower + upper) / 2])
    kernels = jnp.einsum("dc,knc->nkd", leaves["kernel"], weights)
    reach = jnp.einsum("nkd,nd->nk", jnp.abs(kernels), (upper - lower) / 2)
    return jnp.einsum("nc,knc->nk", middle, weights) - reach
