"""Filters of few lines: fewer levels, medians, blur, total variation."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxvis.defences.filters.filtered import Filter
from jaxvis.loss import views
from jaxvis.loss.chambolle import Chambolle
from jaxvis.types import Image


@dataclass(frozen=True)
class BitDepth(Filter):
    """A filter that leaves an image 2^bits levels a channel.

    Args:
      bits: of a value, from 1 to 8.

    Source: Xu, Evans & Qi, Feature squeezing, 2018, section III-A.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> jaxvis.defences.BitDepth(1)(jnp.array([[[0.1, 0.4, 0.9]]])).tolist()
    [[[0.0, 0.0, 1.0]]]
    """

    bits: int = 4

    def __post_init__(self) -> None:
        """Raises ValueError for other numbers of bits."""
        if self.bits not in range(1, 9):
            raise ValueError(f"bits is from 1 to 8, not {self.bits}")

    def apply(self, image: Image) -> Image:
        """Rounds every value `[H, W, C]` to the nearest level."""
        most = 2**self.bits - 1
        return jnp.round(jnp.clip(image, 0, 1) * most) / most


@dataclass(frozen=True)
class Median(Filter):
    """A filter that gives each pixel the median of the square around it, channel by channel.

    At the border the image is reflected.

    Args:
      size: the side of the square in pixels, odd.

    Source: Xu, Evans & Qi, Feature squeezing, 2018, section III-B.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> dot = jnp.zeros((9, 9, 3)).at[4, 4].set(1)
    >>> float(jaxvis.defences.Median()(dot).max())
    0.0
    """

    size: int = 3

    def __post_init__(self) -> None:
        """Raises ValueError for an even size, or one below 3."""
        if self.size < 3 or self.size % 2 == 0:
            raise ValueError(f"size is odd and at least 3, not {self.size}")

    def apply(self, image: Image) -> Image:
        """Computes the medians `[H, W, C]`."""
        height, width, _ = image.shape
        half = self.size // 2
        wide = jnp.pad(image, ((half, half), (half, half), (0, 0)), mode="symmetric")
        around = [
            wide[i : i + height, j : j + width] for i in range(self.size) for j in range(self.size)
        ]
        return jnp.median(jnp.stack(around), axis=0)


@dataclass(frozen=True)
class Blur(Filter):
    """A filter that blurs with a Gaussian.

    Args:
      sigma: standard deviation in pixels.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> dot = jnp.zeros((9, 9, 3)).at[4, 4].set(1)
    >>> blurred = jaxvis.defences.Blur(2.0)(dot)
    >>> bool(0 < blurred[4, 5, 0] < blurred[4, 4, 0] < 0.1)
    True
    """

    sigma: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError for a sigma that is not above 0."""
        views.Blur(self.sigma)

    def apply(self, image: Image) -> Image:
        """Blurs the image `[H, W, C]`; edges are replicated."""
        return views.Blur(self.sigma)(jax.random.key(0), image)


@dataclass(frozen=True)
class TotalVariation(Filter):
    """A filter that smooths and keeps edges, Chambolle's.

    It searches, so no gradient comes from it: it is always passed straight through.

    Args:
      weight: the strength.
      steps: the largest number of iterations.

    Source: Guo et al., Countering adversarial images using input transformations, 2018;
      Chambolle (2004).

    >>> import jax
    >>> import jaxvis
    >>> noise = jax.random.uniform(jax.random.key(0), (16, 16, 3))
    >>> bool(jaxvis.defences.TotalVariation(0.2)(noise).std() < noise.std())
    True
    """

    weight: float = 0.05
    steps: int = 50

    def __post_init__(self) -> None:
        """Raises ValueError for a weight that is not above 0, or a gradient of its own."""
        if not self.straight:
            raise ValueError("TotalVariation searches and has no gradient: leave straight on")
        Chambolle(self.weight)

    def apply(self, image: Image) -> Image:
        """Finds argmin_u |u - x|^2 / 2 + weight |grad u|, `[H, W, C]`."""
        return Chambolle(self.weight, self.steps)(jax.random.key(0), image)
