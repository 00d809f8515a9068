"""Canvases: parameters z, and how they become an image.

Every canvas is a frozen dataclass with `init(key) -> z` and `decode(shared, z, key) ->
image`; these canvases share nothing among items, so `shared` is None. `encode(image)
-> z` exists where an image can be put on the canvas (a warm start). Sizes are (H, W) in
pixels.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import DECORRELATE, MEAN, RECORRELATE
from jaxvis.types import Array, Canvas, Image, Key

_EDGE = 1e-4  # how far an encoded image keeps from 0 and 1, where logit diverges


class SizedCanvas(Canvas):
    """A canvas whose field `size` is (H, W) of its image in pixels."""

    size: tuple[int, int]

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of the image in pixels."""
        return self.size


@dataclass(frozen=True)
class Pixels(SizedCanvas):
    """A canvas of pixels, not clipped: image = center + z / scale.

    Args:
      size: (H, W) in pixels.
      center: RGB in [0, 1] at z = 0.
      scale: units of z per unit of the image; 255 makes z grey levels.
      noise: standard deviation of the start, in units of z; 0 starts flat.
      init_range: where given, the start is uniform noise in [-init_range, init_range]
        divided by its 0.95 quantile (about 0.9), as in the natural pre-images code,
        instead of Gaussian.
      channels: 3, or 1 for a grey image.
    """

    size: tuple[int, int]
    center: tuple[float, float, float] = MEAN
    scale: float = 1.0
    noise: float = 0.0
    init_range: float = 0.0
    channels: int = 3

    def init(self, key: Key) -> Array:
        """Draws z `[H, W, channels]` float32."""
        shape = (*self.size, self.channels)
        if self.init_range:
            z = jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
            return z / jnp.quantile(z, 0.95) * self.init_range
        return self.noise * jax.random.normal(key, shape)

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, 3]`; may leave [0, 1]."""
        del shared, key
        return jnp.asarray(self.center, z.dtype) + z / self.scale

    def encode(self, image: Image) -> Array:
        """Finds the z of an image `[H, W, 3]`; a grey one of its mean channel."""
        z = (image - jnp.asarray(self.center, image.dtype)) * self.scale
        return jnp.mean(z, -1, keepdims=True) if self.channels == 1 else z


@dataclass(frozen=True)
class Tanh(SizedCanvas):
    """A canvas that cannot leave [0, 1]: image = (tanh z + 1) / 2.

    Args:
      size: (H, W) in pixels.
      noise: standard deviation of the start around mid-grey.
    """

    size: tuple[int, int]
    noise: float = 0.01

    def init(self, key: Key) -> Array:
        """Draws z `[H, W, 3]` float32."""
        return self.noise * jax.random.normal(key, (*self.size, 3))

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, 3]` in (0, 1)."""
        del shared, key
        return (jnp.tanh(z) + 1) / 2

    def encode(self, image: Image) -> Array:
        """Finds the z of an image `[H, W, 3]`, kept 1e-4 from 0 and 1."""
        return jnp.arctanh(2 * jnp.clip(image, _EDGE, 1 - _EDGE) - 1)


def frequencies(size: tuple[int, int]) -> np.ndarray:
    """Gives |f| of every `rfft2` coefficient, `[H, W // 2 + 1]`, cycles per pixel.

    Args:
      size: (H, W) of the image in pixels.
    """
    fy = np.fft.fftfreq(size[0])[:, None]
    fx = np.fft.rfftfreq(size[1])[None, :]
    return np.sqrt(fy * fy + fx * fx).astype(np.float32)


def _to_rgb(decorrelated: Array) -> Image:
    return jax.nn.sigmoid(decorrelated @ jnp.asarray(RECORRELATE))


def _from_rgb(image: Image) -> Array:
    clipped = jnp.clip(image, _EDGE, 1 - _EDGE)
    return (jnp.log(clipped) - jnp.log1p(-clipped)) @ jnp.asarray(DECORRELATE)


@dataclass(frozen=True)
class Fourier(SizedCanvas):
    """A canvas of Fourier coefficients in decorrelated colours.

    image = sigmoid(colour(irfft2(z / f^decay))).

    z are the coefficients of a spectrum in which every frequency has the energy it has
    in photographs, so one step of the optimizer moves all scales alike.

    Args:
      size: (H, W) in pixels.
      sd: standard deviation of the start's coefficients.
      decay: exponent of the spectrum's fall.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), preconditioning.
    """

    size: tuple[int, int]
    sd: float = 0.01
    decay: float = 1.0

    def _gain(self) -> np.ndarray:
        lowest = 1.0 / max(self.size)
        fall = np.maximum(frequencies(self.size), lowest) ** -self.decay
        # A quarter of the orthonormal transform: the start is then faint, and the
        # usual learning rate 0.05 suits it.
        return (fall * np.sqrt(self.size[0] * self.size[1]) / 4)[..., None]

    def init(self, key: Key) -> Array:
        """Draws z `[2, H, W // 2 + 1, 3]` float32, real and imaginary parts."""
        shape = (2, self.size[0], self.size[1] // 2 + 1, 3)
        return self.sd * jax.random.normal(key, shape)

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, 3]` in (0, 1)."""
        del shared, key
        spectrum = jax.lax.complex(z[0], z[1]) * self._gain()
        return _to_rgb(jnp.fft.irfft2(spectrum, s=self.size, axes=(0, 1)))

    def encode(self, image: Image) -> Array:
        """Finds the z of an image `[H, W, 3]`, kept 1e-4 from 0 and 1."""
        spectrum = jnp.fft.rfft2(_from_rgb(image), axes=(0, 1)) / self._gain()
        return jnp.stack([spectrum.real, spectrum.imag])


