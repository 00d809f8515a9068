"""The parameters of a network and their shapes, from its table alone.

`jaxvis.weights.file.tensor_shapes` says the same, but makes the network to find out, which
takes seconds for a deep one; here dozens of networks are compared with one file.
"""

from math import prod

from jaxvis.nets.table.layers import Layer, rows_between, shapes, sources
from jaxvis.network import Network

PRODUCTS = ("conv", "fc", "dense")
PARAMETERS = {
    "bn": ("scale", "bias", "mean", "var"),
    "ln": ("scale", "bias"),
    "inorm": ("scale", "bias"),
    "gain": ("scale",),
    "up": ("kernel",),
    "tokens": ("cls_token", "pos_embed"),
}
"""Op -> the parameters of a row, beside those of products."""

Shape = tuple[int, ...]


def list_parameters(row: Layer) -> tuple[str, ...]:
    """Returns the names of a row's parameters; () for a row that a file has none of.

    Args:
      row: a row of a network's table.
    """
    if row.op in PRODUCTS:
        return ("kernel", "bias") if row.bias else ("kernel",)
    return PARAMETERS.get(row.op, ())


def list_shapes(net: Network, *, stop: str | None = None) -> dict[str, Shape]:
    """Returns `row/leaf` -> shape of every parameter that a file must have.

    Args:
      net: a network with a table.
      stop: the last tap that is wanted; None wants all.

    Raises:
      ValueError: for an unknown tap.
    """
    tap = net.check_taps(stop or net.taps[-1])
    needed = rows_between(net.rows, frozenset(["input"]), tap) if stop else None
    at, reads = shapes(net.rows, net.input_size), sources(net.rows)
    return {
        f"{row.name}/{leaf}": _find_shape(row, leaf, at[reads[row.name][0]])
        for row in net.rows
        if needed is None or row.name in needed
        for leaf in list_parameters(row)
    }


def _find_shape(row: Layer, leaf: str, incoming: Shape) -> Shape:
    if leaf == "kernel":
        if row.op in ("conv", "up"):
            return (*row.window, incoming[-1] // row.groups, row.width)
        return (prod(incoming) if row.op == "fc" else incoming[-1], row.width)
    if leaf == "pos_embed":
        return (1 + prod(incoming[:-1]), incoming[-1])
    width = row.width if row.op in PRODUCTS else incoming[-1]
    return (row.styles, width) if row.op == "inorm" and row.styles else (width,)
