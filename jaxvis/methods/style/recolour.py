"""Colour of one picture, in another: histograms, covariances, luminance."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array, Image

YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]],
    np.float32,
)
"""Luminance and two colour axes from RGB (NTSC)."""
_RGB = np.linalg.inv(YIQ).astype(np.float32)
_FLOOR = 1e-5  # least variance of a colour axis: a grey image has none in two of them


@jax.jit
def match_histogram(image: Image, source: Image) -> Image:
    """Returns `image` with the histogram of `source`, channel by channel, exactly.

    Values keep their order; ties are broken by position.

    Args:
      image: `[H, W, 3]`.
      source: `[H', W', 3]`.

    Source: DeepTextures (Gatys et al. 2015, the code). Departures: exact quantiles
      instead of 100 bins.
    """

    def channel(values: Array, wanted: Array) -> Array:
        ranks = jnp.argsort(jnp.argsort(values))
        at = (ranks + 0.5) / values.size
        grid = (jnp.arange(wanted.size) + 0.5) / wanted.size
        return jnp.interp(at, grid, jnp.sort(wanted))

    planes = jax.vmap(channel, -1, -1)(image.reshape(-1, 3), source.reshape(-1, 3))
    return planes.reshape(image.shape)


def _root(covariance: Array) -> tuple[Array, Array]:
    """Returns the square root of a covariance `[3, 3]` and its inverse."""
    values, vectors = jnp.linalg.eigh(covariance)
    root = jnp.sqrt(jnp.maximum(values, _FLOOR))
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T


@jax.jit
def match_colour(image: Image, source: Image) -> Image:
    """Returns A x + b with the mean and covariance of the colours of `source`.

    A = C_source^1/2 C_image^-1/2. Values may leave [0, 1].

    Args:
      image: `[H, W, 3]`.
      source: `[H', W', 3]`.

    Source: Gatys et al., Preserving color in neural artistic style transfer (2016),
      section 3 ("image analogies").
    """
    pixels, wanted = image.reshape(-1, 3), source.reshape(-1, 3)
    forward, _ = _root(jnp.cov(wanted, rowvar=False))
    _, back = _root(jnp.cov(pixels, rowvar=False))
    found = (pixels - jnp.mean(pixels, 0)) @ (back @ forward) + jnp.mean(wanted, 0)
    return found.reshape(image.shape)


def luminance(image: Image) -> Image:
    """Returns the luminance of an image, three times: `[H, W, 3]`.

    Args:
      image: `[H, W, 3]`.
    """
    grey = image @ jnp.asarray(YIQ[0])
    return jnp.broadcast_to(grey[..., None], (*grey.shape, 3))


@jax.jit
def match_luminance(image: Image, source: Image) -> Image:
    """Returns the luminance of `image`, with mean and spread of that of `source`.

    Args:
      image: `[H, W, 3]`.
      source: `[H', W', 3]`.

    Returns:
      Array: grey, `[H, W, 3]`; values may leave [0, 1].

    Source: Gatys et al. (2016), as `match_colour`, section 4.
    """
    own, other = luminance(image), luminance(source)
    spread = jnp.std(other) / jnp.maximum(jnp.std(own), _FLOOR)
    return (own - jnp.mean(own)) * spread + jnp.mean(other)


@jax.jit
def with_colour_of(image: Image, source: Image) -> Image:
    """Returns the luminance of `image` in the colours of `source`, within [0, 1].

    Args:
      image: `[H, W, 3]`.
      source: `[H, W, 3]`.
    """
    y = luminance(image)[..., :1]
    chroma = source @ jnp.asarray(YIQ[1:]).T
    return jnp.clip(jnp.concatenate([y, chroma], -1) @ jnp.asarray(_RGB).T, 0, 1)
