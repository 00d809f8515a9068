"""A style network that sees a large image tile by tile, and paints the same picture.

Tiles of a network with instance norms have seams unless every tile is normalised by the
statistics of the whole image. These are therefore measured first. For each norm before
and after the trunk there is one pass over the tiles, in which the norms before it are
known already, as fixed scales and shifts. Maps of full and half size exist for one tile
at a time only; the trunk, whose size is a quarter, is computed as a whole. The window of
a tile adds what its units see, so the picture is that of the whole image up to float32
rounding.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.nets.table.fields import round_up
from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.wrappers.tiled import cut_side
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params

COARSE = 4
"""The stride of the trunk in pixels."""
HEAD, TAIL = 8, 4
"""Margins: pixels around a tile of the image, units around one of the trunk. conv1 to
conv3 see 7 pixels beyond a tile, up1 to conv4 less than 3 units."""


class _Tile(NamedTuple):
    """One tile of a map, and where its output belongs.

    Attributes:
      corner: (y, x), where its window begins in the map that is cut.
      own: its own units of the output, counted from the first of the window.
      place: the same units, counted from the first of the whole output.
    """

    corner: tuple[int, int]
    own: tuple[slice, slice]
    place: tuple[slice, slice]


class _Grid(NamedTuple):
    """The tiles of a map, and (h, w) of their windows in its units."""

    window: tuple[int, int]
    tiles: list[_Tile]


def paint_in_tiles(net: Network, params: Params, image: ImageLike, *, tile: int) -> np.ndarray:
    """Computes the tap `image` of a style network in tiles.

    Args:
      net: from `jaxvis.nets.zoo.style_net`.
      params: of one style.
      image: `[H, W, 3]` in [0, 1].
      tile: side of a tile in pixels, rounded up to a multiple of 4.

    Raises:
      ValueError: for a tile below one pixel, or a network that is not built from a table.
    """
    if tile < 1:
        raise ValueError(f"a tile has at least 1 pixel a side, not {tile}")
    tile, seen = round_up(tile, COARSE), jnp.asarray(image, jnp.float32)
    begin = "start" if "start" in net.taps else "input"
    if begin == "start":
        seen = _run(net, "input", "start", params, seen)
    known = dict(params)
    for conv, norm, stride in (("conv1", "norm1", 1), ("conv2", "norm2", 2)):
        grid = _cut_image(seen.shape, tile, stride)
        known[norm] = _fix_norm(net, norm, known, _run_tiles(net, begin, conv, known, seen, grid))
    grid = _cut_image(seen.shape, tile, COARSE)
    joined = _join(_run_tiles(net, begin, "conv3", known, seen, grid))
    last = next(row.name for row in reversed(net.rows) if row.op == "add")
    trunk = _run(net, "conv3", last, params, jnp.asarray(joined))
    for conv, norm, factor in (("up1", "up1_norm", 2), ("up2", "up2_norm", 4)):
        grid = _cut_trunk(trunk.shape, tile // COARSE, factor)
        known[norm] = _fix_norm(net, norm, known, _run_tiles(net, last, conv, known, trunk, grid))
    grid = _cut_trunk(trunk.shape, tile // COARSE, COARSE)
    if "conv4" not in net.taps:  # its last convolution is the picture
        return _join(_run_tiles(net, last, "image", known, trunk, grid))
    picture = _join(_run_tiles(net, last, "conv4", known, trunk, grid))
    return np.asarray(_run(net, "conv4", "image", params, jnp.asarray(picture)))


@jit(static_argnums=(0, 1, 2))
def _run(net: Network, start: str, stop: str, params: Params, value: Array) -> Array:
    return net.apply(params, value, start=start, stop=stop)[stop]


@jit(static_argnums=(0, 1, 2, 5))
def _run_window(
    net: Network,
    start: str,
    stop: str,
    params: Params,
    value: Array,
    size: tuple[int, int],
    corner: Array,
) -> Array:
    seen = jax.lax.dynamic_slice(value, (*corner, 0), (*size, value.shape[-1]))
    return net.apply(params, seen, start=start, stop=stop)[stop]


def _cut_image(shape: Sequence[int], tile: int, stride: int) -> _Grid:
    """Cuts an image `[H, W, c]` whose output has one unit for every `stride` pixels.

    A side may be no multiple of the stride: the last unit then covers fewer pixels.
    """
    return _cut(shape, tile, HEAD, COARSE, lambda pixel: -(-pixel // stride))


def _cut_trunk(shape: Sequence[int], tile: int, factor: int) -> _Grid:
    """Cuts a trunk `[h, w, c]` whose output has `factor` units for every unit of the trunk."""
    return _cut(shape, tile, TAIL, 1, lambda unit: unit * factor)


def _cut(
    shape: Sequence[int], tile: int, margin: int, coarse: int, convert: Callable[[int], int]
) -> _Grid:
    """Cuts a map into tiles; `convert` turns its units into those of the output.

    All windows have one size and begin at a multiple of 4 pixels, as far from the end of
    the image as a multiple of 4, so "SAME" pads each of them as it pads the whole.
    """

    def cut(side: int) -> tuple[int, list[tuple[int, slice, slice]]]:
        length, spans = cut_side(side, tile=tile, margin=margin, coarse=coarse)
        parts = []
        for corner, first, end in spans:
            begin, stop, before = convert(first), convert(end), convert(corner)
            own = slice(begin - before, stop - before)
            parts.append((corner, own, slice(begin, stop)))
        return length, parts

    (height, rows), (width, columns) = cut(shape[0]), cut(shape[1])
    tiles = [
        _Tile((top, left), (own_y, own_x), (y, x))
        for top, own_y, y in rows
        for left, own_x, x in columns
    ]
    return _Grid((height, width), tiles)


def _run_tiles(
    net: Network, start: str, stop: str, params: Params, value: Array, grid: _Grid
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Computes a tap tile by tile; yields the place and the own units of each."""
    net = _with_fixed_norms(net)
    for tile in grid.tiles:
        corner = np.asarray(tile.corner, np.int32)
        values = _run_window(net, start, stop, params, value, grid.window, corner)
        yield tile.place, np.asarray(values)[tile.own]


