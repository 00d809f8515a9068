"""What a picture of each class of the demo network must show, as a measurement.

Drawn images and pictures made by any method are judged alike and without a network:
wave classes by direction and period of their spectrum, gradients by the ramp that
explains them, figures by the silhouette that fits best, colours by their pixels.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from jaxvis.nets.demo.images import COARSE, FIGURES, FINE, MEDIUM
from jaxvis.types import Array, Image

_ANY, _MUCH, _SOME, _LEAN, _NONE = (0, 1), (0.5, 1), (0.22, 0.7), (0, 0.4), (0, 0.07)
SHARES = {
    "vertical": (_MUCH, _LEAN, _NONE, _LEAN, _ANY),
    "rising": (_LEAN, _MUCH, _LEAN, _NONE, _ANY),
    "horizontal": (_NONE, _LEAN, _MUCH, _LEAN, _ANY),
    "falling": (_LEAN, _NONE, _LEAN, _MUCH, _ANY),
    "lattice": (_SOME, _LEAN, _SOME, _LEAN, (0.6, 1)),
    "diagonal lattice": (_LEAN, _SOME, _LEAN, _SOME, (0, 0.4)),
    "courses": ((0.07, 0.35), (0.03, 0.3), (0.35, 0.8), (0.03, 0.3), (0.5, 1)),
    "every way": (*((0.1, 0.45),) * 4, (0.35, 0.65)),
}
"""Arrangements -> least and greatest share of the spectrum's energy in waves that run
0, 45, 90 and 135 degrees from x towards y (down), 22.5 degrees to either side, and in
those that run 0 and 90 together."""
HUE_ANGLES = {"red": 0.0, "green": 120.0, "blue": 230.0, "yellow": 57.0}
"""Solid colours -> their hue in degrees, 25 either way allowed."""


def window(image: Image) -> Array:
    """Returns a Hann window that sums to one, `[H, W, 1]`, for an image.

    Args:
      image: `[H, W, 3]`.
    """
    height, width, _ = image.shape
    weight = jnp.hanning(height + 2)[1:-1, None] * jnp.hanning(width + 2)[1:-1]
    return (weight / weight.sum())[..., None]


def spectrum(image: Image) -> tuple[Array, Array, Array]:
    """Returns the energy of an image's waves under a Hann window, without its mean.

    Args:
      image: `[H, W, 3]`.

    Returns:
      (energy, fy, fx): each `[H, W]`, energy summed over the colours, frequencies in
      cycles per pixel.
    """
    height, width, _ = image.shape
    weight = window(image)
    image = (image - (image * weight).sum((0, 1))) * weight
    energy = jnp.abs(jnp.fft.fft2(image, axes=(0, 1))) ** 2
    fy, fx = jnp.fft.fftfreq(height)[:, None], jnp.fft.fftfreq(width)
    return (energy.sum(-1), *jnp.broadcast_arrays(fy, fx))


def peak(image: Image, *, periods: tuple[float, float] = (3.0, 24.0)) -> Array:
    """Returns (fy, fx) of the strongest wave, `[2]` in cycles per pixel, fx >= 0.

    Args:
      image: `[H, W, 3]`.
      periods: shortest and longest period considered, in pixels.
    """
    energy, fy, fx = spectrum(image)
    frequency = jnp.hypot(fy, fx)
    inside = (frequency * periods[1] >= 1) & (frequency * periods[0] <= 1)
    at = jnp.argmax(jnp.where(inside, energy, -1.0))
    found = jnp.stack([fy.ravel()[at], fx.ravel()[at]])
    return found * jnp.where(found[1] < 0, -1.0, 1.0)


@dataclass(frozen=True)
class Waves:
    """Returns the answer of classes that repeat.

    Args:
      arrangement: a key of `SHARES`.
      periods: range in pixels in which the strongest wave's period must lie, a third
        more or a quarter less allowed.
    """

    arrangement: str
    periods: tuple[float, float]

    def __call__(self, image: Image, zoom: float = 1.0) -> Array:
        """Returns whether the image shows it, `[]` bool."""
        band = (3.0 * zoom, 24.0 * zoom)
        period = 1 / jnp.linalg.norm(peak(image, periods=band)) / zoom
        fits = (period >= self.periods[0] * 0.75) & (period <= self.periods[1] * 4 / 3)
        energy, fy, fx = spectrum(image)
        frequency = jnp.hypot(fy, fx)
        inside = (frequency * band[1] >= 1) & (frequency * band[0] <= 1)
        sector = jnp.round(jnp.arctan2(fy, fx) / (jnp.pi / 4)).astype(int) % 4
        waves = jnp.where(inside, energy, 0.0)
        clear = waves.sum() > 0.3 * energy.sum()
        shares = jnp.zeros(4).at[sector].add(waves) / jnp.maximum(waves.sum(), 1e-12)
        shares = jnp.append(shares, shares[0] + shares[2])
        least, greatest = jnp.array(SHARES[self.arrangement], jnp.float32).T
        return fits & clear & ((shares >= least) & (shares <= greatest)).all()


@dataclass(frozen=True)
class Ramp:
    """Returns the answer of gradients: most of the picture is a ramp along one axis.

    Args:
      axis: 0 runs down, 1 across.
    """

    axis: int

    def __call__(self, image: Image, zoom: float = 1.0) -> Array:
        """Returns whether the image shows it, `[]` bool."""
        image = image - image.mean((0, 1))
        total = jnp.maximum((image**2).mean(), 1e-6) * 3
        explained = []
        for axis in (0, 1):
            profile = image.mean(1 - axis)
            ramp = jnp.linspace(-1.0, 1.0, len(profile))
            explained.append(jnp.sum((ramp @ profile) ** 2) / jnp.sum(ramp**2))
            explained[-1] /= len(profile) * total
        return (explained[self.axis] > 0.2) & (explained[self.axis] > 3 * explained[1 - self.axis])


@dataclass(frozen=True)
class Figure:
    """Returns the answer of figures: the silhouette that fits somewhere best.

    Args:
      name: a key of `FIGURES`.
    """

    name: str

    def __call__(self, image: Image, zoom: float = 1.0) -> Array:
        """Returns whether the image shows it, `[]` bool."""
        fits = _silhouettes(image, zoom=zoom)
        return (jnp.argmax(fits) == list(FIGURES).index(self.name)) & (fits.max() > 0.5)


@dataclass(frozen=True)
class Hue:
    """Returns the answer of solid colours: the mean, mostly of the middle, is coloured.

    Args:
      name: a key of `HUE_ANGLES`.
    """

    name: str

    def __call__(self, image: Image, zoom: float = 1.0) -> Array:
        """Returns whether the image shows it, `[]` bool."""
        red, green, blue = mean = (image * window(image)).sum((0, 1))
        # The hexagon's angle.
        hue = jnp.arctan2(jnp.sqrt(3.0) * (green - blue), 2 * red - green - blue)
        off = (jnp.rad2deg(hue) - HUE_ANGLES[self.name] + 180) % 360 - 180
        return (jnp.abs(off) < 25) & (mean.max() - mean.min() > 0.15)


def _silhouettes(image: Image, *, zoom: float = 1.0) -> Array:
    """Returns how well each figure fits where it fits best, `[figures]` in [0, 1].

    The absolute correlation of the image along its main colour axis with the figure in
    a square window, over all places and widths of 20 to 44 pixels.

    Args:
      image: `[H, W, 3]`.
      zoom: see `matches`.
    """
    colours = image - image.mean((0, 1))
    axes = jnp.linalg.eigh(jnp.einsum("hwc,hwd->cd", colours, colours))[1]
    grey = _smooth(colours @ axes[:, -1])
    # A figure near the edge: what lies beyond is taken to go on as it ends.
    grey = jnp.pad(grey, min(grey.shape) // 8, mode="edge")
    halves = zoom * jnp.arange(10.0, 23.0, 2.0)
    return jax.vmap(partial(_fits, grey))(halves).max(axis=0)


def _smooth(plane: Array) -> Array:
    """Returns the plane blurred by (1, 2, 1) / 4 twice each way; edges wrap around."""
    for axis in (0, 1, 0, 1):
        sides = jnp.roll(plane, 1, axis) + jnp.roll(plane, -1, axis)
        plane = plane / 2 + sides / 4
    return plane


def _fits(grey: Array, half: Array) -> Array:
    """Returns each figure's highest absolute correlation at one width, `[figures]`."""
    height, width = grey.shape
    y = ((jnp.arange(height) + height // 2) % height - height // 2)[:, None]
    x = (jnp.arange(width) + width // 2) % width - width // 2
    near = (jnp.maximum(jnp.abs(x), jnp.abs(y)) <= 1.35 * half).astype(float)
    near /= near.sum()

    def correlated(plane: Array, pattern: Array) -> Array:
        product = jnp.fft.rfft2(plane) * jnp.conj(jnp.fft.rfft2(pattern))
        return jnp.fft.irfft2(product, plane.shape)

    variance = correlated(grey**2, near) - correlated(grey, near) ** 2
    deviation = jnp.sqrt(jnp.maximum(variance, 1e-3 * grey.var() + 1e-9))
    # Only places where the whole window lies inside the image.
    row, column = jnp.arange(height)[:, None], jnp.arange(width)
    margin = jnp.minimum(
        jnp.minimum(row, height - 1 - row), jnp.minimum(column, width - 1 - column)
    )
    fits = []
    for depth in FIGURES.values():
        figure = _smooth(jnp.clip(depth(x, y, half) + 0.5, 0.0, 1.0))
        figure -= (figure * near).sum()
        figure *= near / jnp.sqrt((figure**2 * near).sum())
        fit = jnp.abs(correlated(grey, figure)) / deviation
        fits.append(jnp.where(margin >= 1.35 * half, fit, 0.0).max())
    return jnp.stack(fits)


ANSWERS: dict[str, Waves | Ramp | Figure | Hue] = {
    "vertical stripes, fine": Waves("vertical", FINE),
    "vertical stripes, coarse": Waves("vertical", COARSE),
    "horizontal stripes, fine": Waves("horizontal", FINE),
    "horizontal stripes, coarse": Waves("horizontal", COARSE),
    "rising diagonal stripes": Waves("rising", MEDIUM),
    "falling diagonal stripes": Waves("falling", MEDIUM),
    "dots": Waves("lattice", (9.0, 13.0)),
    "rings": Waves("every way", (8.0, 13.0)),
    "checkers": Waves("diagonal lattice", (8.5, 14.1)),
    "bricks": Waves("courses", (9.0, 13.0)),
    "horizontal gradient": Ramp(1),
    "vertical gradient": Ramp(0),
    **{name: Figure(name) for name in FIGURES},
    **{name: Hue(name) for name in HUE_ANGLES},
}
"""Class -> `(image, zoom) -> []` bool: whether the image shows what it must."""


def matches(label: str, image: Image, *, zoom: float = 1.0) -> bool:
    """Returns whether an image shows what the class means, measured without a network.

    Args:
      label: a name in `CLASSES`.
      image: `[H, W, 3]` RGB in [0, 1], at least 48 pixels a side.
      zoom: pixels of the image to one pixel of what the network saw: above 1 for
        pictures that a view shrank on their way to the network.

    Raises:
      ValueError: for an unknown label or an image that is too small or not RGB.
    """
    if label not in ANSWERS:
        raise ValueError(f"label {label!r} is not one of {', '.join(ANSWERS)}")
    image = jnp.asarray(image, jnp.float32)
    if image.ndim != 3 or image.shape[-1] != 3 or min(image.shape[:2]) < 48:
        raise ValueError(f"image is [H, W, 3] of at least 48 pixels a side, got {image.shape}")
    return bool(_judged(ANSWERS[label], image, zoom))


_judged = jax.jit(lambda answer, image, zoom: answer(image, zoom), static_argnums=0)
