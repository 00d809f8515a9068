"""Priors: how unnatural an image is, as functions `image -> []`; smaller is more natural.

Every prior is a frozen dataclass. The papers measure colours in grey levels, from 0 to
255; here they are in the image's own unit, [0, 1]. Sums over the three channels of a
colour are sums over the channels that an image has.
"""

from dataclasses import dataclass, field

import jax.numpy as jnp

from jaxvis.images import mean_colour
from jaxvis.types import Array, Image

BOUND = 80.0 / 255.0
"""B, the typical length of a pixel's RGB vector around the mean colour: 80 grey levels."""


def _subtract(image: Image, center: tuple[float, ...]) -> Array:
    """Returns an image less a colour; () is the mean colour of photographs.

    Raises:
      ValueError: for a colour of other channels, which would make an image of them.
    """
    channels = image.shape[-1]
    center = center or mean_colour(channels)
    if len(center) != channels:
        raise ValueError(
            f"center has {len(center)} numbers for an image of {channels} channels: give one "
            "each, or leave it out"
        )
    return image - jnp.asarray(center, image.dtype)


@dataclass(frozen=True)
class BoundedRange:
    """A soft limit on colours: R_alpha = mean over pixels of (|x|_2 / B)^alpha.

    x is a pixel's difference from the mean colour. The channels enter as one
    vector, so all hues are treated alike.

    Args:
      alpha: the exponent; with 6 the prior grows steeply beyond B.
      bound: B, in [0, 1] units.
      center: RGB in [0, 1] from which x is measured, or a number for each channel of the
        image; () is the mean colour of photographs.
      exponent: power of |x|^2; None is alpha / 2.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 5. Departures: |x|^2 has the exponent
    alpha/2, as in the authors' code. The printed equation has 1/2 and divides by B^alpha
    all the same (exponent=0.5). With a power below 1, |x|^2 is kept above 1e-6 grey
    levels squared.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> prior = jaxvis.priors.BoundedRange(center=(0.5, 0.5, 0.5))
    >>> float(prior(jnp.full((4, 4, 3), 0.5))), bool(prior(jnp.ones((4, 4, 3))) > 0)
    (0.0, True)
    """

    alpha: float = 6.0
    bound: float = BOUND
    center: tuple[float, ...] = ()
    exponent: float | None = field(default=None, kw_only=True)

    def __call__(self, image: Image) -> Array:
        """Computes the prior of an image `[H, W, C]`, a scalar `[]`."""
        power = self.alpha / 2 if self.exponent is None else self.exponent
        square = jnp.sum(_subtract(image, self.center) ** 2, axis=-1)
        square = square / self.bound**2
        if power < 1:  # the power's gradient at 0 is infinite
            square = jnp.maximum(square, 1e-6 / (255 * self.bound) ** 2)
        # |x|^(2 power) / B^alpha, in grey levels where the two powers differ.
        unit = (255 * self.bound) ** (2 * power - self.alpha)
        return unit * jnp.mean(square**power)


@dataclass(frozen=True)
class TotalVariation:
    """Total variation: R_TV = sum of (dx^2 + dy^2)^(beta/2) / (H W V^beta).

    The sum is over pixels and channels. dx and dy are forward differences, which are 0
    in the last column and the last row.

    Args:
      beta: the exponent; 2 spreads edges, 1 keeps them sharp.
      slope: V, the typical difference of neighbours, in [0, 1] units per pixel.

    Source: Mahendran & Vedaldi (IJCV 2016), 3.2.2. Departures: with beta other than 2,
    dx^2 + dy^2 is kept above 1e-6 grey levels squared, as in the authors' code.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> prior = jaxvis.priors.TotalVariation()
    >>> float(prior(jnp.ones((4, 4, 3)))), bool(prior(jnp.eye(4)[..., None]) > 0)
    (0.0, True)
    """

    beta: float = 2.0
    slope: float = BOUND / 6.5

    def __call__(self, image: Image) -> Array:
        """Computes the prior of an image `[H, W, C]`, a scalar `[]`."""
        height, width = image.shape[:2]
        dy = jnp.diff(image, axis=0, append=image[-1:]) / self.slope
        dx = jnp.diff(image, axis=1, append=image[:, -1:]) / self.slope
        square = dy * dy + dx * dx
        if self.beta != 2:
            square = jnp.maximum(square, 1e-6 / (255 * self.slope) ** 2)
            square = square ** (self.beta / 2)
        return jnp.sum(square) / (height * width)


@dataclass(frozen=True)
class L2:
    """The sum of squares |x|_2^2 around a colour, over pixels and channels.

    Args:
      center: RGB in [0, 1] from which x is measured, or a number for each channel of the
        image; () is the mean colour of photographs.
      scale: factor on x; 255 measures in grey levels.

    Source: Simonyan, Vedaldi & Zisserman (2014), Eq. 1; Lecture 21, 21.7.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> float(jaxvis.priors.L2(center=(0.5, 0.5, 0.5))(jnp.ones((2, 2, 3))))
    3.0
    """

    center: tuple[float, ...] = ()
    scale: float = 1.0

    def __call__(self, image: Image) -> Array:
        """Computes the prior of an image `[H, W, C]`, a scalar `[]`."""
        return jnp.sum((_subtract(image, self.center) * self.scale) ** 2)
