"""Canvases: parameters z, and how they become an image.

Every canvas is a frozen dataclass with `init(key) -> z` and `decode(shared, z, key) ->
image`; these canvases share nothing among items, so `shared` is None. `encode(image)
-> z` exists where an image can be put on the canvas (a warm start). Sizes are (H, W) in
pixels. `channels` is that of the network: 3 for RGB, 1 for grey. Only RGB has axes of
colour that can be decorrelated.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import DECORRELATE, RECORRELATE, mean_colour
from jaxvis.loss.alpha import Alpha as Alpha
from jaxvis.loss.cppn import Cppn as Cppn
from jaxvis.types import Array, Canvas, Image, Key

_EDGE = 1e-4  # how far an encoded image keeps from 0 and 1, where logit diverges


class SizedCanvas(Canvas):
    """A canvas whose field `size` is (H, W) of its image in pixels.

    >>> import jaxvis
    >>> jaxvis.canvases.Tanh((48, 64)).image_size()
    (48, 64)
    """

    size: tuple[int, int]

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of the image in pixels."""
        return self.size


@dataclass(frozen=True)
class Pixels(SizedCanvas):
    """A canvas of pixels, not clipped: image = center + z / scale.

    Args:
      size: (H, W) in pixels.
      center: RGB in [0, 1] at z = 0, or one number for each channel; () is the mean
        colour of photographs.
      scale: units of z per unit of the image; 255 makes z grey levels.
      noise: standard deviation of the start, in units of z; 0 starts flat.
      init_range: where given, the start is uniform noise in [-init_range, init_range]
        divided by its 0.95 quantile (about 0.9), as in the natural pre-images code,
        instead of Gaussian.
      channels: of z, and of the image. One channel around a center of three is a grey
        image `[H, W, 3]`, for a network that takes RGB.

    >>> import jax
    >>> import jaxvis
    >>> canvas, key = jaxvis.canvases.Pixels((4, 6), center=(0.5, 0.5, 0.5)), jax.random.key(0)
    >>> canvas.decode(None, canvas.init(key), key)[0, 0].tolist()
    [0.5, 0.5, 0.5]
    """

    size: tuple[int, int]
    center: tuple[float, ...] = ()
    scale: float = 1.0
    noise: float = 0.0
    init_range: float = 0.0
    channels: int = 3

    def __post_init__(self) -> None:
        """Writes the mean colour out, and raises ValueError for a center that does not fit."""
        object.__setattr__(self, "center", self.center or mean_colour(self.channels))
        if self.channels not in (1, len(self.center)):
            raise ValueError(
                f"center has {len(self.center)} numbers for {self.channels} channels: give one each"
            )

    def init(self, key: Key) -> Array:
        """Draws z `[H, W, channels]` float32."""
        shape = (*self.size, self.channels)
        if self.init_range:
            z = jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
            return z / jnp.quantile(z, 0.95) * self.init_range
        return self.noise * jax.random.normal(key, shape)

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, C]`; may leave [0, 1]."""
        del shared, key
        return jnp.asarray(self.center, z.dtype) + z / self.scale

    def encode(self, image: Image) -> Array:
        """Finds the z of an image `[H, W, C]`; a grey one of its mean channel."""
        z = (image - jnp.asarray(self.center, image.dtype)) * self.scale
        return jnp.mean(z, -1, keepdims=True) if self.channels == 1 else z


@dataclass(frozen=True)
class Tanh(SizedCanvas):
    """A canvas that cannot leave [0, 1]: image = (tanh z + 1) / 2.

    Args:
      size: (H, W) in pixels.
      noise: standard deviation of the start around mid-grey.
      channels: of the image.

    >>> import jax
    >>> import jaxvis
    >>> canvas, key = jaxvis.canvases.Tanh((4, 6), noise=9.0), jax.random.key(0)
    >>> bool(abs(canvas.decode(None, canvas.init(key), key) - 0.5).max() <= 0.5)
    True
    """

    size: tuple[int, int]
    noise: float = 0.01
    channels: int = 3

    def init(self, key: Key) -> Array:
        """Draws z `[H, W, channels]` float32."""
        return self.noise * jax.random.normal(key, (*self.size, self.channels))

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, channels]` in (0, 1)."""
        del shared, key
        return (jnp.tanh(z) + 1) / 2

    def encode(self, image: Image) -> Array:
        """Finds the z of an image `[H, W, channels]`, kept 1e-4 from 0 and 1."""
        return jnp.arctanh(2 * jnp.clip(image, _EDGE, 1 - _EDGE) - 1)


def frequencies(size: tuple[int, int]) -> np.ndarray:
    """Gives |f| of every `rfft2` coefficient, `[H, W // 2 + 1]`, cycles per pixel.

    Args:
      size: (H, W) of the image in pixels.

    >>> import jaxvis
    >>> jaxvis.canvases.frequencies((2, 4)).tolist()[0]
    [0.0, 0.25, 0.5]
    """
    fy = np.fft.fftfreq(size[0])[:, None]
    fx = np.fft.rfftfreq(size[1])[None, :]
    return np.sqrt(fy * fy + fx * fx).astype(np.float32)


def _to_image(axes: Array) -> Image:
    """Makes an image in (0, 1) of decorrelated colours; other channels are independent."""
    return jax.nn.sigmoid(_mix(axes, RECORRELATE) if axes.shape[-1] == 3 else axes)


def _mix(colours: Array, matrix: np.ndarray) -> Array:
    """Gives colours times a matrix `[3, 3]`.

    A sum is fused with what comes after it. A matrix product of three columns is a call of
    a library, which takes a tenth of the whole step of a small network on a CPU.
    """
    return jnp.sum(colours[..., None] * matrix, axis=-2)


def _from_image(image: Image) -> Array:
    clipped = jnp.clip(image, _EDGE, 1 - _EDGE)
    axes = jnp.log(clipped) - jnp.log1p(-clipped)
    return _mix(axes, DECORRELATE) if axes.shape[-1] == 3 else axes


@dataclass(frozen=True)
class Fourier(SizedCanvas):
    """A canvas of Fourier coefficients in decorrelated colours.

    image = sigmoid(colour(irfft2(z / f^decay))), without colour(.) for other channels than
    three.

    z are the coefficients of a spectrum in which every frequency has the energy it has
    in photographs, so one step of the optimizer moves all scales alike.

    Args:
      size: (H, W) in pixels.
      sd: standard deviation of the start's coefficients.
      decay: exponent of the spectrum's fall.
      channels: of the image.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), preconditioning.

    >>> import jax
    >>> import jaxvis
    >>> canvas, key = jaxvis.canvases.Fourier((32, 48)), jax.random.key(0)
    >>> canvas.decode(None, canvas.init(key), key).shape
    (32, 48, 3)
    """

    size: tuple[int, int]
    sd: float = 0.01
    decay: float = 1.0
    channels: int = 3

    def _gain(self) -> np.ndarray:
        lowest = 1.0 / max(self.size)
        fall = np.maximum(frequencies(self.size), lowest) ** -self.decay
        # A quarter of the orthonormal transform: the start is then faint, and the
        # usual learning rate 0.05 suits it.
        return (fall * np.sqrt(self.size[0] * self.size[1]) / 4)[..., None]

    def init(self, key: Key) -> Array:
        """Draws z `[2, H, W // 2 + 1, channels]` float32, real and imaginary parts."""
        shape = (2, self.size[0], self.size[1] // 2 + 1, self.channels)
        return self.sd * jax.random.normal(key, shape)

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, channels]` in (0, 1)."""
        del shared, key
        spectrum = jax.lax.complex(z[0], z[1]) * self._gain()
        return _to_image(jnp.fft.irfft2(spectrum, s=self.size, axes=(0, 1)))

    def encode(self, image: Image) -> Array:
        """Finds the z of an image `[H, W, channels]`, kept 1e-4 from 0 and 1."""
        spectrum = jnp.fft.rfft2(_from_image(image), axes=(0, 1)) / self._gain()
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
    axis, so no optimum can be noise of high frequency. Other channels than three are
    independent, and each is like the first axis.

    Args:
      size: (H, W) in pixels.
      decay: exponent of the magnitude's fall.
      contrast: standard deviation of the first (grey) decorrelated axis before the
        sigmoid.
      saturation: standard deviations of the other two axes, relative to the first; it
        counts for three channels alone.
      channels: of the image.

    Source: Fel et al., MACO (2023), Eq. 2-3.

    Departures: the magnitude is a power law with the figures above instead of the mean
    spectrum of the ImageNet training set.

    >>> import jax
    >>> import jaxvis
    >>> canvas, key = jaxvis.canvases.Phase((32, 48)), jax.random.key(0)
    >>> canvas.decode(None, canvas.init(key), key).shape
    (32, 48, 3)
    """

    size: tuple[int, int]
    decay: float = 1.0
    contrast: float = 1.0
    saturation: tuple[float, float] = (1.0, 1.0)
    channels: int = 3

    def init(self, key: Key) -> Array:
        """Draws z `[H, W // 2 + 1, channels]`, phases in radians, uniform."""
        shape = (self.size[0], self.size[1] // 2 + 1, self.channels)
        return jax.random.uniform(key, shape, minval=-np.pi, maxval=np.pi)

    def decode(self, shared: Any, z: Array, key: Key) -> Image:
        """Makes the image `[H, W, channels]` in (0, 1)."""
        del shared, key
        lowest = 1.0 / max(self.size)
        magnitude = np.maximum(frequencies(self.size), lowest) ** -self.decay
        magnitude[0, 0] = 0.0  # the mean is set by the sigmoid's centre
        phases = _make_hermitian(z, self.size[1])
        turned = jax.lax.complex(jnp.cos(phases), jnp.sin(phases))
        spectrum = turned * magnitude[..., None]
        axes = jnp.fft.irfft2(spectrum, s=self.size, axes=(0, 1))
        axes = axes / jnp.std(axes, axis=(0, 1), keepdims=True)
        axes = axes * self.contrast
        if self.channels == 3:
            axes = axes * jnp.asarray((1.0, *self.saturation))
        return _to_image(axes)
