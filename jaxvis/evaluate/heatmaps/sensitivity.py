"""Max-sensitivity: how far a heatmap moves when the image hardly changes."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.evaluate.heatmaps.fidelity import split_key
from jaxvis.evaluate.heatmaps.judging import check_heat
from jaxvis.images import check_images
from jaxvis.optimize.check import check_counts
from jaxvis.types import Array, ArrayLike, ImageLike, Key, as_key


def max_sensitivity(
    explain: Callable[[Array], ArrayLike],
    image: ImageLike | Sequence[ImageLike],
    *,
    radius: float = 0.02,
    samples: int = 10,
    key: Key | int = 0,
) -> np.ndarray:
    """Measures the largest relative change of heatmaps: max |h(x') - h(x)| / |h(x)|.

    x' has uniform noise in every pixel, and stays within [0, 1]. Norms are the roots of sums
    of squares; a map of zeros counts as one of norm 1.

    Args:
      explain: a function from images `[n, H, W, C]` to their heatmaps `[n, ..., H, W]`, such
        as `lambda images: jaxvis.saliency(net, params, images, index=3)`. Name the class:
        left out, it may be another one beside the image.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      radius: the largest change of a value of the image, above 0.
      samples: how many changes of each image.
      key: of the noise.

    Returns:
      np.ndarray: `[...]`, at least 0; small is good. The leading axes are that of several
      images and those that `explain` adds.

    Raises:
      ValueError: for images that are none, a radius that is not positive, or a function that
        returns something else than a map for every image.

    Source: Yeh et al., On the (in)fidelity and sensitivity of explanations (2019), Eq. 4.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> def explain(images):
    ...     return jaxvis.saliency(net, params, images, index=[0, 16])
    >>> jaxvis.max_sensitivity(explain, red, samples=2).shape
    (2,)
    """
    check_counts(samples=samples)
    if not radius > 0:
        raise ValueError(f"radius is a number above 0, not {radius}")
    several = isinstance(image, list | tuple) or np.ndim(image) == 4
    given: Any = image if several else [image]
    channels = np.shape(given[0])[-1] if np.ndim(given[0]) == 3 else 3
    images = check_images(given, "the images", channels=channels)
    first = _call(explain, images)
    norms = np.sqrt(np.sum(first**2, axis=(-2, -1)))
    norms = np.where(norms > 0, norms, 1)
    worst = np.zeros_like(norms)
    for one in split_key(as_key(key), samples):
        moved = _call(explain, _disturb(images, one, radius)) - first
        worst = np.maximum(worst, np.sqrt(np.sum(moved**2, axis=(-2, -1))) / norms)
    return worst if several else worst[0]


@jit
def _disturb(images: Array, key: Key, radius: float) -> Array:
    noise = jax.random.uniform(key, images.shape, minval=-1, maxval=1)
    return jnp.clip(images + radius * noise, 0, 1)


def _call(explain: Callable[[Array], ArrayLike], images: Array) -> np.ndarray:
    maps = check_heat(explain(images)).astype(np.float64)
    if maps.ndim < 3 or len(maps) != len(images) or maps.shape[-2:] != images.shape[1:3]:
        raise ValueError(
            f"explain gives maps of shape {maps.shape} for images {images.shape}: it takes "
            "images [n, H, W, C] and gives [n, ..., H, W]"
        )
    return maps
