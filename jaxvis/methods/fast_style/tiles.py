"""A style network that sees a large image tile by tile, and paints the same picture.

Tiles of a network with instance norms have seams unless every tile is normalised by the
whole image's statistics. So they are measured first: for each norm before and behind
the trunk one pass over the tiles, with the norms before it already known, which makes
them fixed scales and shifts. Maps at full and half size exist for one tile at a time;
the trunk, at a quarter of the size, is computed whole. A tile's window adds what its
units see, so the picture is that of the whole image up to float32 rounding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.table.ops import BN_EPSILON
from jaxvis.network import Network
from jaxvis.types import Image, Params

HEAD, TAIL = 8, 4
"""Margins: pixels around a tile of the image, units around one of the trunk; conv1 to
conv3 see 7 pixels beyond it, up1 to conv4 less than 3 units."""


class _Tile(NamedTuple):
    """One tile: where its window begins, and which part of it is its own."""

    corner: tuple[int, int]
    own: tuple[slice, slice]
    """Own units of the output, counted from the window's first."""
    place: tuple[slice, slice]
    """The same, counted from the whole map's first."""


def painted_in_tiles(net: Network, params: Params, image: Image, *, tile: int) -> np.ndarray:
    """Returns the tap `image` of a style network, computed in tiles.

    Args:
      net: from `jaxvis.nets.zoo.style_net`.
      params: of one style.
      image: `[H, W, 3]` in [0, 1].
      tile: side of a tile in pixels, rounded up to a multiple of 4.

    Raises:
      ValueError: for a tile below one pixel.
    """
    if tile < 1:
        raise ValueError(f"a tile has at least 1 pixel a side, not {tile}")
    image = jnp.asarray(image, jnp.float32)
    begin = "start" if "start" in net.taps else "input"
    if begin == "start":
        image = _run(net, "input", "start", params, image)
    known = dict(params)
    for conv, norm, stride in (("conv1", "norm1", 1), ("conv2", "norm2", 2)):
        tiles = partial(_tiles, image.shape[:2], -(-tile // 4) * 4, HEAD, stride, 1)
        known[norm] = _fixed(net, norm, known, _parts(net, begin, conv, known, image, tiles))
    tiles = partial(_tiles, image.shape[:2], -(-tile // 4) * 4, HEAD, 4, 1)
    trunk = _whole(_parts(net, begin, "conv3", known, image, tiles))
    last = next(row.name for row in reversed(net.rows) if row.op == "add")
    trunk = _run(net, "conv3", last, params, jnp.asarray(trunk))
    for conv, norm, factor in (("up1", "up1_norm", 2), ("up2", "up2_norm", 4)):
        tiles = partial(_tiles, trunk.shape[:2], -(-tile // 4), TAIL, 1, factor)
        known[norm] = _fixed(net, norm, known, _parts(net, last, conv, known, trunk, tiles))
    tiles = partial(_tiles, trunk.shape[:2], -(-tile // 4), TAIL, 1, 4)
    drawn = _whole(_parts(net, last, "conv4", known, trunk, tiles))
    return np.asarray(_run(net, "conv4", "image", params, jnp.asarray(drawn)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _run(net: Network, start: str, stop: str, params: Params, value: Any) -> Any:
    return net.apply(params, value, start=start, stop=stop)[stop]


@partial(jax.jit, static_argnums=(0, 1, 2, 5))
def _window(net, start, stop, params, value, size, corner) -> Any:
    seen = jax.lax.dynamic_slice(value, (*corner, 0), (*size, value.shape[-1]))
    return net.apply(params, seen, start=start, stop=stop)[stop]


def _tiles(
    size: tuple[int, int], tile: int, margin: int, stride: int, factor: int
) -> tuple[tuple[int, int], list[_Tile]]:
    """Returns the windows' size and the tiles of a map.

    All windows have one size and begin at a multiple of 4 in the image, as far from its
    end as one of 4: "SAME" then pads each as it pads the whole.

    Args:
      size: (h, w) of the map that is cut.
      tile, margin: in its units.
      stride, factor: of the output's units: one for `stride`, `factor` for one.
    """
    coarse, spans, window = 4 if factor == 1 else 1, [], []
    for side in size:
        full = tile + 2 * margin + side % coarse
        full = side if full >= side else full
        firsts = range(0, max(side // coarse, 1) * coarse, tile)
        window.append(full)
        spans.append([])
        for first in firsts:
            corner = min(max(first - margin, 0), side - full)
            end = side if first == firsts[-1] else first + tile
            to = -(-end // stride) * factor
            at, before = first // stride * factor, corner // stride * factor
            spans[-1].append((corner, slice(at - before, to - before), slice(at, to)))
    tiles = [_Tile(*zip(y, x)) for y in spans[0] for x in spans[1]]
    return tuple(window), tiles


def _parts(net, start, stop, params, value, tiles) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields place and own units of every tile of a tap."""
    size, places = tiles()
    net = _with_fixed_norms(net)
    for one in places:
        corner = np.asarray(one.corner, np.int32)
        found = np.asarray(_window(net, start, stop, params, value, size, corner))
        yield one.place, found[one.own]


def _with_fixed_norms(net: Network) -> Network:
    """Returns the network with norms whose statistics are parameters."""
    rows = tuple(Layer(row.name, "bn") if row.op == "inorm" else row for row in net.rows)
    table = net.forward
    return replace(net, forward=Table(rows, table.size, table.compute), rows=rows)


def _fixed(net: Network, norm: str, params: Params, parts: Iterator) -> Mapping[str, Any]:
    """Returns a norm's parameters with the statistics of what it reads."""
    count, total, square = 0, 0.0, 0.0
    for _, values in parts:
        values = values.astype(np.float64)
        count += values.shape[0] * values.shape[1]
        total, square = total + values.sum((0, 1)), square + (values**2).sum((0, 1))
    mean = total / count
    epsilon = next(row.alpha for row in net.rows if row.name == norm)
    var = np.maximum(square / count - mean**2, 0) + epsilon - BN_EPSILON
    found = {
        "mean": jnp.asarray(mean, jnp.float32),
        "var": jnp.asarray(var, jnp.float32),
    }
    return {**params[norm], **found}


def _whole(parts: Iterator) -> np.ndarray:
    """Returns a tap put together from its tiles."""
    found = list(parts)
    places = [place for place, _ in found]
    shape = [max(place[axis].stop for place in places) for axis in (0, 1)]
    whole = np.empty((*shape, found[0][1].shape[-1]), np.float32)
    for place, values in found:
        whole[place] = values
    return whole
