"""Colours of one picture that are given to another: histograms, covariances, luminance."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.types import Array, Image

YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]],
    np.float32,
)
"""Luminance and two colour axes from RGB (NTSC)."""
_RGB = np.linalg.inv(YIQ).astype(np.float32)
_FLOOR = 1e-5  # least variance of a colour axis: a grey image has none in two of them


@jit
def match_histogram(image: Image, source: Image) -> Image:
    """Gives an image the histogram of another, channel by channel, exactly.

    Values keep their order; ties are broken by position.

    Args:
      image: `[H, W, C]`.
      source: `[H', W', C]`, whose histogram is wanted.

    Source: DeepTextures (Gatys et al. 2015, the code). Departures: exact quantiles
      instead of 100 bins.
    """

    def match_channel(values: Array, wanted: Array) -> Array:
        ranks = jnp.argsort(jnp.argsort(values))
        at = (ranks + 0.5) / values.size
        grid = (jnp.arange(wanted.size) + 0.5) / wanted.size
        return jnp.interp(at, grid, jnp.sort(wanted))

    planes = jax.vmap(match_channel, -1, -1)(
        image.reshape(-1, image.shape[-1]), source.reshape(-1, source.shape[-1])
    )
    return planes.reshape(image.shape)


def _take_root(covariance: Array) -> tuple[Array, Array]:
    """Computes the square root of a covariance `[3, 3]`, and the inverse of the root."""
    values, vectors = jnp.linalg.eigh(covariance)
    root = jnp.sqrt(jnp.maximum(values, _FLOOR))
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T


@jit
def match_colour(image: Image, source: Image) -> Image:
    """Gives an image the mean and covariance of the colours of another, as A x + b.

    A = C_source^1/2 C_image^-1/2. Values may leave [0, 1].

    Args:
      image: `[H, W, 3]`.
      source: `[H', W', 3]`, whose colours are wanted.

    Source: Gatys et al., Preserving color in neural artistic style transfer (2016),
      section 3 ("image analogies").
    """
    pixels, wanted = image.reshape(-1, 3), source.reshape(-1, 3)
    forward, _ = _take_root(jnp.cov(wanted, rowvar=False))
    _, back = _take_root(jnp.cov(pixels, rowvar=False))
    found = (pixels - jnp.mean(pixels, 0)) @ (back @ forward) + jnp.mean(wanted, 0)
    return found.reshape(image.shape)


def luminance(image: Image) -> Image:
    """Computes the luminance of an image, as a grey image `[H, W, 3]`.

    Args:
      image: `[H, W, 3]`.
    """
    grey = image @ jnp.asarray(YIQ[0])
    return jnp.broadcast_to(grey[..., None], (*grey.shape, 3))


@jit
def match_luminance(image: Image, source: Image) -> Image:
    """Computes the luminance of an image, with the mean and spread of another's luminance.

    Args:
      image: `[H, W, 3]`.
      source: `[H', W', 3]`, whose mean and spread are wanted.

    Returns:
      Array: grey, `[H, W, 3]`; values may leave [0, 1].

    Source: Gatys et al. (2016), as `match_colour`, section 4.
    """
    own, other = luminance(image), luminance(source)
    spread = jnp.std(other) / jnp.maximum(jnp.std(own), _FLOOR)
    return (own - jnp.mean(own)) * spread + jnp.mean(other)


@jit
def with_colour_of(image: Image, source: Image) -> Image:
    """Returns an image with its own luminance and the colours of another, within [0, 1].

    Args:
      image: `[H, W, 3]`.
      source: `[H, W, 3]`, whose colours are wanted.
    """
    y = luminance(image)[..., :1]
    chroma = source @ jnp.asarray(YIQ[1:]).T
    return jnp.clip(jnp.concatenate([y, chroma], -1) @ jnp.asarray(_RGB).T, 0, 1)