def _with_fixed_norms(net: Network) -> Network:
    """Returns the network with norms whose statistics are parameters."""
    rows = tuple(
        Layer(row.name, "bn", epsilon=row.epsilon) if row.op == "inorm" else row for row in net.rows
    )
    table = net.forward
    if not isinstance(table, Table):
        raise ValueError(f"{net.name} is not built from a table: leave tile out")
    return replace(net, forward=Table(rows, table.size, table.compute), rows=rows)


def _fix_norm(net: Network, norm: str, params: Params, parts: Iterator) -> Mapping[str, Any]:
    """Returns a norm's parameters with the statistics of what it reads.

    Sums are taken in float64: the variance is a small difference of large sums.
    """
    count, total, square = 0, 0.0, 0.0
    for _, values in parts:
        values = values.astype(np.float64)
        count += values.shape[0] * values.shape[1]
        total, square = total + values.sum((0, 1)), square + (values**2).sum((0, 1))
    mean = total / count
    var = np.maximum(square / count - mean**2, 0)
    statistics = {"mean": jnp.asarray(mean, jnp.float32), "var": jnp.asarray(var, jnp.float32)}
    return {**params[norm], **statistics}


def _join(parts: Iterator) -> np.ndarray:
    """Puts a tap together from its tiles."""
    found = list(parts)
    shape = [max(place[axis].stop for place, _ in found) for axis in (0, 1)]
    whole = np.empty((*shape, found[0][1].shape[-1]), np.float32)
    for place, values in found:
        whole[place] = values
    return whole
