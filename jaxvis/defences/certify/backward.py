"""Linear bounds of a network's outputs in its image, from the outputs back: CROWN.

A bound is a linear function of a row's values plus a number. Row by row it is rewritten as
one of the values before, until only the image is left, whose ball says how small the function
can be.

Source: Zhang et al., Efficient neural network robustness certification with general
activation functions, 2018; Zhang et al., Towards stable and efficient training of verifiably
robust neural networks (CROWN-IBP), 2020, where the boxes of the rows come from intervals.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.defences.certify.affine import AFFINE, apply_affine
from jaxvis.defences.certify.boxes import Box, bound_row
from jaxvis.defences.certify.lines import (
    POOLS,
    RECTIFIERS,
    cut_windows,
    find_winners,
    fit_lines,
)
from jaxvis.nets.table.layers import Layer, rows_between, sources
from jaxvis.types import Array, Params

AT_ONCE = 256
"""Values of a row that are bounded by one run of a program."""


def bound_below(
    rows: tuple[Layer, ...], params: Params, boxes: Mapping[str, Box], tap: str, weights: Array
) -> Array:
    """Bounds linear functions of a tap from below, `[K, N]`.

    Args:
      rows: the table.
      params: its parameters.
      boxes: of all rows before the tap, and of the image under the name "".
      tap: whose values the functions are of.
      weights: `[K, N, ...]`, K functions of the tap for each of N images.
    """
    needed = rows_between(rows, frozenset({"input"}), (tap,))
    reads = sources(rows)
    pending: dict[str, Array] = {tap: weights}
    total = jnp.zeros(weights.shape[:2])
    for row in reversed(rows):
        if row.name not in needed or row.name not in pending:
            continue
        names = reads[row.name] or ("",)
        given = [boxes[name] for name in names]
        leaves, own = params.get(row.name, {}), pending.pop(row.name)
        constant, parts = _step_back(row, leaves, given, boxes.get(row.name), own)
        total = total + constant
        for name, part in zip(names, parts):
            pending[name] = pending[name] + part if name in pending else part
    if "" in pending:
        total = total + _find_least(pending[""], boxes[""])
    return total


def _step_back(
    row: Layer, leaves: Mapping[str, Any], given: list[Box], box: Box | None, weights: Array
) -> tuple[Array, list[Array]]:
    """Returns a constant `[K, N]` and the functions `[K, N, ...]` of what a row reads."""
    if row.op in AFFINE:
        return _pull_back(row, leaves, given, weights)
    if row.op in RECTIFIERS:
        lines = fit_lines(row, given[0])
        slope = jnp.where(weights > 0, lines.low_slope, lines.high_slope)
        shift = jnp.where(weights > 0, lines.low_shift, lines.high_shift)
        return _sum(weights * shift), [weights * slope]
    box = bound_row(row, leaves, given) if box is None else box
    if row.op in POOLS:
        return _pull_back_pooling(row, given[0], box, weights)
    return _find_least(weights, box), []


def _pull_back(
    row: Layer, leaves: Mapping[str, Any], given: list[Box], weights: Array
) -> tuple[Array, list[Array]]:
    """Returns W^T of functions of an affine row, and what its bias adds to them."""
    count, images = weights.shape[:2]
    zeros = [jnp.zeros((count * images, *one.lower.shape[1:])) for one in given]
    flat = weights.reshape(count * images, *weights.shape[2:])
    _, transpose = jax.vjp(lambda *xs: apply_affine(row, leaves, list(xs)), *zeros)
    parts = [part.reshape(count, images, *part.shape[1:]) for part in transpose(flat)]
    shift = apply_affine(row, leaves, [zero[:1] for zero in zeros])
    return _sum(weights * shift), parts


def _pull_back_pooling(
    row: Layer, given: Box, box: Box, weights: Array
) -> tuple[Array, list[Array]]:
    winners = find_winners(row, given)
    # From above a maximum is bounded by its best pixel only where no other can exceed it.
    passes = (weights > 0) | winners.certain
    constant = _sum(jnp.where(passes, 0.0, weights * box.upper))
    kept = jnp.where(passes, weights, 0.0)

    def choose(x: Array) -> Array:
        return jnp.sum(winners.best * cut_windows(row, x, 0.0), axis=0)

    _, transpose = jax.vjp(choose, jnp.zeros_like(given.lower))
    return constant, [jax.vmap(lambda one: transpose(one)[0])(kept)]


def _find_least(weights: Array, box: Box) -> Array:
    """Returns how small the functions get inside a box, `[K, N]`."""
    return _sum(jnp.where(weights > 0, weights * box.lower, weights * box.upper))


def _sum(values: Array) -> Array:
    return jnp.sum(values.reshape(*values.shape[:2], -1), axis=-1)


def count_values(box: Box) -> int:
    """Counts the values of one image in a box `[N, ...]`.

    Args:
      box: the box.
    """
    return int(box.lower[0].size)


def intersect(box: Box, other: Box) -> Box:
    """Returns the values that both boxes `[N, ...]` allow.

    Args:
      box, other: bounds of the same activation.
    """
    lower = jnp.maximum(box.lower, other.lower)
    # Two bounds of the same value can only cross by rounding.
    return Box(lower, jnp.maximum(jnp.minimum(box.upper, other.upper), lower))
