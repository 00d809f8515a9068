"""Views: what the network sees of an image, as pure functions `(key, image) -> image`.

Every view is a frozen dataclass and draws its randomness from the key alone. Values
are not clipped.

>>> import jax
>>> import jaxvis
>>> image, key = jax.numpy.ones((8, 8, 3)), jax.random.key(0)
>>> move = in_order(Pad(4), Roll(2), Scale(0.9, 1.1), Rotate(5.0), Crop((12, 12)))
>>> light = InOrder((Identity(), ColourShift(0.1, 0.1), Noise(0.05), Blur(1.0)))
>>> jaxvis.jit(in_order(move, light))(key, image).shape
(12, 12, 3)
>>> Centre((4, 4))(key, image).shape, Resize((5, 7))(key, image).shape
((4, 4, 3), (5, 7, 3))
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.between import interpolate
from jaxvis.types import Array, Image, Key, View


@dataclass(frozen=True)
class Identity:
    """A view that shows the image as it is."""

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the image, `[H, W, C]`."""
        del key
        return image


@dataclass(frozen=True)
class InOrder:
    """A view that applies several in turn, each with a key of its own."""

    views: tuple[View, ...]

    def __call__(self, key: Key, image: Image) -> Image:
        """Applies all views, from the first to the last: `[H', W', C]`."""
        for i, view in enumerate(self.views):
            image = view(jax.random.fold_in(key, i), image)
        return image


def in_order(*views: View) -> InOrder:
    """Makes one view that applies `views` from the first to the last."""
    return InOrder(views)


def _spare(image: Image, size: tuple[int, int]) -> tuple[int, int]:
    """Gives how many rows and columns are left over beside a window of `size`."""
    spare = (image.shape[0] - size[0], image.shape[1] - size[1])
    if min(spare) < 0:
        raise ValueError(
            f"a crop of {size} does not fit a canvas of {image.shape[:2]}: "
            "make the canvas larger or the crop smaller"
        )
    return spare


@dataclass(frozen=True)
class Crop:
    """A view of a random window of `size` (H, W): jitter as a crop of a larger canvas.

    Source: Mahendran & Vedaldi, Visualizing CNNs using natural pre-images, 3.2.3.
    """

    size: tuple[int, int]

    def __call__(self, key: Key, image: Image) -> Image:
        """Cuts out a window `[size[0], size[1], C]`; all offsets are equally likely.

        Raises:
          ValueError: if the image is smaller than the window.
        """
        spare = _spare(image, self.size)
        offset = jax.random.randint(key, (2,), 0, jnp.asarray(spare) + 1)
        return jax.lax.dynamic_slice(
            image, (offset[0], offset[1], 0), (*self.size, image.shape[-1])
        )


