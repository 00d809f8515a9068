"""Views: what the network sees of an image. `(key, image) -> image`, pure.

Every view is a frozen dataclass and draws its randomness from the key alone. Values
are not clipped.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array, Image, Key, View


@dataclass(frozen=True)
class Identity:
    """Returns the image as it is."""

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns `image`."""
        del key
        return image


@dataclass(frozen=True)
class InOrder:
    """Returns the image after each view in turn, each with a key of its own."""

    views: tuple[View, ...]

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the image `[H', W', 3]` after the last view."""
        for i, view in enumerate(self.views):
            image = view(jax.random.fold_in(key, i), image)
        return image


def in_order(*views: View) -> InOrder:
    """Returns one view that applies `views` from first to last."""
    return InOrder(views)


def _spare(image: Image, size: tuple[int, int]) -> tuple[int, int]:
    spare = (image.shape[0] - size[0], image.shape[1] - size[1])
    if min(spare) < 0:
        raise ValueError(
            f"a crop of {size} does not fit a canvas of {image.shape[:2]}: "
            "make the canvas larger or the crop smaller"
        )
    return spare


@dataclass(frozen=True)
class Crop:
    """Returns a random window of `size` (H, W): jitter as a crop of a larger canvas.

    Source: Mahendran & Vedaldi, Visualizing CNNs using natural pre-images, 3.2.3.
    """

    size: tuple[int, int]

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the window `[size[0], size[1], 3]`, every offset as likely.

        Raises:
          ValueError: if the image is smaller than the window.
        """
        spare = _spare(image, self.size)
        offset = jax.random.randint(key, (2,), 0, jnp.asarray(spare) + 1)
        return jax.lax.dynamic_slice(image, (offset[0], offset[1], 0), (*self.size, 3))


@dataclass(frozen=True)
class Centre:
    """Returns the central window of `size` (H, W): what a jittered canvas is shown as.

    The offset is floor((canvas - size) / 2).
    """

    size: tuple[int, int]

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the window `[size[0], size[1], 3]`.

        Raises:
          ValueError: if the image is smaller than the window.
        """
        del key
        top, left = (spare // 2 for spare in _spare(image, self.size))
        return image[top : top + self.size[0], left : left + self.size[1]]


@dataclass(frozen=True)
class Roll:
    """Returns the image shifted circularly by up to `pixels` either way.

    Source: DeepDream (Mordvintsev et al. 2015), jitter.
    """

    pixels: int

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the rolled image `[H, W, 3]`."""
        shift = jax.random.randint(key, (2,), -self.pixels, self.pixels + 1)
        return jnp.roll(image, shift, axis=(0, 1))


@dataclass(frozen=True)
class Pad:
    """Returns the image inside a border of `pixels`.

    Args:
      pixels: width of the border on every side.
      fill: a grey value in [0, 1], or "edge" or "reflect".
    """

    pixels: int
    fill: float | str = 0.5

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the padded image `[H + 2 pixels, W + 2 pixels, 3]`."""
        del key
        pads = ((self.pixels, self.pixels), (self.pixels, self.pixels), (0, 0))
        if isinstance(self.fill, str):
            return jnp.pad(image, pads, mode=self.fill)
        return jnp.pad(image, pads, constant_values=self.fill)


@dataclass(frozen=True)
class Blur:
    """Returns the image convolved with a Gaussian of `sigma` pixels, edges replicated.

    Separable; each pass is one small matrix product.

    Args:
      sigma: standard deviation in pixels, above 0; the kernel ends at 4 sigma.
    """

    sigma: float

    def __post_init__(self) -> None:
        """Raises ValueError if `sigma` is not above 0."""
        if not self.sigma > 0:
            raise ValueError(f"sigma must be above 0 pixels, got {self.sigma}")

    def _matrix(self, size: int) -> np.ndarray:
        at = np.arange(size)
        reach = int(np.ceil(4 * self.sigma))
        taps = np.arange(-reach, reach + 1)
        weights = np.exp(-0.5 * (taps / self.sigma) ** 2)
        matrix = np.zeros((size, size), np.float32)
        for tap, weight in zip(taps, weights / weights.sum()):
            np.add.at(matrix, (at, np.clip(at + tap, 0, size - 1)), weight)
        return matrix

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the blurred image `[H, W, 3]`."""
        del key
        rows, columns = self._matrix(image.shape[0]), self._matrix(image.shape[1])
        return jnp.einsum("yh,xw,hwc->yxc", rows, columns, image)


