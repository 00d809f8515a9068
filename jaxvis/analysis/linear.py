"""What a network would be if it was linear: the kernel of several layers together."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.geometry import Geometry, geometry
from jaxvis.nets.table.layers import Layer, rows_between, sources
from jaxvis.network import Network
from jaxvis.types import Array, Params

LINEAR = ("input", "conv", "bn", "gain", "add", "concat", "avg")
"""Ops that are linear, but for what they add."""
BENT = ("relu", "relu6", "silu", "gelu", "hswish", "leaky", "tanh", "lrn")
"""Ops that a combined kernel ignores: what they read goes through."""
TOGETHER = 16
"""Filters whose kernels are computed in one call."""


def combine_kernels(
    net: Network, params: Params, start: str, tap: str, *, index: np.ndarray
) -> np.ndarray:
    """Computes the kernels that lead from one layer to another, `[f, kh, kw, c]`.

    They are the gradient of a unit in the middle of the layer, in the network whose
    rectifiers let everything through and whose maxima are means.

    Args:
      net, params: a network built from a table.
      start: the tap that the kernels are applied to; "input" is the image after the
        network's preprocessing.
      tap: the layer.
      index: `[f]` int, its channels.

    Raises:
      ValueError: if there is something between both that no kernel stands for.
    """
    table = {row.name: row for row in geometry(net)}
    needed = rows_between(net.rows, frozenset({start}), (tap,))
    for row in net.rows:
        if row.name in needed and row.op not in (*LINEAR, *BENT, "max"):
            raise ValueError(
                f"between {start!r} and {tap!r} lies {row.name!r} ({row.op}), for which no "
                "kernel stands: name layers that follow each other"
            )
    side, begin, unit = _find_window(table[start], table[tap])
    rows = tuple(_straighten(row, sources(net.rows)[row.name]) for row in net.rows[1:])
    linear = build_network(
        net.name, rows, input_size=net.input_size, channels=net.rows[0].width or net.channels
    )
    scale = params["input"]["scale"] if "input" in params else np.ones(net.channels)
    plain = {"scale": jnp.ones_like(scale), "shift": jnp.zeros_like(scale)}
    # An image of the kernel's size and what lies before it, so that no padding is met.
    size = begin + side
    shape = (size, size, table[start].shape[-1])
    parts = [
        np.asarray(_differentiate(linear, start, tap, unit, shape, {**params, "input": plain}, one))
        for one in np.array_split(index, -(-len(index) // TOGETHER))
    ]
    return np.concatenate(parts)[:, begin:, begin:]


def _find_window(start: Geometry, tap: Geometry) -> tuple[int, int, int]:
    """Finds the side of the kernel, and where it begins for which unit, in units of `start`."""
    first = [round(one.offset - (one.receptive_field - 1) / 2) for one in (start, tap)]
    side = (tap.receptive_field - start.receptive_field) // start.stride + 1
    # The first unit whose field begins inside.
    unit = max(0, -(-(first[0] - first[1]) // tap.stride))
    begin = (first[1] + unit * tap.stride - first[0]) // start.stride
    return side, begin, unit


def _straighten(row: Layer, reads: tuple[str, ...]) -> Layer:
    """Returns a row without what is not linear in it."""
    if row.op in BENT:
        return Layer(row.name, "leaky", alpha=1.0, inputs=reads)
    if row.op in ("max", "avg"):
        return replace(row, op="avg", count_pad=True, inputs=reads)
    return replace(row, inputs=reads)


@jit(static_argnums=(0, 1, 2, 3, 4))
def _differentiate(
    net: Network,
    start: str,
    tap: str,
    unit: int,
    shape: tuple[int, ...],
    params: Params,
    index: Array,
) -> Array:
    """Computes the gradients `[f, h, w, c]` of channels of one unit."""

    def read(values: Array) -> Array:
        return net.apply(params, values, start=start, stop=tap)[tap][unit, unit]

    zeros = jnp.zeros(shape)
    out, back = jax.vjp(read, zeros)
    return jax.vmap(lambda one: back(jax.nn.one_hot(one, out.shape[0]))[0])(index)
