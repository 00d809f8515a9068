"""What one unit of each layer sees: receptive field, stride and offset, from the rows.

A unit (i, j) of a tap is centred on input pixel offset + stride * (i, j) and sees the
square of side `receptive_field` around it, which may reach beyond the image.
"""

from dataclasses import dataclass
from math import prod

from jaxvis.nets.table.forward import Table, parameter_shapes
from jaxvis.nets.table.layers import Layer, same_pads, shapes, sources
from jaxvis.network import Network
from jaxvis.types import Params

STATISTICS = ("mean", "var")
"""Entries of a batch norm row that are measured, not trained: not counted."""


@dataclass(frozen=True)
class Geometry:
    """Returns where one row's units look.

    Args:
      name, op: of the row.
      shape: of the tap at the network's native image size, `(h, w, c)` or `(d,)`.
      receptive_field: side in pixels of the square that one unit sees.
      stride: pixels between neighbouring units.
      offset: centre of unit (0, 0) in pixels, counted from 0 at the centre of the
        first pixel.
      parameters: trainable numbers of the row.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    receptive_field: int
    stride: int
    offset: float
    parameters: int


def stride_of(net: Network, params: Params, tap: str) -> int:
    """Returns the stride of a tap in pixels, of any network.

    Args:
      net, params: the network. Without a table, the stride is the image's side over
        the map's, and 1 for a vector.
      tap: the tap's name.

    Raises:
      ValueError: for an unknown tap.
    """
    net.named(tap)
    if net.rows:
        return next(row.stride for row in geometry(net) if row.name == tap)
    shape = net.shape(params, tap)
    return max(round(net.input_size[0] / shape[0]), 1) if len(shape) == 3 else 1


@dataclass(frozen=True)
class _Span:
    """What unit (0, 0) sees, from pixel `first` to `last` with both; and the stride."""

    first: int = 0
    last: int = 0
    stride: int = 1

    def through(self, size: int, stride: int, pad: int) -> "_Span":
        """Returns the span after a window of `size` over units of this span."""
        first = self.first - pad * self.stride
        last = self.last + (size - 1 - pad) * self.stride
        return _Span(first, last, self.stride * stride)


def geometry(net: Network) -> tuple[Geometry, ...]:
    """Returns receptive field, stride and offset of every tap, in forward order.

    Over a row with window k, stride s and padding p,
      rf' = rf + (k - 1) * stride,  stride' = s * stride,
      offset' = offset + ((k - 1) / 2 - p) * stride.
    Fully connected rows and global means are windows as large as the map they read,
    and leave the stride. Rows that join branches see what any of them sees, which is
    the largest receptive field where the branches share a centre.

    Args:
      net: a network built from a table; a fully connected row's field is along the
        longer side of its native image.

    Raises:
      ValueError: for an adapted network, which has no table.

    Source: Mahendran & Vedaldi, Visualizing deep convolutional neural networks using
      natural pre-images, section 4.2, tables 1 to 3.
    """
    if not net.rows:
        raise ValueError(f"{net.name} is not a table network: its geometry is unknown")
    shape, reads = shapes(net.rows, net.input_size), sources(net.rows)
    counts = parameter_counts(net) if isinstance(net.forward, Table) else {}
    spans: dict[str, _Span] = {}
    table = []
    for row in net.rows:
        given = reads[row.name]
        span = _join([spans[name] for name in given]) if given else _Span()
        spans[row.name] = span = _after(row, span, shape[(*given, row.name)[0]])
        table.append(
            Geometry(
                name=row.name,
                op=row.op,
                shape=shape[row.name],
                receptive_field=span.last - span.first + 1,
                stride=span.stride,
                offset=(span.first + span.last) / 2,
                parameters=counts.get(row.name, 0),
            )
        )
    return tuple(table)


def _join(spans: list[_Span]) -> _Span:
    return _Span(
        min(span.first for span in spans),
        max(span.last for span in spans),
        spans[0].stride,
    )


def _after(row: Layer, span: _Span, read: tuple[int, ...]) -> _Span:
    """Returns the span of a row that reads a tap of shape `read` and span `span`."""
    if row.op in ("conv", "max", "avg"):
        return span.through(row.size, row.stride, row.pad)
    if row.op in ("reflect", "crop"):
        return span.through(1, 1, row.pad if row.op == "reflect" else -row.pad)
    if row.op == "same":
        return span.through(1, 1, same_pads(read[0], row)[0])
    if row.op == "repeat":
        return _Span(span.first, span.last, span.stride // 2)
    if row.op == "up":
        # Of three rows with zeros in between, one or two are the map's.
        first = span.first - span.stride * (row.pad // 2)
        last = span.last + span.stride * ((row.size - row.pad) // 2)
        return _Span(first, last, span.stride // 2)
    if row.op in ("fc", "gap") and len(read) == 3:
        return span.through(max(read[:2]), 1, 0)
    return span


def parameter_counts(net: Network) -> dict[str, int]:
    """Returns the number of trainable parameters of every row that has some.

    The input row holds a checkpoint's preprocessing and batch norm's running
    statistics are measured: neither counts, as nowhere in the literature.

    Args:
      net: a network built from a table.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    return {
        name: sum(prod(shape) for key, shape in row.items() if key not in STATISTICS)
        for name, row in parameter_shapes(net).items()
        if name != "input"
    }


def layers_table(net: Network) -> str:
    """Returns the network as a text table, one line a tap, the total at the end.

    Args:
      net: a network built from a table.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    rows = geometry(net)
    lines = [("name", "op", "shape", "field", "stride", "offset", "parameters")]
    for row in rows:
        lines.append(
            (
                row.name,
                row.op,
                "x".join(map(str, row.shape)),
                str(row.receptive_field),
                str(row.stride),
                f"{row.offset:g}",
                f"{row.parameters:,}" if row.parameters else "",
            )
        )
    lines.append(("total", *[""] * 5, f"{sum(row.parameters for row in rows):,}"))
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    words = [cell.ljust(width) for cell, width in zip(cells[:3], widths)]
    figures = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:])]
    return "  ".join(words + figures).rstrip()
