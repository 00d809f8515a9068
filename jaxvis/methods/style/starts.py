"""The images that optimisations of pixels begin from."""

from functools import partial

import jax

from jaxvis.compiler import jit
from jaxvis.images import mix_noise
from jaxvis.optimize.keys import fold_name
from jaxvis.types import Array, Image, Key

NAME = "start"
"""Folded into a picture's key, so that its noise shares no key with its steps."""


@jit
def draw_starts(keys: Key, image: Image, *, part: float = 1.0) -> Array:
    """Mixes an image with noise, once for every picture that begins from it.

    Args:
      keys: `[n]` typed keys, one for each picture.
      image: `[H, W, 3]`.
      part: the share of the noise, from 0 to 1; see `jaxvis.images.mix_noise`.

    Returns:
      jax.Array: `[n, H, W, 3]` in [0, 1].
    """
    own = jax.vmap(partial(fold_name, name=NAME))(keys)
    return jax.vmap(lambda key: mix_noise(key, image, part=part)[0])(own)