@dataclass(frozen=True)
class Centre:
    """A view of the central window of `size` (H, W), as a jittered canvas is shown.

    The offset is floor((canvas - size) / 2).
    """

    size: tuple[int, int]

    def __call__(self, key: Key, image: Image) -> Image:
        """Cuts out the window `[size[0], size[1], C]`.

        Raises:
          ValueError: if the image is smaller than the window.
        """
        del key
        top, left = (spare // 2 for spare in _spare(image, self.size))
        return image[top : top + self.size[0], left : left + self.size[1]]


@dataclass(frozen=True)
class Resize:
    """A view of the whole image at another `size` (H, W), resampled bilinearly."""

    size: tuple[int, int]

    def __call__(self, key: Key, image: Image) -> Image:
        """Resizes the image to `[size[0], size[1], C]`."""
        del key
        return jax.image.resize(image, (*self.size, image.shape[-1]), "linear")


@dataclass(frozen=True)
class Roll:
    """A view that shifts the image circularly by up to `pixels` either way.

    Source: DeepDream (Mordvintsev et al. 2015), jitter.
    """

    pixels: int

    def __call__(self, key: Key, image: Image) -> Image:
        """Shifts the image, `[H, W, C]`."""
        shift = jax.random.randint(key, (2,), -self.pixels, self.pixels + 1)
        return jnp.roll(image, shift, axis=(0, 1))


@dataclass(frozen=True)
class Pad:
    """A view of the image inside a border of `pixels`.

    Args:
      pixels: width of the border on every side.
      fill: a grey value in [0, 1], or "edge" or "reflect".
    """

    pixels: int
    fill: float | str = 0.5

    def __call__(self, key: Key, image: Image) -> Image:
        """Pads the image to `[H + 2 pixels, W + 2 pixels, C]`."""
        del key
        pads = ((self.pixels, self.pixels), (self.pixels, self.pixels), (0, 0))
        if isinstance(self.fill, str):
            return jnp.pad(image, pads, mode=self.fill)
        return jnp.pad(image, pads, constant_values=self.fill)


@dataclass(frozen=True)
class Blur:
    """A view that blurs the image with a Gaussian of `sigma` pixels; edges are replicated.

    The filter is separable, and each of the two passes is one small matrix product.

    Args:
      sigma: standard deviation in pixels, above 0; the kernel ends at 4 sigma.
    """

    sigma: float

    def __post_init__(self) -> None:
        """Raises ValueError if `sigma` is not above 0."""
        if not self.sigma > 0:
            raise ValueError(f"sigma must be above 0 pixels, got {self.sigma}")

    def _matrix(self, size: int) -> np.ndarray:
        """Builds the matrix that blurs one axis, `[size, size]`."""
        at = np.arange(size)
        reach = int(np.ceil(4 * self.sigma))
        taps = np.arange(-reach, reach + 1)
        weights = np.exp(-0.5 * (taps / self.sigma) ** 2)
        matrix = np.zeros((size, size), np.float32)
        for tap, weight in zip(taps, weights / weights.sum()):
            np.add.at(matrix, (at, np.clip(at + tap, 0, size - 1)), weight)
        return matrix

    def __call__(self, key: Key, image: Image) -> Image:
        """Blurs the image, `[H, W, C]`."""
        del key
        rows, columns = self._matrix(image.shape[0]), self._matrix(image.shape[1])
        return jnp.einsum("yh,xw,hwc->yxc", rows, columns, image)


@dataclass(frozen=True)
class Scale:
    """A view that scales the image by a random factor about its centre.

    Args:
      low, high: the range of the factor, which is drawn log-uniformly.
      size: (H, W) of the result; None keeps the image's. The factor is relative to the
        image's own pixels, so a smaller result shows a window of the image.
      shift: largest displacement of the centre, in pixels of the result.
    """

    low: float
    high: float
    size: tuple[int, int] | None = None
    shift: float = 0.0

    def __call__(self, key: Key, image: Image) -> Image:
        """Scales the image to `[H', W', C]`; outside the image it is mid-grey."""
        factor_key, shift_key = jax.random.split(key)
        low, high = np.log(self.low), np.log(self.high)
        factor = jnp.exp(jax.random.uniform(factor_key, (), minval=low, maxval=high))
        size = self.size or image.shape[:2]
        centre_in = jnp.asarray(image.shape[:2], image.dtype) / 2
        centre_out = jnp.asarray(size, image.dtype) / 2
        move = jax.random.uniform(shift_key, (2,), minval=-self.shift, maxval=self.shift)
        translation = centre_out - factor * centre_in + move
        out = jax.image.scale_and_translate(
            image - 0.5,
            (*size, image.shape[-1]),
            (0, 1),
            jnp.stack([factor, factor]),
            translation,
            "linear",
            antialias=True,
        )
        return out + 0.5


def _turn(image: Image, angle: Array) -> Image:
    """Turns an image by `angle` radians about its centre, with bilinear interpolation."""
    height, width = image.shape[:2]
    middle = jnp.asarray([(height - 1) / 2, (width - 1) / 2], image.dtype)
    y = jnp.arange(height, dtype=image.dtype)[:, None] - middle[0]
    x = jnp.arange(width, dtype=image.dtype)[None, :] - middle[1]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    at_y, at_x = cos * y - sin * x + middle[0], sin * y + cos * x + middle[1]
    return 0.5 + interpolate(image - 0.5, at_y, at_x)


@dataclass(frozen=True)
class Rotate:
    """A view that turns the image by a random angle of up to `degrees` either way."""

    degrees: float

    def __call__(self, key: Key, image: Image) -> Image:
        """Turns the image, `[H, W, C]`; outside the image it is mid-grey."""
        limit = np.deg2rad(self.degrees)
        return _turn(image, jax.random.uniform(key, (), minval=-limit, maxval=limit))


@dataclass(frozen=True)
class Noise:
    """A view that adds Gaussian noise of standard deviation `sigma`."""

    sigma: float

    def __call__(self, key: Key, image: Image) -> Image:
        """Adds noise to the image, `[H, W, C]`."""
        return image + self.sigma * jax.random.normal(key, image.shape, image.dtype)


@dataclass(frozen=True)
class ColourShift:
    """A view of the image under random light: channel gains, offsets and faded colour.

    x -> (1 - t) y + t mean_c(y), y = (x - 1/2) exp(gain n) + 1/2 + shift m, with m, n
    standard normal per channel and t uniform in [0, fade]. Only RGB fades: a grey image has no
    colour to lose, and the mean of other channels means nothing.

    Args:
      shift: standard deviation of the channels' offsets, in [0, 1] units.
      gain: standard deviation of the logarithm of the channels' gains.
      fade: the largest share t of grey; 0 keeps all colour, 1 sometimes removes it.

    Source: Ghiasi et al., Plug-In Inversion (2022), ColorShift. Departures: the fade.
    """

    shift: float
    gain: float
    fade: float = 0.0

    def __call__(self, key: Key, image: Image) -> Image:
        """Changes the light and the colours of the image, `[H, W, C]`."""
        shift_key, gain_key, fade_key = jax.random.split(key, 3)
        channels = image.shape[-1]
        gain = jnp.exp(self.gain * jax.random.normal(gain_key, (channels,)))
        shift = self.shift * jax.random.normal(shift_key, (channels,))
        lit = (image - 0.5) * gain + 0.5 + shift
        if channels != 3:
            return lit
        fade = self.fade * jax.random.uniform(fade_key, ())
        return (1 - fade) * lit + fade * jnp.mean(lit, axis=-1, keepdims=True)
