"""Heatmaps as pictures: colours, and the heat over the photograph."""

from typing import Literal

import numpy as np

from jaxvis.output.resample import resample

Colours = Literal["auto", "sequential", "diverging", "grey"]

PERCENTILE = 99.5
"""Heat above this percentile has the strongest colour: single pixels hide no others."""
FLOOR = 0.25
"""A map whose least heat is more than this share of its greatest is drawn from its least."""

_STOPS: dict[str, np.ndarray] = {
    # From dark blue over red to pale yellow: lightness grows with heat.
    "sequential": np.array(
        [
            [0.02, 0.01, 0.10],
            [0.23, 0.06, 0.44],
            [0.55, 0.13, 0.45],
            [0.85, 0.29, 0.28],
            [0.98, 0.58, 0.15],
            [0.99, 0.98, 0.70],
        ]
    ),
    # Blue speaks against, white is nothing, red speaks for.
    "diverging": np.array(
        [
            [0.03, 0.19, 0.42],
            [0.26, 0.57, 0.78],
            [0.97, 0.97, 0.97],
            [0.84, 0.38, 0.30],
            [0.40, 0.00, 0.12],
        ]
    ),
    "grey": np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]),
}
"""Name -> colours at equal distances from the least to the greatest heat."""


def colour_heat(
    heat: np.ndarray, *, colours: Colours = "auto", percentile: float = PERCENTILE
) -> np.ndarray:
    """Draws a heatmap in colours.

    Args:
      heat: `[H, W]`; what is not finite becomes magenta.
      colours: "sequential" from 0 to the greatest heat; "diverging" from blue (against) over
        white (nothing) to red (for); "grey"; "auto" takes "diverging" where any heat is
        negative.
      percentile: of |heat|, in (0, 100]: heat beyond it is clipped to it.

    Returns:
      np.ndarray: `[H, W, 3]` float32 in [0, 1]; a flat map of zeros has the colour of 0.

    Raises:
      ValueError: for another shape, unknown colours, or a percentile outside (0, 100].
    """
    values = scale_heat(heat, percentile=percentile)
    kind = choose_colours(heat, colours=colours)
    stops = _STOPS[kind]
    at = (values + 1) / 2 if kind == "diverging" else np.abs(values)
    places = np.linspace(0, 1, len(stops))
    picture = np.stack([np.interp(at, places, stops[:, i]) for i in range(3)], -1)
    picture[~np.isfinite(heat)] = (1, 0, 1)
    return picture.astype(np.float32)


def scale_heat(heat: np.ndarray, *, percentile: float = PERCENTILE) -> np.ndarray:
    """Scales heat to [-1, 1] by a percentile of its size, clipped; zeros stay zeros.

    Maps that are nowhere near 0, such as those of RISE, which are mean scores, would have one
    colour: of them the least heat is taken away first, see `find_floor`.

    Args:
      heat: `[H, W]`; what is not finite becomes 0.
      percentile: of |heat|, in (0, 100].

    Raises:
      ValueError: for another shape, or a percentile outside (0, 100].
    """
    heat = np.asarray(heat, np.float64)
    if heat.ndim != 2 or not heat.size:
        raise ValueError(f"a heatmap is [H, W], not {heat.shape}")
    if not 0 < percentile <= 100:
        raise ValueError(f"the percentile lies above 0 and is at most 100, not {percentile}")
    heat = np.where(np.isfinite(heat), heat - find_floor(heat), 0.0)
    most = np.percentile(np.abs(heat), percentile)
    if not most:  # almost all of it is 0
        most = np.max(np.abs(heat))
    return np.clip(heat / most, -1, 1) if most else np.zeros_like(heat)


def find_floor(heat: np.ndarray) -> float:
    """Finds the heat that a picture begins at: 0, or the least where all is far from 0.

    Args:
      heat: `[H, W]`; what is not finite does not count.
    """
    values = np.asarray(heat, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    low, high = float(values.min()), float(values.max())
    near, far = sorted((abs(low), abs(high)))
    # A map of one value has heat everywhere, and no least that could be taken away.
    return low if low < high and low * high > 0 and near > FLOOR * far else 0.0


def choose_colours(heat: np.ndarray, *, colours: Colours = "auto") -> str:
    """Chooses the colours of a heatmap: "diverging" where any heat is negative.

    Args:
      heat: `[H, W]`.
      colours: see `colour_heat`.

    Raises:
      ValueError: for unknown colours.
    """
    if colours == "auto":
        signed = np.any(np.asarray(heat) < find_floor(heat))
        return "diverging" if signed else "sequential"
    if colours not in _STOPS:
        raise ValueError(f"colours is one of auto, {', '.join(_STOPS)}, not {colours!r}")
    return colours


def lay_over(
    image: np.ndarray,
    heat: np.ndarray,
    *,
    colours: Colours = "auto",
    percentile: float = PERCENTILE,
    strength: float = 0.6,
) -> np.ndarray:
    """Lays a heatmap over its photograph, which shows through where there is little heat.

    Args:
      image: `[H, W, 3]` or `[H, W, 1]` in [0, 1].
      heat: `[h, w]`; it is enlarged to the image where it is smaller.
      colours, percentile: see `colour_heat`.
      strength: how much of the photograph the greatest heat hides, in [0, 1].

    Returns:
      np.ndarray: `[H, W, 3]` float32 in [0, 1].

    Raises:
      ValueError: as `colour_heat`.
    """
    photo = np.broadcast_to(np.asarray(image, np.float32), (*np.shape(image)[:2], 3))
    size = photo.shape[:2]
    heat = np.asarray(heat, np.float32)
    if heat.shape != size:
        heat = resample(np.where(np.isfinite(heat), heat, 0)[..., None], size)[..., 0]
    grey = np.mean(photo, axis=-1, keepdims=True)
    cover = strength * np.abs(scale_heat(heat, percentile=percentile))[..., None]
    return (
        grey * (1 - cover) + colour_heat(heat, colours=colours, percentile=percentile) * cover
    ).astype(np.float32)


def describe_colours(heat: np.ndarray, *, percentile: float = PERCENTILE) -> str:
    """Says in a caption what the colours of a heatmap mean.

    Args:
      heat: `[H, W]`.
      percentile: see `colour_heat`.
    """
    floor = find_floor(heat)
    if not np.any(np.nan_to_num(heat - floor)):
        return "no heat anywhere"
    words = ["red for, blue against"] if choose_colours(heat) == "diverging" else []
    words += [f"dark is {floor:.3g}"] if floor else []
    if percentile < 100:
        words.append(f"clipped at percentile {percentile:g}")
    return "; ".join(words)
