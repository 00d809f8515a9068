"""What is seen of an image where it is hidden."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_image, mean_colour
from jaxvis.types import Array, ImageLike, Key, as_key

Word = Literal["grey", "blur", "noise", "zero", "mean"]
Baseline = Word | ImageLike
"""What stands where an image is hidden: `"grey"`, the mean colour of photographs, which
most networks see as 0; `"zero"`, black; `"mean"`, the image's own mean colour; `"blur"`, the
image blurred; `"noise"`, uniform noise; or an image `[H, W, C]` of one's own."""

BLUR = 20
"""The standard deviation of the Gaussian blur is this part of the image's shorter side."""


def make_fill(images: Array, baseline: Baseline, key: Key | int) -> Array:
    """Makes what is seen where images are hidden, `[N, H, W, C]`.

    Args:
      images: `[N, H, W, C]`.
      baseline: see `Baseline`.
      key: of the noise, which is the same for all images.

    Raises:
      ValueError: for another word, or an image of another size.
    """
    if not isinstance(baseline, str):
        fill = check_image(baseline, "the baseline", channels=images.shape[-1])
        if fill.shape != images.shape[1:]:
            raise ValueError(
                f"the baseline is {fill.shape[0]}x{fill.shape[1]}, the images are "
                f"{images.shape[1]}x{images.shape[2]}: resize it"
            )
        return jnp.broadcast_to(fill, images.shape)
    if baseline not in get_args(Word):
        words = ", ".join(get_args(Word))
        raise ValueError(f"baseline is {words} or an image, not {baseline!r}")
    return _make_fill(baseline, images, as_key(key))


@jit(static_argnums=0)
def _make_fill(word: Word, images: Array, key: Key) -> Array:
    if word == "blur":
        return blur(images, min(images.shape[1:3]) / BLUR)
    if word == "noise":
        fill = jax.random.uniform(key, images.shape[1:])
    elif word == "mean":
        fill = jnp.mean(images, axis=(1, 2), keepdims=True)
    else:
        colour = mean_colour(images.shape[-1])
        fill = jnp.asarray(colour if word == "grey" else np.zeros(len(colour)), jnp.float32)
    return jnp.broadcast_to(fill, images.shape)


def blur(images: Array, deviation: float) -> Array:
    """Blurs images by a Gaussian; at borders it averages the pixels that there are.

    Args:
      images: `[N, H, W, C]`.
      deviation: the Gaussian's standard deviation in pixels, above 0.

    Returns:
      Array: `[N, H, W, C]`.
    """

    def weigh(side: int) -> Array:
        places = np.arange(side)
        weights = np.exp(-((places[:, None] - places) ** 2) / (2 * deviation**2))
        return jnp.asarray(weights / weights.sum(1, keepdims=True), jnp.float32)

    rows, columns = weigh(images.shape[1]), weigh(images.shape[2])
    return jnp.einsum("yh,nhwc,xw->nyxc", rows, images, columns)
