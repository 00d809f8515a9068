"""The pictures of a style transfer, checked, and the colours that the result keeps."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image, resize
from jaxvis.loss.matching.image_masks import check_masks
from jaxvis.methods.style.recolour import (
    luminance,
    match_colour,
    match_luminance,
    with_colour_of,
)
from jaxvis.types import Array, ArrayLike, ImageLike, Run

COLOURS = ("style", "histogram", "luminance")
"""Whose colours a picture has, see `jaxvis.methods.style.style.style`."""


class Pictures(NamedTuple):
    """The pictures of a style transfer as the network is shown them.

    Attributes:
      content: `[H, W, 3]`, grey where only its luminance is painted.
      styles: `[H', W', 3]` each.
      mix: weight of each style; they sum to 1.
      masks: `[H, W]` for each style, or None.
      colours: `[H, W, 3]`, the image whose colours the result gets, or None.
    """

    content: Array
    styles: list[Array]
    mix: list[float]
    masks: list[Array] | None
    colours: Array | None

    def choose_start(self, init: ImageLike | None, *, channels: int) -> Array:
        """Gives the image that is painted over first: the content, or one of one's own.

        Args:
          init: `[H', W', 3]` in [0, 1], or None.
          channels: of the images that the network takes.

        Raises:
          ValueError: for an image that is none.
        """
        if init is None:
            return self.content
        start = check_image(init, "the image to start from", channels=channels)
        return start if self.colours is None else luminance(start)


def check_pictures(
    content: ImageLike,
    styles: ImageLike | Sequence[ImageLike],
    mix: Sequence[float] | None,
    masks: Sequence[ArrayLike] | None,
    colour: str,
    *,
    channels: int = 3,
) -> Pictures:
    """Checks the pictures of a style transfer, and changes their colours where asked to.

    Args:
      content: `[H, W, 3]` in [0, 1].
      styles: one image `[H', W', 3]` in [0, 1], or several.
      mix: weight of each style; None is equal parts.
      masks: `[H, W]` in [0, 1] for each style, or None.
      colour: one of `COLOURS`.
      channels: of the images that the network takes.

    Raises:
      ValueError: for an unknown colour, images that are none, or masks and mix that do
        not fit the styles.
    """
    if colour not in COLOURS:
        raise ValueError(f"colour must be one of {', '.join(COLOURS)}, not {colour!r}")
    several = [styles] if hasattr(styles, "ndim") and styles.ndim != 4 else styles
    content = check_image(content, "the content image", channels=channels)
    found = [
        check_image(one, f"style image {i}", channels=channels) for i, one in enumerate(several)
    ]
    shares, areas = _check_mix(mix, len(found)), None
    if masks is not None:
        areas = check_masks(masks, len(found), (content.shape[0], content.shape[1]))
    colours = content if colour == "luminance" else None
    if colour == "histogram":
        found = [jnp.clip(match_colour(one, content), 0, 1) for one in found]
    if colour == "luminance":
        found = [jnp.clip(match_luminance(one, content), 0, 1) for one in found]
        content = luminance(content)
    return Pictures(content, found, shares, areas, colours)


def _check_mix(mix: Sequence[float] | None, count: int) -> list[float]:
    """Returns the weights of `count` styles, divided by their sum."""
    if not count:
        raise ValueError("no style came: pass at least one style image")
    mix = [1.0] * count if mix is None else [float(part) for part in mix]
    if len(mix) != count:
        raise ValueError(f"mix has {len(mix)} weights for {count} styles: pass one for each")
    if not all(isfinite(part) and part >= 0 for part in mix) or not sum(mix) > 0:
        raise ValueError(
            f"the weights of mix must not be negative, and one must be above 0: not {mix}"
        )
    return [part / sum(mix) for part in mix]


def give_colours(pictures: Pictures, run: Run) -> Run:
    """Gives the images of a run the colours that the pictures keep, if they keep any.

    Args:
      pictures: what `check_pictures` returned.
      run: image `[n, H, W, 3]`.
    """
    if pictures.colours is None:
        return run
    colours = resize(pictures.colours, run.image.shape[1:3])
    images = jax.vmap(with_colour_of, (0, None))(run.image, colours)
    return run._replace(image=np.asarray(images))
