"""Completeness: attributions add up to the score's difference from that of a baseline."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline, make_fill
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, Subject, choose_subject, read_score
from jaxvis.images import check_images
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params

log = logging.getLogger("jaxvis")

LARGE = 0.05
"""An error of completeness beyond this share is told."""
_ROUNDING = 1e-6


class Scene(NamedTuple):
    """An image, and what it is compared with.

    Attributes:
      image, baseline: `[H, W, C]` each.
    """

    image: Array
    baseline: Array


class Difference(Explanation):
    """The score of an image, and that of its baseline."""

    def __call__(self, params: Params, image: Any, item: Algebra, sample: Any) -> tuple:
        """Computes both scores.

        Args:
          params, item: see `Explanation`.
          image: a `Scene`.
          sample: None; or a baseline in the place of the scene's, `[H, W, C]`.
        """
        baseline = image.baseline if sample is None else sample
        found = [self.net.apply(params, one, stop=item.taps) for one in (image.image, baseline)]
        return tuple(read_score(item, taps) for taps in found)


def add_baseline(subject: Subject, baseline: Baseline) -> Subject:
    """Puts a baseline beside every image: the images become a `Scene`.

    Args:
      subject: what is explained.
      baseline: see `jaxvis.attribution.masks.baselines.make_fill`.
    """
    scene: Any = Scene(subject.images, make_fill(subject.images, baseline, 0))
    return subject._replace(images=scene)


def check_baselines(images: Any, size: tuple[int, int], channels: int) -> Array:
    """Checks a set of baselines, `[B, H, W, C]`.

    Args:
      images: the set.
      size: (H, W) of the images that are explained.
      channels: of the images.

    Raises:
      ValueError: as `check_images`, or for another size.
    """
    found = check_images(images, "the baselines", channels=channels)
    if tuple(found.shape[1:3]) != tuple(size):
        raise ValueError(
            f"the baselines are {found.shape[1]}x{found.shape[2]} and the images "
            f"{size[0]}x{size[1]}: resize them to one size"
        )
    return found


def measure_completeness(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: np.ndarray,
    *,
    baseline: Baseline = "zero",
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
) -> np.ndarray:
    """Measures how far a heatmap is from adding up to what it should.

    The error is |sum of heat - (S(image) - S(baseline))| / |S(image) - S(baseline)|. Where
    both scores are equal, it is relative to a millionth of them.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      heat: `[..., H, W]`, the heatmaps, or `[..., H, W, C]` with their channels.
      baseline: what the heatmap was computed with: a word or image of
        `jaxvis.attribution.masks.baselines.Baseline`, or several images `[B, H, W, C]`, whose
        mean score counts.
      tap, index, position, objective: what was explained, see
        `jaxvis.attribution.subject.choose_subject`.

    Returns:
      np.ndarray: `[...]`, 0 for a complete heatmap; 1 for one that adds up to nothing.

    Raises:
      ValueError: as `choose_subject`, or for a heatmap with other leading axes.

    Source: Sundararajan, Taly & Yan, Axiomatic attribution for deep networks, 2017, Prop. 1.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.integrated_gradients(net, params, red, index=[0, 3])
    >>> bool((jaxvis.measure_completeness(net, params, red, heat, index=[0, 3]) < 0.05).all())
    True
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    axes, size = np.ndim(heat) - len(subject.lead), subject.size
    place = len(subject.lead)
    if axes not in (2, 3) or np.shape(heat)[: place + 2] != (*subject.lead, *size):
        wanted = (*subject.lead, *size)
        raise ValueError(f"heat is {wanted}, or that and its channels, not {np.shape(heat)}")
    whole = _compare(net, params, subject, baseline)
    found = np.sum(np.asarray(heat, np.float64), axis=tuple(range(place, place + axes)))
    return _relate(found, *(scores.reshape(subject.lead) for scores in whole))


def check_completeness(
    net: Network,
    params: Params,
    subject: Subject,
    maps: np.ndarray,
    baseline: Any,
    what: str,
    *,
    cure: str,
) -> None:
    """Tells by `logging` where attributions do not add up to 5 %.

    Args:
      net, params, subject: what was explained.
      maps: `[N, K, H, W, C]`.
      baseline: as for `measure_completeness`.
      what: the method's name.
      cure: what would help, such as "more steps".
    """
    found = np.sum(np.asarray(maps, np.float64), axis=(2, 3, 4))
    errors = _relate(found, *_compare(net, params, subject, baseline))
    if errors.max() > LARGE:
        log.warning(
            "%s: the heatmap adds up to the score's difference from the baseline's only within "
            "%.0f %%; take %s",
            what,
            100 * errors.max(),
            cure,
        )


def _compare(net: Network, params: Params, subject: Subject, baseline: Any) -> list[np.ndarray]:
    """Returns the scores of the images and those of the baselines, `[N, K]` each."""
    several = not isinstance(baseline, str) and np.ndim(baseline) == 4
    if not several:
        return list(explain(Difference(net), params, add_baseline(subject, baseline)))
    samples = check_baselines(baseline, subject.size, net.channels)
    scene: Any = Scene(subject.images, jnp.zeros_like(subject.images))
    sums = explain(Difference(net), params, subject._replace(images=scene), samples=samples)
    return [total / len(samples) for total in sums]


def _relate(found: np.ndarray, score: np.ndarray, least: np.ndarray) -> np.ndarray:
    score, least = score.astype(np.float64), least.astype(np.float64)
    difference = score - least
    floor = _ROUNDING * (np.abs(score) + np.abs(least))
    error, unit = np.abs(found - difference), np.maximum(np.abs(difference), floor)
    return np.where(error > 0, error / np.where(unit > 0, unit, 1), 0.0)
