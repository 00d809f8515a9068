"""Where the units of a layer look in an image, and maps spread over the pixels they see."""

from dataclasses import dataclass

import numpy as np

from jaxvis.nets.table.geometry import geometry
from jaxvis.nets.table.layers import rows_behind_attention
from jaxvis.network import Network
from jaxvis.types import Params


@dataclass(frozen=True)
class Placement:
    """Where the units of a tap look, in the pixels of an image.

    Unit (i, j) is centred on the pixel offset + stride * (i, j), and sees the square of
    side `field` around it.

    Attributes:
      tap: the layer.
      shape: the shape of the tap, `(h, w, c)` or `(d,)`.
      size: (H, W) of the image in pixels.
      field: side of the square; None where a unit sees the whole image, or where it is not
        known what it sees.
      stride, offset: (down, across) in pixels; the offset is counted from the centre of the
        first pixel.
      why: why `field` is None, as a phrase; empty where it is known.
    """

    tap: str
    shape: tuple[int, ...]
    size: tuple[int, int]
    field: int | None
    stride: tuple[float, float]
    offset: tuple[float, float]
    why: str = ""

    def find_boxes(self, units: np.ndarray) -> np.ndarray:
        """Finds what units see: boxes `[..., 4]` int of (y0, x0, y1, x1), cut at the borders.

        The box holds the pixels `image[y0:y1, x0:x1]`, at least one.

        Args:
          units: `[..., 2]` int, rows and columns of the tap's map.
        """
        ends = np.array(self.size)
        if self.field is None:
            return np.broadcast_to(np.array([0, 0, *self.size]), (*units.shape[:-1], 4)).copy()
        # Where a unit's field has an even side, its centre lies between two pixels.
        first = np.rint(np.array(self.offset) - (self.field - 1) / 2).astype(int)
        begin = first + units * np.array(self.stride).astype(int)
        low = np.clip(begin, 0, ends - 1)
        high = np.maximum(np.clip(begin + self.field, 0, ends), low + 1)
        return np.concatenate([low, high], axis=-1)

    def spread(self, maps: np.ndarray) -> np.ndarray:
        """Spreads maps over the image, `[..., H, W]`: bilinearly between the units' centres.

        Beyond the outermost centres the values of those units go on.

        Args:
          maps: `[..., h, w]`.
        """
        down, across = (
            _interpolate(maps.shape[axis - 2], self.size[axis], self.offset[axis], stride)
            for axis, stride in enumerate(self.stride)
        )
        return np.asarray(down @ maps @ across.T, np.float32)


def find_placement(net: Network, params: Params, tap: str, *, size: tuple[int, int]) -> Placement:
    """Finds where the units of a tap look in an image.

    In a network that has no table the receptive fields are not known: its units stand evenly
    over the image. Every entry of a vector sees the whole image.

    Args:
      net, params: the network.
      tap: the layer.
      size: (H, W) of the image in pixels.

    Raises:
      ValueError: for an unknown tap, or a size that the network does not take.
    """
    net.check_taps(tap)
    shape = net.shape(params, tap, size=size)
    grid = shape[:2] if len(shape) == 3 else (1, 1)
    even = (size[0] / grid[0], size[1] / grid[1])
    middle = ((even[0] - 1) / 2, (even[1] - 1) / 2)
    if len(shape) != 3:
        why = "every entry of a vector sees the whole image"
        return Placement(tap, shape, size, None, even, middle, why)
    if not net.rows:
        why = "the network has no table, so its receptive fields are not known"
        return Placement(tap, shape, size, None, even, middle, why)
    row = next(one for one in geometry(net) if one.name == tap)
    stride = (float(row.stride),) * 2
    offset = (row.offset,) * 2
    if tap in rows_behind_attention(net.rows):
        why = "behind an attention every unit sees the whole image"
        return Placement(tap, shape, size, None, stride, offset, why)
    if row.stride < 1:
        why = "several units stand on one pixel, so that their fields are not known"
        return Placement(tap, shape, size, None, even, middle, why)
    return Placement(tap, shape, size, row.receptive_field, stride, offset)


def _interpolate(units: int, pixels: int, offset: float, stride: float) -> np.ndarray:
    """Gives the weights `[pixels, units]` of linear interpolation between centres of units."""
    at = np.clip((np.arange(pixels) - offset) / stride, 0, units - 1)
    low = np.floor(at).astype(int)
    weights = np.zeros((pixels, units))
    weights[np.arange(pixels), low] += 1 - (at - low)
    weights[np.arange(pixels), np.minimum(low + 1, units - 1)] += at - low
    return weights