def _make_hermitian(phases: Array, width: int) -> Array:
    """Makes phases those of a real image of `width` pixels: odd under a mirror.

    The first column of a half spectrum, and the last of an even width, holds each
    frequency together with its negative. Left free, the two would interfere, and the
    magnitude would depend on the phases.
    """
    column = jnp.arange(phases.shape[1])[:, None]
    mirrored = jnp.roll(jnp.flip(phases, 0), 1, 0)
    return jnp.where((column == 0) | (2 * column == width), phases - mirrored, phases)


@dataclass(frozen=True)
class Phase(SizedCanvas):
    """A canvas whose Fourier magnitude is fixed; z are the phases alone.

    The magnitude is that of natural images, 1 / f^decay in each decorrelated colour
    axis, so no optimum can be noise of high frequency.

    Args:
      size: (H, W) in pixels.
      decay: exponent of the magnitude's fall.
      contrast: standard deviation of the first (grey) decorrelated axis before the
        sigmoid.
      saturation: standard deviations of the other two axes, relative to the first.

    Source: Fel et al., MACO (2023), Eq. 2-3.

    Departures: the magnitude is a power law with the figures above instead of the mean
    spectrum of the ImageNet training set.
    """

    size: tuple[int, int]
    decay: float = 1.0
    contrast: float = 1.0
    saturation: tuple[float, float] = (1.0, 1.0)

    def init(self, key: Key) -> Array:
        """Draws z `[H, W // 2 + 1, 3]`, phases in radians, uniform."""
        shape = (self.size[0], self.size[1] // 2 + 1, 3)
        return jax.random.uniform(key, shape, minval=-np.pi, maxval=np.pi)

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, 3]` in (0, 1)."""
        del shared, key
        lowest = 1.0 / max(self.size)
        magnitude = np.maximum(frequencies(self.size), lowest) ** -self.decay
        magnitude[0, 0] = 0.0  # the mean is set by the sigmoid's centre
        phases = _make_hermitian(z, self.size[1])
        turned = jax.lax.complex(jnp.cos(phases), jnp.sin(phases))
        spectrum = turned * magnitude[..., None]
        axes = jnp.fft.irfft2(spectrum, s=self.size, axes=(0, 1))
        axes = axes / jnp.std(axes, axis=(0, 1), keepdims=True)
        return _to_rgb(axes * self.contrast * jnp.asarray((1.0, *self.saturation)))
