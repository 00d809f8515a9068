"""How a unit is tuned: its responses to gratings of all angles and colours of all hues."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxvis.analysis.codes import Look, stream
from jaxvis.analysis.places import find_placement
from jaxvis.nets.table.fields import canvas_of
from jaxvis.network import Network
from jaxvis.site.measures.stimuli import ANGLES, HUES, PHASES, SIDES, Place, list_drawings
from jaxvis.types import Array, Params

KINDS = ("uniform", "edge")
"""What colours are shown as: the whole image, or one side of an edge."""


class Tuning(NamedTuple):
    """The tuning curves of the units of a layer.

    Attributes:
      angle: `[c, 24]`, the responses to gratings of `ANGLES`.
      period: `[c]` pixels, that of the gratings of each unit's curve.
      hue: `[c, 24]`, the responses to colours of `HUES`; None where images are not RGB.
      kind: `[c]` int, what the colours of each unit's curve are shown as, in `KINDS`.
    """

    angle: np.ndarray
    period: np.ndarray
    hue: np.ndarray | None
    kind: np.ndarray | None


@dataclass(frozen=True)
class ReadCentre(Look):
    """The reading of the unit in the middle of every channel, `[c]`.

    Args:
      tap: the layer.
    """

    tap: str

    def __call__(self, params: Any, image: Array, number: Array) -> Array:
        """Computes the activations.

        Args:
          params: the network's parameters.
          image, number: see `Look`.
        """
        del number
        values = self.net.apply(params, image, stop=self.tap)[self.tap]
        return values[values.shape[0] // 2, values.shape[1] // 2] if values.ndim == 3 else values


def find_place(net: Network, params: Params, tap: str) -> Place:
    """Finds where drawings for a layer stand: centred on the field of the unit in the middle.

    They have room for that field, and are no larger than the network's own image.

    Args:
      net, params: the network.
      tap: the layer.
    """
    size = canvas_of(net, tap)
    if any(side > own for side, own in zip(size, net.input_size)):
        size = net.input_size
    found = find_placement(net, params, tap, size=size)
    units = found.shape[:2] if len(found.shape) == 3 else (1, 1)
    down, across = (
        offset + stride * (n // 2) for offset, stride, n in zip(found.offset, found.stride, units)
    )
    field = min(found.field or max(size), max(size))
    return Place(size, net.channels, (down, across), field)


def measure_tuning(net: Network, params: Params, tap: str) -> Tuning:
    """Measures the tuning of all units of a layer.

    The activation is that of the unit in the middle of the channel, because the largest one of
    the map would often be found at the border, where the drawing ends and not where it has the
    angle. A response is how far the activation rises above that for mid-grey; where it falls,
    the response is 0. The response to an angle is the root of the mean square over four
    phases, which does not depend on where the stripes lie: for a kernel whose activation goes
    like a cosine of the phase, the squares of the rises add up to the same. So it is for the
    response to an edge of a colour, over the four sides that the colour may lie on.

    Of the three periods of gratings, each unit keeps the one with the largest response at any
    angle, and of uniform colours and edges the kind with the largest at any hue.

    Args:
      net, params: the network.
      tap: the layer.
    """
    place = find_place(net, params, tap)
    found = stream(ReadCentre(net, tap), params, list_drawings(place)).astype(np.float64)
    rises = np.nan_to_num(np.maximum(found[1:] - found[0], 0), posinf=0)
    periods = place.list_periods()
    count = len(periods) * len(ANGLES) * len(PHASES)
    waves = rises[:count].reshape(len(periods), len(ANGLES), len(PHASES), -1)
    angle, best = _keep_best(np.sqrt((waves**2).mean(axis=2)))
    period = np.array(periods)[best]
    if place.channels != 3:
        return Tuning(angle, period, None, None)
    colours = rises[count:].reshape(len(HUES), 1 + len(SIDES), -1)
    edges = np.sqrt((colours[:, 1:] ** 2).mean(axis=1))
    return Tuning(angle, period, *_keep_best(np.stack([colours[:, 0], edges])))


def _keep_best(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns of curves `[k, n, c]` that with the largest value, `[c, n]`, and which it is."""
    best = curves.max(axis=1).argmax(axis=0)
    return curves[best, :, np.arange(len(best))], best
