"""The geometry of a table's rows: receptive field, stride and offset of their units.

Unit (i, j) of a tap is centred on the input pixel offset + stride * (i, j). It sees the
square of side `receptive_field` around that pixel, which may reach beyond the image. After
a kernel that is not square it sees a rectangle, and the square is that of the longer side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from jaxvis.nets.table.forward import Table, parameter_shapes
from jaxvis.nets.table.layers import (
    Layer,
    is_hidden,
    rows_behind_attention,
    same_pads,
    shapes,
    sources,
)
from jaxvis.network import Network
from jaxvis.types import Params

STATISTICS = ("mean", "var")
"""Entries of a batch norm row that are not counted, because they are not trained."""


@dataclass(frozen=True)
class Geometry:
    """Where the units of one row look.

    Args:
      name, op: the row's name and op.
      shape: the shape of the tap at the network's native image size, `(h, w, c)` or `(d,)`.
      receptive_field: side in pixels of the square that one unit sees.
      stride: pixels between neighbouring units.
      offset: centre of unit (0, 0) in pixels, counted from the centre of the first
        pixel.
      parameters: how many trainable numbers the row has, with the hidden rows before it.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    receptive_field: int
    stride: int
    offset: float
    parameters: int


def stride_of(net: Network, params: Params, tap: str) -> int:
    """Returns the stride of a tap in pixels.

    Args:
      net, params: any network. Without a table the stride is the image's side over the
        map's side, and 1 for a vector.
      tap: the tap's name.

    Raises:
      ValueError: for an unknown tap.
    """
    net.check_taps(tap)
    if net.rows:
        return next(row.stride for row in geometry(net) if row.name == tap)
    shape = net.shape(params, tap)
    return max(round(net.input_size[0] / shape[0]), 1) if len(shape) == 3 else 1


@dataclass(frozen=True)
class _Span:
    """The pixels that unit (0, 0) sees along one axis, `first` to `last`, and the stride."""

    first: int = 0
    last: int = 0
    stride: int = 1

    @property
    def side(self) -> int:
        """The number of pixels."""
        return self.last - self.first + 1

    def through(self, size: int, stride: int, pad: int) -> "_Span":
        """Returns the span after a window of `size` over units of this span."""
        first = self.first - pad * self.stride
        last = self.last + (size - 1 - pad) * self.stride
        return _Span(first, last, self.stride * stride)


def geometry(net: Network) -> tuple[Geometry, ...]:
    """Returns receptive field, stride and offset of every tap, in forward order.

    A row with window k, stride s and padding p has
      rf' = rf + (k - 1) * stride,  stride' = s * stride,
      offset' = offset + ((k - 1) / 2 - p) * stride.
    Fully connected rows and global means have a window as large as the map they read, and
    keep its stride. Rows that join branches see what any branch sees; that is the largest
    receptive field where the branches share a centre. A product sees what the map sees that
    it multiplies. That leaves out its factors: in squeeze and excitation they are made of
    means over the whole map, so in a strict sense every later unit sees the whole image,
    but it is where a unit looks that a receptive field is asked for.

    Behind an attention every unit sees the whole image, whatever its size. Its receptive
    field is then the longer side of the native image; stride and offset are those of the
    patches. Rows of tokens are no taps: their parameters count with the next tap.

    Args:
      net: a network built from a table. The field of a fully connected row is that along
        the longer side of the native image.

    Raises:
      ValueError: for an adapted network, which has no table.

    Source: Mahendran & Vedaldi, Visualizing deep convolutional neural networks using
      natural pre-images, section 4.2, tables 1 to 3.
    """
    if not net.rows:
        raise ValueError(f"{net.name} is not a table network: its geometry is unknown")
    shape, reads = shapes(net.rows, net.input_size), sources(net.rows)
    counts = parameter_counts(net) if isinstance(net.forward, Table) else {}
    spans: dict[str, tuple[_Span, _Span]] = {}
    table, everywhere, parameters = [], rows_behind_attention(net.rows), 0
    for row in net.rows:
        given = reads[row.name]
        read = shape[(*given, row.name)[0]]
        before = [spans[name] for name in given] or [(_Span(), _Span())]
        down, across = (
            _after(row, axis, _join(row, each), read) for axis, each in enumerate(zip(*before))
        )
        spans[row.name] = down, across
        longer = across if across.side > down.side else down
        parameters += counts.get(row.name, 0)
        if is_hidden(shape[row.name]):
            continue
        table.append(
            Geometry(
                name=row.name,
                op=row.op,
                shape=shape[row.name],
                receptive_field=max(net.input_size) if row.name in everywhere else longer.side,
                stride=longer.stride,
                offset=(longer.first + longer.last) / 2,
                parameters=parameters,
            )
        )
        parameters = 0
    return tuple(table)


def _join(row: Layer, spans: Sequence[_Span]) -> _Span:
    """Returns the span of a row that reads several taps; a product has that of its map."""
    if row.op == "mul":
        return spans[0]
    return _Span(
        min(span.first for span in spans),
        max(span.last for span in spans),
        spans[0].stride,
    )


def _after(row: Layer, axis: int, span: _Span, read: tuple[int, ...]) -> _Span:
    """Returns the span along one axis, after a row that reads a tap of shape `read`."""
    if row.op in ("conv", "max", "avg"):
        return span.through(row.window[axis], row.stride, row.pads[axis])
    if row.op in ("reflect", "crop"):
        return span.through(1, 1, row.pads[axis] if row.op == "reflect" else -row.pads[axis])
    if row.op == "same":
        return span.through(1, 1, same_pads(read[axis], row)[0])
    if row.op == "repeat":
        return _Span(span.first, span.last, span.stride // 2)
    if row.op == "up":
        # Zeros lie between the rows of the map, so of three rows it has one or two.
        pad = row.pads[axis]
        first = span.first - span.stride * (pad // 2)
        last = span.last + span.stride * ((row.window[axis] - pad) // 2)
        return _Span(first, last, span.stride // 2)
    if row.op in ("fc", "gap") and len(read) == 3:
        return span.through(read[axis], 1, 0)
    return span


def parameter_counts(net: Network) -> dict[str, int]:
    """Returns row -> how many trainable parameters it has, for rows that have some.

    As in the literature, the input row (a checkpoint's preprocessing) and the running
    statistics of batch norm do not count.

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
    """Returns the network as a text table: a line for each tap, and the total at the end.

    Args:
      net: a network built from a table.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    rows = geometry(net)
    lines: list[tuple[str, ...]] = [
        ("name", "op", "shape", "field", "stride", "offset", "parameters")
    ]
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
    return "\n".join(_format_line(cells, widths) for cells in lines)


def _format_line(cells: tuple[str, ...], widths: list[int]) -> str:
    words = [cell.ljust(width) for cell, width in zip(cells[:3], widths)]
    figures = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:])]
    return "  ".join(words + figures).rstrip()
