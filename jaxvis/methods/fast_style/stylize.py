"""Pictures by a trained style network: of any size, in tiles, in mixed styles."""

from collections.abc import Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_image
from jaxvis.methods.fast_style.tiles import paint_in_tiles
from jaxvis.nets.zoo.style_net import mix_styles, styles_in
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, as_key

Picture = TypeVar("Picture", Array, np.ndarray)


def choose_style(params: Params, style: int | Sequence[float] | np.ndarray | None) -> Params:
    """Returns the parameters of one style of a network, or of a mix of its styles.

    Args:
      params: of a style network.
      style: which, from 0; or a weight of each, `[styles]`, which are divided by their
        sum; None where there is only one.

    Raises:
      ValueError: if there is no such style, or if a style is named although the network
        has only one, or none is named although it has several.
    """
    count = styles_in(params)
    if not count:
        if style is None or np.array_equal(style, 0):
            return params
        raise ValueError("this network knows one style: leave the choice out")
    if style is None and count == 1:
        style = 0
    if style is None:
        raise ValueError(f"this network knows {count} styles: choose one, or mix them")
    if isinstance(style, int | np.integer):
        if not 0 <= style < count:
            raise ValueError(f"there is no style {style}: they go from 0 to {count - 1}")
        return mix_styles(params, jnp.asarray(np.eye(count, dtype=np.float32)[style]))
    weights = np.asarray(style, np.float32)
    if weights.shape != (count,) or not np.isfinite(weights).all():
        raise ValueError(f"a mix has a finite weight for each of {count} styles, not {style}")
    if abs(weights.sum()) < 1e-6:
        raise ValueError(f"the weights of a mix must not sum to 0: {style}")
    return mix_styles(params, jnp.asarray(weights / weights.sum()))


def stylize(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    style: int | Sequence[float] | np.ndarray | None = None,
    tile: int | None = None,
) -> np.ndarray:
    """Paints an image in the style of a network, `[H, W, 3]` in [0, 1].

    One program is compiled for each size. Parameters that `net.prepare` returned are
    taken as `params` too.

    Args:
      net, params: the network, from `jaxvis.weights.style_file.load_transform`.
      image: `[H, W, 3]` in [0, 1], of any size from 16 pixels.
      style: which, from 0; or a weight of each; None where there is only one.
      tile: side in pixels of the tiles that are computed one after another, to save
        memory: the same picture, without seams, in more time. None computes the whole.

    Raises:
      ValueError: for an unknown style, or an image that is none or too small.

    Source: Johnson, Alahi & Fei-Fei (2016); Dumoulin, Shlens & Kudlur (2017) for mixes.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets import random_params
    >>> from jaxvis.nets.zoo.style_net import build_style_net
    >>> net = build_style_net("transform_same", width=2, blocks=1)
    >>> params = random_params(net, jax.random.key(0))
    >>> jaxvis.stylize(net, params, jax.numpy.full((32, 48, 3), 0.5)).shape
    (32, 48, 3)
    """
    image, own = check_image(image, "the image"), choose_style(params, style)
    if tile is None:
        return np.asarray(paint(net, own, image))
    picture = paint_in_tiles(net, own, image, tile=tile)
    return np.clip(_crop(net, picture, image.shape), 0, 1)


@jit(static_argnums=0)
def paint(net: Network, params: Params, image: Image) -> Image:
    """Paints an image as a whole, `[H, W, 3]` in [0, 1]; compiled, and traceable.

    Args:
      net: the network.
      params: of one style.
      image: `[H, W, 3]` in [0, 1].
    """
    picture = net.apply(params, image)["image"]
    return jnp.clip(_crop(net, picture, image.shape), 0, 1)


def _crop(net: Network, picture: Picture, shape: Sequence[int]) -> Picture:
    """Cuts off the rows and columns that fill a picture up to a multiple of 4.

    "SAME" centres windows differently by the remainder of the side, so with it the
    surplus is in front.
    """
    if net.name == "transform_same":
        return picture[picture.shape[0] - shape[0] :, picture.shape[1] - shape[1] :]
    return picture[: shape[0], : shape[1]]


def restyle(
    net: Network,
    params: Params,
    key: Key | int,
    image: ImageLike,
    *,
    strength: tuple[float, float] = (0.3, 1.0),
) -> np.ndarray:
    """Paints an image in a random mix of a network's styles, `[H, W, 3]` in [0, 1].

    (1 - t) image + t stylize(image), where t is uniform in `strength` and the mix is
    uniform over all mixes. It serves as augmentation: shapes stay, textures and colours
    do not.

    Args:
      net, params: the network.
      key: a typed random key, or an integer seed.
      image: `[H, W, 3]` in [0, 1].
      strength: least and largest t, in [0, 1].

    Raises:
      ValueError: for strengths out of order, or an image that is none or too small.

    Source: Geirhos et al. (2019), stylized training images; Jackson et al. (2019),
      style augmentation, for the strength.
    """
    check_strength(strength)
    image = check_image(image, "the image")
    mix_key, part_key = jax.random.split(as_key(key))
    count = styles_in(params)
    mix = np.asarray(jax.random.dirichlet(mix_key, jnp.ones(count))) if count else None
    low, high = strength
    part = float(jax.random.uniform(part_key, minval=low, maxval=high))
    return (1 - part) * np.asarray(image) + part * stylize(net, params, image, style=mix)


def check_strength(strength: tuple[float, float]) -> None:
    """Checks the option of `restyle`.

    Args:
      strength: least and largest t.

    Raises:
      ValueError: unless 0 <= least <= largest <= 1.
    """
    low, high = strength
    if not 0 <= low <= high <= 1:
        raise ValueError(f"strength goes from LOW to HIGH within 0 and 1, not {strength}")
