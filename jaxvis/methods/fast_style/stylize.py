"""Pictures by a trained style network: of any size, in tiles, mixed, exported."""

import importlib.util
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jaxvis.images import checked_image
from jaxvis.methods.fast_style.tiles import painted_in_tiles
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import computed
from jaxvis.nets.zoo.style_net import mixed, styles_in
from jaxvis.network import Network
from jaxvis.types import Array, Image, Key, Params, as_key


def of_style(params: Params, style: int | Sequence[float] | None) -> Params:
    """Returns the parameters of one style, chosen or mixed.

    Args:
      params: of a style network.
      style: which, from 0; or a weight of each, divided by their sum; None where there
        is only one.

    Raises:
      ValueError: if there is no such style, or a choice is missing or beside the point.
    """
    count = styles_in(params)
    if not count:
        if style in (None, 0):
            return params
        raise ValueError("this network knows one style: leave the choice out")
    if style is None and count == 1:
        style = 0
    if style is None:
        raise ValueError(f"this network knows {count} styles: choose one, or mix them")
    if isinstance(style, int):
        if not 0 <= style < count:
            raise ValueError(f"there is no style {style}: they go from 0 to {count - 1}")
        return mixed(params, jnp.zeros(count).at[style].set(1.0))
    weights = np.asarray(style, np.float32)
    if weights.shape != (count,) or not np.isfinite(weights).all():
        raise ValueError(f"a mix has a weight for each of {count} styles, not {style}")
    if abs(weights.sum()) < 1e-6:
        raise ValueError(f"the weights of a mix must not sum to 0: {style}")
    return mixed(params, jnp.asarray(weights / weights.sum()))


def stylize(
    net: Network,
    params: Params,
    image: Image,
    *,
    style: int | Sequence[float] | None = None,
    tile: int | None = None,
) -> np.ndarray:
    """Returns an image in the style of a network, `[H, W, 3]` in [0, 1].

    Compiled once for a size; what `net.prepared` returns is taken as `params` too.

    Args:
      net, params: the network, from `jaxvis.weights.style_file.load_transform`.
      image: `[H, W, 3]` in [0, 1], of any size from 16 pixels.
      style: which, from 0; or a weight of each; None where there is only one.
      tile: side in pixels of the tiles that are computed one after another, to spare
        memory: the same picture, without seams, in more time. None computes the whole.

    Raises:
      ValueError: for an unknown style, or an image that is none or too small.

    Source: Johnson, Alahi & Fei-Fei (2016); Dumoulin, Shlens & Kudlur (2017) for mixes.
    """
    image, own = checked_image(image, "the image"), of_style(params, style)
    if tile is None:
        return np.asarray(_picture(net, own, image))
    found = painted_in_tiles(net, own, image, tile=tile)
    return np.clip(_cut(net, found, image.shape[:2]), 0, 1)


@partial(jax.jit, static_argnums=0)
def _picture(net: Network, params: Params, image: Image) -> Image:
    found = net.apply(params, image)["image"]
    return jnp.clip(_cut(net, found, image.shape[:2]), 0, 1)


def _cut(net: Network, picture: Array, size: tuple[int, int]) -> Array:
    """Returns the picture with the rows and columns beyond a multiple of 4 cut off.

    "SAME" centres windows differently by the side's remainder: there they are in front.
    """
    if net.name == "transform_same":
        return picture[picture.shape[0] - size[0] :, picture.shape[1] - size[1] :]
    return picture[: size[0], : size[1]]


def restyled(
    net: Network,
    params: Params,
    key: Key | int,
    image: Image,
    *,
    strength: tuple[float, float] = (0.3, 1.0),
) -> np.ndarray:
    """Returns an image in a random mix of a network's styles, `[H, W, 3]` in [0, 1].

    (1 - t) image + t stylize(image): t uniform in `strength`, the mix uniform over all
    mixes. Meant as augmentation: shapes stay, textures and colours do not.

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
    low, high = strength
    if not 0 <= low <= high <= 1:
        raise ValueError(f"strength goes from LOW to HIGH within 0 and 1, not {strength}")
    first, second = jax.random.split(as_key(key))
    count = styles_in(params)
    mix = None if not count else np.asarray(jax.random.dirichlet(first, jnp.ones(count)))
    part = float(jax.random.uniform(second, minval=low, maxval=high))
    picture = stylize(net, params, image, style=mix)
    return (1 - part) * np.asarray(image, np.float32) + part * picture


def exported(
    net: Network,
    params: Params,
    *,
    size: tuple[int, int],
    style: int | Sequence[float] | None = None,
    platforms: Sequence[str] = ("cpu", "cuda"),
) -> bytes:
    """Returns the network as one program, weights included, that needs JAX alone.

    `jax.export.deserialize(found).call(image)` is `stylize` of an image of that size.

    Args:
      net, params: the network.
      size: (H, W) in pixels of the images `[H, W, 3]` that it takes.
      style: as for `stylize`.
      platforms: where it shall run: "cpu", "cuda", "rocm", "tpu".

    Raises:
      ValueError: for an unknown style, too small a size, or where the package
        flatbuffers, which writes such programs, is not installed.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise ValueError(
            "exported programs are written by the package flatbuffers, which is not "
            'installed: pip install "jaxvis[export]"'
        )
    own = jax.tree.map(jnp.asarray, of_style(params, style))
    # Winograd's form is a choice for one machine; a program for all takes XLA's own.
    plain = computed(net, Compute(convolution="direct"))
    program = jax.jit(lambda image: _picture(plain, own, image))
    image = jax.ShapeDtypeStruct((*size, 3), jnp.float32)
    return bytes(export.export(program, platforms=list(platforms))(image).serialize())
