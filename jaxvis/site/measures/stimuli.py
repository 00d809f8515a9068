"""Drawings that show what a unit is tuned to: gratings of all angles, and colours of all hues."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from jaxvis.train.images import Images

ANGLES = np.arange(24) * 7.5
"""Angles of the stripes in degrees, counter-clockwise from horizontal: 90 is upright."""
PHASES = np.arange(4) * 90.0
"""Where in its period a grating is at the middle of the field, in degrees."""
HUES = np.arange(24) * 15.0
"""Hues in degrees: 0 is red, 120 green, 240 blue."""
SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""Where the colour lies beside an edge: (down, across) from the middle of the field."""
LONGEST, SHORTEST = 12.0, 3.0
"""Pixels of a grating's period: the largest one has at least, and the smallest one too."""
GREY = 0.5
"""The level of all channels to which every response is compared."""


@dataclass(frozen=True)
class Place:
    """Where a drawing stands, and how large the field is that it is made for.

    Attributes:
      size: (H, W) of the drawing in pixels.
      channels: of the drawing.
      middle: (down, across), the middle of the field in pixels.
      field: the side of the field in pixels.
    """

    size: tuple[int, int]
    channels: int
    middle: tuple[float, float]
    field: int

    def list_periods(self) -> tuple[float, ...]:
        """Lists the three periods of gratings, in pixels: one is the field, one its ninth.

        None is below `SHORTEST`, and the longest is at least `LONGEST`, because a small field
        has no room for more than a part of it. The one between is their geometric mean.
        """
        longest = max(float(self.field), LONGEST)
        shortest = max(longest / 9, SHORTEST)
        return longest, float(np.sqrt(longest * shortest)), shortest

    def spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Gives how far rows `[H, 1]` and columns `[1, W]` are from the middle, in pixels."""
        down, across = (np.arange(n) - at for n, at in zip(self.size, self.middle))
        return down[:, None], across[None]


@dataclass(frozen=True, eq=False)
class Drawings(Images):
    """Images that are drawn when they are asked for.

    Attributes:
      makers: of every image a function that draws it, `[H, W, C]` float32 in [0, 1].
    """

    makers: tuple[Callable[[], np.ndarray], ...] = ()

    def __len__(self) -> int:
        """Gives the number of images."""
        return len(self.makers)

    def __getitem__(self, index: int) -> np.ndarray:
        """Draws one image, `[H, W, C]` float32 in [0, 1]."""
        return self.makers[index]()


def list_drawings(place: Place) -> Drawings:
    """Lists all drawings: mid-grey; gratings; and, for a network of RGB images, colours.

    Gratings come in the order of periods, angles, phases; colours in the order of hues, of
    each the whole image and the edges of `SIDES`.

    Args:
      place: where they stand.
    """
    makers: list[Callable[[], np.ndarray]] = [partial(draw_grey, place)]
    for period in place.list_periods():
        for angle in ANGLES:
            makers += [partial(draw_grating, place, period, angle, phase) for phase in PHASES]
    if place.channels == 3:
        for hue in HUES:
            makers += [partial(draw_colour, place, hue, side) for side in ((0, 0), *SIDES)]
    return Drawings(place.size, (), (), makers=tuple(makers))


def draw_grey(place: Place) -> np.ndarray:
    """Draws mid-grey, `[H, W, C]`.

    Args:
      place: where.
    """
    return np.full((*place.size, place.channels), GREY, np.float32)


def draw_grating(place: Place, period: float, angle: float, phase: float) -> np.ndarray:
    """Draws a grating of full contrast, equal in all channels, `[H, W, C]`.

    Args:
      place: where; the middle of the field is where the phase is counted from.
      period: pixels from stripe to stripe.
      angle: of the stripes in degrees, counter-clockwise from horizontal.
      phase: in degrees.
    """
    down, across = place.spread()
    turn = np.deg2rad(angle)
    distance = across * np.sin(turn) + down * np.cos(turn)
    wave = GREY + GREY * np.cos(2 * np.pi * distance / period + np.deg2rad(phase))
    return np.repeat(wave[..., None], place.channels, axis=-1).astype(np.float32)


def mix_colour(hue: float) -> np.ndarray:
    """Mixes the most saturated colour of a hue whose channels have the mean of mid-grey, `[3]`.

    Args:
      hue: in degrees.
    """
    return GREY + GREY * np.cos(np.deg2rad(hue - np.array([0.0, 120.0, 240.0])))


def draw_colour(place: Place, hue: float, side: tuple[int, int]) -> np.ndarray:
    """Draws a colour on the whole image or on one side of an edge, `[H, W, 3]`.

    The edge goes through the middle of the field, and beyond it lies mid-grey.

    Args:
      place: where.
      hue: in degrees.
      side: one of `SIDES`, or (0, 0) for the whole image.
    """
    down, across = place.spread()
    # A pixel that the edge cuts in two is half of each.
    share = np.clip(side[0] * down + side[1] * across + 0.5, 0, 1) if any(side) else 1.0
    colour = GREY + np.broadcast_to(share, place.size)[..., None] * (mix_colour(hue) - GREY)
    return colour.astype(np.float32)
