"""How strongly channels respond at most: what activation maximisation divides by."""

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_image
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params


def measure_peaks(
    net: Network, params: Params, images: Iterable[ImageLike], *, tap: str
) -> np.ndarray:
    """Measures the largest activation of every channel `[c]`, over images and positions.

    Args:
      net, params: the network.
      images: `[H, W, 3]` in [0, 1] each; read one after the other.
      tap: the layer.

    Raises:
      ValueError: for an unknown tap, no image, or an image that the network cannot
        take.

    Source: Mahendran & Vedaldi (IJCV 2016), section 6: M, over ImageNet.
    """
    net.check_taps(tap)
    found = None
    for image in images:
        checked = check_image(image, "an image", channels=net.channels)
        here = np.asarray(_look(net, tap, params, checked))
        found = here if found is None else np.maximum(found, here)
    if found is None:
        raise ValueError("there is no image to measure the channels' maxima on")
    return found


@jit(static_argnums=(0, 1))
def _look(net: Network, tap: str, params: Params, image: Array) -> Array:
    values = net.apply(params, image, stop=tap)[tap]
    return jnp.max(values, axis=(0, 1)) if values.ndim == 3 else values
