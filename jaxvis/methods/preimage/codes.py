"""Codes of many images at one layer, and how far they are from the codes wanted."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.types import Array, Params

TOGETHER = 8
"""Images that the network sees at once; more are no faster on a CPU."""


def compute_codes(net: Network, params: Params, images: Array, tap: str) -> np.ndarray:
    """Computes the codes Phi(x) of images, `[N, h, w, c]` or `[N, d]`, a few at a time.

    Args:
      net, params: the network.
      images: `[N, H, W, 3]` in [0, 1].
      tap: the layer.

    Raises:
      ValueError: as `Network.apply`.
    """
    net.check_taps(tap)
    count, size = len(images), min(len(images), TOGETHER)
    found = []
    for first in range(0, count, size):
        # The last ones are filled up with copies: another number would compile again.
        where = np.minimum(np.arange(first, first + size), count - 1)
        found.append(np.asarray(_look(net, tap, params, images[where])))
    return np.concatenate(found)[:count]


def relative_errors(codes: np.ndarray, wanted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Computes |M (Phi - Phi0)| / |M Phi0| of each item, `[N]`.

    Args:
      codes: Phi, `[N, ...]`.
      wanted: Phi0, `[N, ...]`.
      mask: M, broadcastable to one code.
    """
    axes = tuple(range(1, codes.ndim))
    distance = np.sqrt(np.sum((mask * (codes - wanted)) ** 2, axis=axes))
    return distance / np.sqrt(np.sum((mask * wanted) ** 2, axis=axes))


@jit(static_argnums=(0, 1))
def _look(net: Network, tap: str, params: Params, images: Array) -> Array:
    return jax.vmap(lambda image: net.apply(params, image, stop=tap)[tap])(jnp.asarray(images))
