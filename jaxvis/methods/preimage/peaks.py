"""How strongly channels respond at most: what activation maximisation divides by."""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.network import Network
from jaxvis.types import Image, Params


def peaks(net: Network, params: Params, images: Iterable[Image], *, tap: str) -> np.ndarray:
    """Returns the largest activation of every channel `[c]`, over images and positions.

    Args:
      net, params: the network.
      images: `[H, W, 3]` in [0, 1] each; read one after the other.
      tap: the layer.

    Raises:
      ValueError: for an unknown tap, no image, or an image that the network cannot
        take.

    Source: Mahendran & Vedaldi (IJCV 2016), section 6: M, over ImageNet.
    """
    net.named(tap)
    found = None
    look = jax.jit(lambda params, x: _highest(net.apply(params, x, stop=tap)[tap]))
    for image in images:
        here = np.asarray(look(params, jnp.asarray(image, jnp.float32)))
        found = here if found is None else np.maximum(found, here)
    if found is None:
        raise ValueError("there is no image to measure the channels' maxima on")
    return found


def _highest(values: jax.Array) -> jax.Array:
    return jnp.max(values, axis=(0, 1)) if values.ndim == 3 else values
