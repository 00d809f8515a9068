"""Rows of a table that are computed together: a doubled map and its convolution."""

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx

from jaxvis.convolution.kernels import raw_kernel
from jaxvis.convolution.rewrite import convolve_doubled
from jaxvis.convolution.winograd import Pads
from jaxvis.nets.table.compute import CONVOLUTIONS, Compute
from jaxvis.nets.table.layers import Layer, sources
from jaxvis.types import Array


class Doubling(NamedTuple):
    """A convolution of a map with repeated pixels, which itself need not be computed.

    Attributes:
      source: name of the row whose pixels are repeated.
      inner: names of the rows in between, which are not computed.
      reflected: whether the map is extended by one reflected pixel on every side.
    """

    source: str
    inner: tuple[str, ...]
    reflected: bool


@lru_cache(maxsize=256)
def find_doublings(
    rows: tuple[Layer, ...], needed: frozenset[str], asked: frozenset[str]
) -> dict[str, Doubling]:
    """Returns convolution -> the doubling before it that it can be computed without.

    Args:
      rows: the table.
      needed: names of the rows to compute.
      asked: names of the taps that are wanted, which have to be computed.
    """
    reads = sources(rows)
    table, readers = {row.name: row for row in rows}, {row.name: 0 for row in rows}
    for name in needed:
        for source in reads[name]:
            readers[source] += 1

    def is_hidden(name: str, op: str) -> bool:
        there = table[name].op == op and name in needed and name not in asked
        return there and readers[name] == 1

    found = {}
    for row in rows:
        plain = row.op == "conv" and (row.stride, row.groups) == (1, 1)
        if not (plain and row.name in needed and row.window in ((2, 2), (3, 3))):
            continue
        inner = reads[row.name]
        pad = table[inner[0]]
        reflected = is_hidden(pad.name, "reflect") and (pad.pads, row.pads) == ((1, 1), (0, 0))
        if reflected:
            inner = (*reads[pad.name], pad.name)
        if is_hidden(inner[0], "repeat"):
            found[row.name] = Doubling(reads[inner[0]][0], inner, reflected)
    return found


def convolve_doubling(
    x: Array, layer: nnx.Conv, row: Layer, compute: Compute, *, reflected: bool
) -> Array:
    """Returns the convolution of x `[n, h, w, c]` after its pixels were repeated 2 x 2.

    Args:
      x: the map before it is doubled.
      layer: the convolution's kernel and bias.
      row: the convolution's row.
      compute: precision and convolution.
      reflected: see `Doubling`.
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

    down, across = row.pads
    pads = ((down, down), (across, across))
    if reflected:
        # Reflecting the doubled map by one pixel is the same as repeating the edge of the
        # map, doubling it and cutting one pixel off. The second pixel behind is cut off
        # again: XLA's library is slow where there is no padding, which may be negative.
        x = jnp.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0)), mode="edge")
        pads = ((-1, -3),) * 2
    y = convolve_doubled(conv, x, raw_kernel(layer.kernel[...]), pads)
    return y if layer.bias is None else y + layer.bias[...]
