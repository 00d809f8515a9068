"""Rows of a table that are computed together: repeated rows and columns, convolved."""

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx

from jaxvis.convolution.rewrite import doubled
from jaxvis.convolution.winograd import Pads
from jaxvis.nets.table.compute import CONVOLUTIONS, Compute
from jaxvis.nets.table.layers import Layer, sources
from jaxvis.types import Array


class Doubled(NamedTuple):
    """A convolution of a map that is repeated, perhaps reflected, and seen nowhere.

    Attributes:
      source: name of the row whose map is repeated.
      inner: names of the rows in between, which are not computed.
      reflected: whether one pixel is reflected around the repeated map.
    """

    source: str
    inner: tuple[str, ...]
    reflected: bool


@lru_cache(maxsize=256)
def doublings(
    rows: tuple[Layer, ...], needed: frozenset[str], asked: frozenset[str]
) -> dict[str, Doubled]:
    """Returns the convolutions that are done on the map before it is doubled, by name.

    Args:
      rows: the table.
      needed: names of the rows to compute.
      asked: names of the taps wanted, which have to exist.
    """
    reads = sources(rows)
    table, readers = {row.name: row for row in rows}, {row.name: 0 for row in rows}
    for name in needed:
        for source in reads[name]:
            readers[source] += 1

    def hidden(name: str, op: str) -> bool:
        there = table[name].op == op and name in needed and name not in asked
        return there and readers[name] == 1

    found = {}
    for row in rows:
        plain = row.op == "conv" and (row.stride, row.groups) == (1, 1)
        if not (plain and row.name in needed and row.size in (2, 3)):
            continue
        inner = reads[row.name]
        pad = table[inner[0]]
        reflected = hidden(pad.name, "reflect") and (pad.pad, row.pad) == (1, 0)
        if reflected:
            inner = (*reads[pad.name], pad.name)
        if hidden(inner[0], "repeat"):
            found[row.name] = Doubled(reads[inner[0]][0], inner, reflected)
    return found


def convolved(x: Array, layer: nnx.Conv, row: Layer, compute: Compute, *, reflected: bool) -> Array:
    """Returns the convolution of x `[n, h, w, c]` with its pixels repeated 2 x 2.

    Args:
      x: the map before it is doubled.
      layer: whose kernel and bias it is.
      row: its row.
      compute: precision and convolution.
      reflected: see `Doubled`.
    """
    options = compute.options()

    def conv(x: Array, kernel: Array, pads: Pads) -> Array:
        return CONVOLUTIONS[compute.convolution](
            x,
            kernel,
            (1, 1),
            pads,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=options["precision"],
        )

    pads = ((row.pad, row.pad),) * 2
    if reflected:
        # The doubled map reflected by one is the map with its edge repeated, doubled
        # and cut by one. More edge behind is not read: see `forms` on padding.
        x = jnp.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0)), mode="edge")
        pads = ((-1, -3),) * 2
    kernel = layer.kernel[...]
    y = doubled(conv, x, getattr(kernel, "kernel", kernel), pads)
    return y if layer.bias is None else y + layer.bias[...]
