"""Intervals through the rows of a network: interval bound propagation.

A box says of every activation how small and how large it can be while the image moves inside
a ball. An affine row moves the middle of a box as it moves any point, and its half width by
the absolute weights; a row that never decreases moves both ends.

Source: Gowal et al., On the effectiveness of interval bound propagation for training
verifiably robust models, 2018; Mirman et al., 2018.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.defences.certify.affine import KERNELS, apply_affine
from jaxvis.nets.gelu import gelu
from jaxvis.nets.table.layers import Layer, rows_between, sources
from jaxvis.nets.table.ops import OPS
from jaxvis.types import Array, Params

MONOTONE = frozenset(
    "max avg window_max relu relu6 leaky sigmoid hsigmoid tanh gap concat add same reflect crop "
    "repeat".split()
)
"""Ops without weights that never decrease where one of their inputs grows."""
BOWLS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "silu": (jax.nn.silu, -1.2784645),
    "gelu": (gelu, -0.7517916),
    "hswish": (jax.nn.hard_swish, -1.5),
}
"""Op -> (function, where it is least): it falls before that place and grows behind it."""
SUPPORTED = KERNELS | MONOTONE | {*BOWLS, "softmax", "mul", "lrn"}


class Box(NamedTuple):
    """Bounds of an activation.

    Attributes:
      lower, upper: `[N, ...]`, of the activation's shape, lower never above upper.
    """

    lower: Array
    upper: Array


def make_ball(images: Array, epsilon: Array | float) -> Box:
    """Makes the box of all images in [0, 1] that differ by at most epsilon in any value.

    Args:
      images: `[N, H, W, C]` in [0, 1].
      epsilon: a scalar, or one for each image, `[N]`.
    """
    radius = jnp.reshape(jnp.asarray(epsilon, images.dtype), (-1, 1, 1, 1))
    lower, upper = jnp.maximum(images - radius, 0), jnp.minimum(images + radius, 1)
    return Box(jnp.minimum(lower, images), jnp.maximum(upper, images))


def propagate_boxes(
    rows: tuple[Layer, ...], params: Params, image: Box, wanted: str
) -> dict[str, Box]:
    """Computes the boxes of all rows that a tap needs, by name.

    Args:
      rows: the table.
      params: its parameters.
      image: the box of the image, `[N, H, W, C]`.
      wanted: the tap.

    Raises:
      ValueError: for a row whose bounds are not known; names it.
    """
    needed = rows_between(rows, frozenset({"input"}), (wanted,))
    reads, boxes = sources(rows), {"": image}
    for row in rows:
        if row.name in needed:
            given = [boxes[name] for name in reads[row.name] or ("",)]
            boxes[row.name] = bound_row(row, params.get(row.name, {}), given)
    return boxes


def check_rows(rows: tuple[Layer, ...], wanted: str) -> None:
    """Refuses a network that has a row without known bounds on the way to a tap.

    Args:
      rows: the table.
      wanted: the tap.

    Raises:
      ValueError: names the row, its op and the ops that have bounds.
    """
    needed = rows_between(rows, frozenset({"input"}), (wanted,))
    for row in rows:
        if row.name in needed and row.op not in SUPPORTED:
            raise ValueError(
                f"bounds of {row.name!r} are not known, since its op is {row.op!r}: stop at a tap "
                f"before it, or use a network of {', '.join(sorted(SUPPORTED - {'input'}))}"
            )


def bound_row(row: Layer, leaves: Mapping[str, Any], given: list[Box]) -> Box:
    """Bounds what a row computes of anything inside the boxes that it reads.

    Args:
      row: the row.
      leaves: its parameters.
      given: the boxes that it reads.

    Raises:
      ValueError: for an op whose bounds are not known.
    """
    lower, upper = [box.lower for box in given], [box.upper for box in given]
    if row.op in KERNELS:
        middle = apply_affine(row, leaves, [(lower[0] + upper[0]) / 2])
        radius = apply_affine(row, leaves, [(upper[0] - lower[0]) / 2], absolute=True)
        return Box(middle - radius, middle + radius)
    if row.op in MONOTONE:
        return Box(OPS[row.op](*lower, row=row), OPS[row.op](*upper, row=row))
    if row.op in BOWLS:
        return _bound_bowl(*BOWLS[row.op], given[0])
    if row.op == "softmax":
        return _bound_softmax(given[0])
    if row.op == "mul":
        return reduce(_multiply, given)
    if row.op == "lrn":
        return _bound_lrn(row, given[0])
    raise ValueError(f"bounds of {row.name!r} are not known, since its op is {row.op!r}")


def _bound_bowl(function: Callable[[Array], Array], bottom: float, box: Box) -> Box:
    ends = function(box.lower), function(box.upper)
    inside = (box.lower <= bottom) & (bottom <= box.upper)
    least = jnp.where(inside, function(jnp.asarray(bottom, jnp.float32)), jnp.minimum(*ends))
    return Box(least, jnp.maximum(*ends))


def _bound_softmax(box: Box) -> Box:
    """Bounds probabilities: one is least where its score is and all others are largest."""

    def compute(own: Array, others: Array) -> Array:
        top = jnp.maximum(jnp.max(others, -1, keepdims=True), own)
        each = jnp.exp(others[..., None, :] - top[..., None])
        rest = jnp.sum(each * (1 - jnp.eye(own.shape[-1])), -1)
        here = jnp.exp(own - top)
        return here / (here + rest)

    return Box(compute(box.lower, box.upper), compute(box.upper, box.lower))


def _multiply(box: Box, factor: Box) -> Box:
    if factor.lower.ndim < box.lower.ndim:  # a factor a channel
        factor = Box(factor.lower[:, None, None], factor.upper[:, None, None])
    products = [one * other for one in box for other in factor]
    return Box(reduce(jnp.minimum, products), reduce(jnp.maximum, products))


def _bound_lrn(row: Layer, box: Box) -> Box:
    """Bounds a local response normalisation, its sum of squares apart from its numerator."""
    far = jnp.maximum(jnp.abs(box.lower), jnp.abs(box.upper))
    near = jnp.maximum(jnp.maximum(box.lower, -box.upper), 0)
    # For a positive x the op gives x times its factor.
    strong, weak = (_measure_lrn(row, size) for size in (near, far))
    return Box(
        jnp.minimum(box.lower * strong, box.lower * weak),
        jnp.maximum(box.upper * strong, box.upper * weak),
    )


def _measure_lrn(row: Layer, sizes: Array) -> Array:
    """Computes the factor of a normalisation, (kappa + alpha / n sum x^2)^-0.75."""
    half, size = row.window[0] // 2, row.window[0]
    square = jax.lax.reduce_window(
        sizes**2,
        0.0,
        jax.lax.add,
        (1, 1, 1, size),
        (1, 1, 1, 1),
        [(0, 0), (0, 0), (0, 0), (half, size - 1 - half)],
    )
    return (row.kappa + row.alpha / size * square) ** -0.75
