"""A network that sees an image tile by tile: less memory for the same statistics.

Tiles overlap as far as the units see, so every unit sees the very pixels that it sees in
the whole image, and there is no seam to hide. A layer whose Gram matrix is wanted keeps
nothing but that matrix; its activations are computed again on the way back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.nets.table.fields import Reach, reach_of, round_up
from jaxvis.network import Forward, LayerDescription, Network
from jaxvis.types import Array, Params, Taps


@dataclass(frozen=True)
class TiledForward(Forward):
    """The forward pass of a network that computes one tile after another.

    Args:
      forward: the network's own forward pass.
      tile: side of a tile in pixels, a multiple of every stride.
      reach: of the taps that can be asked for. A tile's window is larger than the tile
        by the margin on every side.
      grams: taps that are returned as their Gram matrix `[c, c]`.
    """

    forward: Forward
    tile: int
    reach: Reach
    grams: frozenset[str]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the `wanted` taps, or their Gram matrices.

        Raises:
          ValueError: for a tap that the tiles were not made for.
        """
        strides, image = self.reach.strides_of(wanted), values["input"]
        height, width = image.shape[:2]
        grid, window = self._grid((height, width))
        shapes = jax.eval_shape(lambda x: self.forward(params, {"input": x}, wanted), image)
        begin = {tap: self._begin(tap, shapes[tap].shape) for tap in wanted}

        @jax.checkpoint
        def compute_tile(image: Array, place: Array) -> Taps:
            seen = jax.lax.dynamic_slice(image, (*place[0], 0), (*window, image.shape[-1]))
            taps = self.forward(params, {"input": seen}, wanted)
            return {tap: self._cut(taps[tap], tap, strides[tap], place) for tap in wanted}

        def step(found: Taps, place: Array) -> tuple[Taps, None]:
            new = compute_tile(image, place)
            return {
                tap: self._add(found[tap], new[tap], tap, strides[tap], place) for tap in wanted
            }, None

        found, _ = jax.lax.scan(step, begin, jnp.asarray(grid))
        return {
            tap: value / np.prod(shapes[tap].shape[:2]) if tap in self.grams else value
            for tap, value in found.items()
        }

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters, prepared for the window of a tile.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        return self.forward.prepare(params, self._grid(size)[1])

    def rematerialise(self) -> "TiledForward":
        """Returns this forward pass with less memory for the gradient of each tile.

        Raises:
          ValueError: where the network's own forward pass cannot be cut.
        """
        return replace(self, forward=self.forward.rematerialise())

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the layers as the network's own forward pass does, and Gram matrices."""
        return tuple(
            layer._replace(what=f"{layer.what}, Gram matrix", shape=(layer.shape[-1],) * 2)
            if layer.tap in self.grams
            else layer
            for layer in self.forward.describe_layers()
        )

    def _grid(self, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
        """Returns the tiles `[n, 3, 2]` and the size of their windows.

        A tile is the corner of its window, and the first and last pixel of its own. The
        windows lie within the image, where the network's own padding applies, and the
        last one ends with it even if its side is no multiple of the strides.
        """
        coarse, margin = self.reach.coarse, self.reach.margin
        (height, rows), (width, columns) = (
            cut_side(side, tile=self.tile, margin=margin, coarse=coarse) for side in size
        )
        grid = [list(zip(y, x)) for y in rows for x in columns]
        return np.asarray(grid, np.int32), (height, width)

    def _begin(self, tap: str, shape: tuple[int, ...]) -> Array:
        return jnp.zeros((shape[-1],) * 2 if tap in self.grams else shape)

    def _cut(self, values: Array, tap: str, stride: int, place: Array) -> Array:
        """Returns a window's tap, zero where another tile has it, or F^T F of that."""
        for axis in (0, 1):
            at = place[0, axis] // stride + jnp.arange(values.shape[axis])
            first, last = place[1, axis] // stride, place[2, axis] // stride
            own = ((at >= first) & (at < last)).astype(values.dtype)
            values = values * jnp.expand_dims(own, (1 - axis, 2))
        if tap not in self.grams:
            return values
        flat = values.reshape(-1, values.shape[-1])
        return jnp.matmul(flat.T, flat, precision=jax.lax.Precision.HIGHEST)

    def _add(self, found: Array, new: Array, tap: str, stride: int, place: Array) -> Array:
        if tap in self.grams:
            return found + new
        at = (*(place[0] // stride), 0)
        before = jax.lax.dynamic_slice(found, at, new.shape)
        return jax.lax.dynamic_update_slice(found, before + new, at)


def cut_side(
    side: int, *, tile: int, margin: int, coarse: int
) -> tuple[int, list[tuple[int, int, int]]]:
    """Returns the windows of the tiles along one side of an image.

    All windows have one size. They begin at a multiple of `coarse` pixels, and as far from
    the end of the image as a multiple of it, so a network pads each as it pads the whole.

    Args:
      side: pixels.
      tile: pixels of a tile, a multiple of `coarse`.
      margin: pixels that a window adds to a tile on both ends, a multiple of `coarse`.
      coarse: the largest stride in pixels.

    Returns:
      (size, spans): pixels of a window, and for each tile where its window begins, its
      own first pixel, and the pixel after its own last one.
    """
    size = tile + 2 * margin + side % coarse
    size = side if size >= side else size
    own = range(0, max(side // coarse, 1) * coarse, tile)
    spans = [
        (
            min(max(first - margin, 0), side - size),
            first,
            side if first == own[-1] else first + tile,
        )
        for first in own
    ]
    return size, spans


def with_tiles(
    net: Network, taps: tuple[str, ...], *, tile: int, grams: tuple[str, ...] = ()
) -> Network:
    """Returns a network that computes its taps tile by tile, exactly.

    Args:
      net: a network built from a table.
      taps: the taps `[h, w, c]` that will be asked for.
      tile: side of a tile in pixels; it is rounded up to a multiple of the largest stride.
      grams: those of `taps` of which only the Gram matrix F^T F / M `[c, c]` is returned.

    Raises:
      ValueError: for an unknown tap, a tap that is no map, an adapted network, or a tile
        below one pixel.
    """
    if tile < 1:
        raise ValueError(f"a tile has at least 1 pixel a side, not {tile}")
    reach = reach_of(net, taps)
    forward = TiledForward(net.forward, round_up(tile, reach.coarse), reach, frozenset(grams))
    return replace(net, forward=forward)
