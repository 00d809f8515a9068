"""Heatmaps from the gradient of a score with respect to the image."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import numpy as np

from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, Subject, choose_subject, read_score
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params

Combine = Literal["max", "sum", "none"]
"""How the channels of an image become one heatmap: the largest absolute value, the sum; or
`"none"`, which keeps them, `[..., H, W, C]`."""


class Gradient(Explanation):
    """The gradient of a score with respect to the image, `[H, W, C]`."""

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the gradient.

        Args:
          params, image, item, sample: see `Explanation`.
        """
        return differentiate(self.net, params, image, item)


class GradientTimesInput(Explanation):
    """The gradient of a score with respect to the image, times the image, `[H, W, C]`."""

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the product.

        Args:
          params, image, item, sample: see `Explanation`.
        """
        return image * differentiate(self.net, params, image, item)


def differentiate(net: Network, params: Params, image: Array, item: Algebra) -> Array:
    """Computes the gradient of a score with respect to the image, `[H, W, C]`.

    Args:
      net, params: the network.
      image: `[H, W, C]`.
      item: the objective whose negative is the score.
    """

    def score(image: Array) -> Array:
        return read_score(item, net.apply(params, image, stop=item.taps))

    return jax.grad(score)(image)


def combine_channels(maps: np.ndarray, combine: Combine) -> np.ndarray:
    """Combines the channels of attributions `[..., H, W, C]`.

    Args:
      maps: the attributions.
      combine: how; `[..., H, W]` comes out, but for "none".

    Raises:
      ValueError: for another word.
    """
    if combine == "max":
        return np.max(np.abs(maps), axis=-1)
    if combine == "sum":
        return np.sum(maps, axis=-1)
    if combine != "none":
        raise ValueError(f"combine is max, sum or none, not {combine!r}")
    return maps


def saliency(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    combine: Combine = "max",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows the pixels that would change a score most: max over channels of |dS/dx|.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, one score or several; see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is each image's best class.
      combine: how the channels become one map, see `combine_channels`.
      chunk: how many scores a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, at least 0; the leading axes are those of the images and of
      the scores that were given as several.

    Raises:
      ValueError: as `choose_subject`.

    Source: Simonyan, Vedaldi & Zisserman (2014); Lecture 21, 21.4.2.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.saliency(net, params, red, index=[0, 3]).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    maps = explain(Gradient(net), params, subject, chunk=chunk)
    return combine_channels(arrange(maps, subject), combine)


def gradient_times_input(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    combine: Combine = "sum",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what each pixel adds to a score, to first order: x dS/dx, summed over channels.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      combine: how the channels become one map, see `combine_channels`.
      chunk: how many scores a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, of either sign. For a network that is linear in the image,
      without biases, it adds up to the score.

    Raises:
      ValueError: as `choose_subject`.

    Source: Shrikumar et al., Not just a black box, 2016.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.gradient_times_input(net, params, red, index=[0, 3]).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    maps = explain(GradientTimesInput(net), params, subject, chunk=chunk)
    return combine_channels(arrange(maps, subject), combine)


def arrange(maps: np.ndarray, subject: Subject) -> np.ndarray:
    """Gives explanations the leading axes that a caller asked for.

    Args:
      maps: `[N, K, ...]`, as `explain` gives them.
      subject: what was explained.
    """
    return maps.reshape(*subject.lead, *maps.shape[2:])