@dataclass(frozen=True)
class Scale:
    """Returns the image scaled by a random factor about a centre, on the same canvas.

    Args:
      low, high: range of the factor, drawn log-uniformly.
      size: (H, W) of the result; None keeps the image's. The factor is relative to the
        image's own pixels, so a smaller result shows a window of the image.
      shift: largest displacement of the centre, in pixels of the result.
    """

    low: float
    high: float
    size: tuple[int, int] | None = None
    shift: float = 0.0

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the scaled image `[H', W', 3]`; outside the image it is mid-grey."""
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
            (*size, 3),
            (0, 1),
            jnp.stack([factor, factor]),
            translation,
            "linear",
            antialias=True,
        )
        return out + 0.5


def _turn(image: Image, angle: Array) -> Image:
    """Returns the image turned by `angle` radians about its centre, bilinearly."""
    height, width = image.shape[:2]
    middle = jnp.asarray([(height - 1) / 2, (width - 1) / 2], image.dtype)
    y = jnp.arange(height, dtype=image.dtype)[:, None] - middle[0]
    x = jnp.arange(width, dtype=image.dtype)[None, :] - middle[1]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    at_y, at_x = cos * y - sin * x + middle[0], sin * y + cos * x + middle[1]
    # Whole pixels are gathered, three channels at once; map_coordinates would gather
    # plane by plane, three times slower.
    pixels = (image - 0.5).reshape(-1, 3)
    turned = jnp.full_like(image, 0.5)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = jnp.floor(at_y) + dy, jnp.floor(at_x) + dx
        weight = (1 - jnp.abs(at_y - row)) * (1 - jnp.abs(at_x - column))
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        index = jnp.where(inside, row * width + column, 0).astype(jnp.int32)
        turned += jnp.where(inside, weight, 0.0)[..., None] * pixels[index]
    return turned


@dataclass(frozen=True)
class Rotate:
    """Returns the image turned by a random angle of up to `degrees` either way."""

    degrees: float

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the turned image `[H, W, 3]`; outside the image it is mid-grey."""
        limit = np.deg2rad(self.degrees)
        return _turn(image, jax.random.uniform(key, (), minval=-limit, maxval=limit))


@dataclass(frozen=True)
class Noise:
    """Returns the image with Gaussian noise of standard deviation `sigma` added."""

    sigma: float

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the noisy image `[H, W, 3]`."""
        return image + self.sigma * jax.random.normal(key, image.shape, image.dtype)


@dataclass(frozen=True)
class ColourShift:
    """Returns the image under a random light: channel gains, offsets, faded colour.

    x -> (1 - t) y + t mean_c(y), y = (x - 1/2) exp(gain n) + 1/2 + shift m, with m, n
    standard normal per channel and t uniform in [0, fade].

    Args:
      shift: standard deviation of the channels' offsets, in [0, 1] units.
      gain: standard deviation of the logarithm of the channels' gains.
      fade: the most that colour is mixed with its grey; 0 never, 1 fully at times.

    Source: Ghiasi et al., Plug-In Inversion (2022), ColorShift. Departures: the fade.
    """

    shift: float
    gain: float
    fade: float = 0.0

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the recoloured image `[H, W, 3]`."""
        shift_key, gain_key, fade_key = jax.random.split(key, 3)
        gain = jnp.exp(self.gain * jax.random.normal(gain_key, (3,)))
        shift = self.shift * jax.random.normal(shift_key, (3,))
        lit = (image - 0.5) * gain + 0.5 + shift
        fade = self.fade * jax.random.uniform(fade_key, ())
        return (1 - fade) * lit + fade * jnp.mean(lit, axis=-1, keepdims=True)
