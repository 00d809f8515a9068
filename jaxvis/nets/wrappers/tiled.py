"""A network that sees an image tile by tile: less memory, the same statistics.

Tiles overlap by what the units see, so every unit gets the very pixels that it has in
the whole image: there is no seam to hide. Of the layers whose Gram matrix is wanted
nothing is kept but the matrix; activations are computed again on the way back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.nets.table.geometry import geometry
from jaxvis.nets.wrappers.framed import margins
from jaxvis.network import Forward, Network
from jaxvis.types import Array, Params, Taps


@dataclass(frozen=True)
class Tiled(Forward):
    """Returns Gram matrices and whole taps, computed one tile after another.

    Args:
      forward: of the network.
      tile: side of a tile in pixels, a multiple of every stride.
      margin: pixels that a tile's window adds on every side; another multiple.
      strides: (tap, stride in pixels).
      grams: taps that are returned as their Gram matrix `[c, c]`.
    """

    forward: Forward
    tile: int
    margin: int
    strides: tuple[tuple[str, int], ...]
    grams: frozenset[str]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the `wanted` taps, or their Gram matrices.

        Raises:
          ValueError: for a tap that the tiles were not made for.
        """
        strides, image = dict(self.strides), values["input"]
        unknown = [tap for tap in wanted if tap not in strides]
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} was not among the taps {', '.join(strides)} that "
                "these tiles were made for"
            )
        grid, window = self._grid(image.shape[:2])
        shapes = jax.eval_shape(lambda x: self.forward(params, {"input": x}, wanted), image)
        begin = {tap: self._empty(tap, shapes[tap].shape) for tap in wanted}

        @jax.checkpoint
        def part(image: Array, place: Array) -> Taps:
            seen = jax.lax.dynamic_slice(image, (*place[0], 0), (*window, 3))
            taps = self.forward(params, {"input": seen}, wanted)
            return {tap: self._kept(taps[tap], tap, strides[tap], place) for tap in wanted}

        def step(found: Taps, place: Array) -> tuple[Taps, None]:
            new = part(image, place)
            return {
                tap: self._joined(found[tap], new[tap], tap, strides[tap], place) for tap in wanted
            }, None

        found, _ = jax.lax.scan(step, begin, jnp.asarray(grid))
        return {
            tap: value / np.prod(shapes[tap].shape[:2]) if tap in self.grams else value
            for tap, value in found.items()
        }

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters in the form that a step computes fastest with.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        return self.forward.prepare(params, self._grid(size)[1])

    def _grid(self, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
        """Returns the tiles `[n, 3, 2]` and their windows' size.

        A tile is the window's corner, and the first and last pixel that is its own.
        Windows lie within the image, where the network's own padding is, and end with
        it although its side may be no multiple of the strides.
        """
        spans, window = [], []
        coarse = max(stride for _, stride in self.strides)
        for side in size:
            full = self.tile + 2 * self.margin + side % coarse
            full = side if full >= side else full
            own = range(0, max(side // coarse, 1) * coarse, self.tile)
            window.append(full)
            spans.append(
                [
                    (
                        min(max(first - self.margin, 0), side - full),
                        first,
                        side if first == own[-1] else first + self.tile,
                    )
                    for first in own
                ]
            )
        grid = [list(zip(y, x)) for y in spans[0] for x in spans[1]]
        return np.asarray(grid, np.int32), tuple(window)

    def _empty(self, tap: str, shape: tuple[int, ...]) -> Array:
        return jnp.zeros((shape[-1],) * 2 if tap in self.grams else shape)

    def _kept(self, values: Array, tap: str, stride: int, place: Array) -> Array:
        """Returns a window's tap, zero where it is another tile's, or F^T F of it."""
        for axis in (0, 1):
            at = place[0, axis] // stride + jnp.arange(values.shape[axis])
            first, last = place[1, axis] // stride, place[2, axis] // stride
            own = ((at >= first) & (at < last)).astype(values.dtype)
            values = values * jnp.expand_dims(own, (1 - axis, 2))
        if tap not in self.grams:
            return values
        flat = values.reshape(-1, values.shape[-1])
        return jnp.matmul(flat.T, flat, precision=jax.lax.Precision.HIGHEST)

    def _joined(self, found: Array, new: Array, tap: str, stride: int, place: Array) -> Array:
        if tap in self.grams:
            return found + new
        at = (*(place[0] // stride), 0)
        before = jax.lax.dynamic_slice(found, at, new.shape)
        return jax.lax.dynamic_update_slice(found, before + new, at)


def tiled(
    net: Network, taps: tuple[str, ...], *, tile: int, grams: tuple[str, ...] = ()
) -> Network:
    """Returns a network that computes its taps tile by tile, exactly.

    Args:
      net: a network built from a table.
      taps: the taps `[h, w, c]` that will be asked for.
      tile: side of a tile in pixels; rounded up to a multiple of the largest stride.
      grams: those of `taps` of which only F^T F / M `[c, c]` is returned.

    Raises:
      ValueError: for an unknown tap, one that is no map, an adapted network, or a tile
        below one pixel.
    """
    if tile < 1:
        raise ValueError(f"a tile has at least 1 pixel a side, not {tile}")
    rows = {row.name: row for row in geometry(net)}
    chosen = [rows[tap] for tap in net.named(taps)]
    flat = [row.name for row in chosen if len(row.shape) != 3]
    if flat:
        raise ValueError(f"{flat[0]!r} is no map [h, w, c]: it has no tiles")
    coarse = max(row.stride for row in chosen)
    reach = max(max(margins(row.receptive_field, row.offset, row.stride)) for row in chosen)
    up = lambda n: ceil(n / coarse) * coarse  # noqa: E731
    strides = tuple((row.name, row.stride) for row in chosen)
    forward = Tiled(net.forward, up(tile), up(reach), strides, frozenset(grams))
    return replace(net, forward=forward)
