"""Deletion and insertion: how a score falls and rises as hot pixels go and come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import Scene, score_masks
from jaxvis.attribution.subject import Index
from jaxvis.evaluate.heatmaps.judging import Case, Judged, choose_case, rank_pixels
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ArrayLike, ImageLike, Key, Params


class Curve(NamedTuple):
    """A score while the pixels of an image go or come, the hottest first.

    Attributes:
      parts: `[steps + 1]`, the part of the pixels that has gone or come, from 0 to 1.
      scores: `[..., steps + 1]`, the probability of a class, or another score.
      area: `[...]`, the area under the curve, by trapezoids.
    """

    parts: np.ndarray
    scores: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class Removal(Judged):
    """The score without the hottest pixels, or with nothing else; a sample is their number.

    Args:
      net, probable: see `Judged`.
      inverse: whether the hottest pixels are all that is seen.
    """

    inverse: bool

    def make_mask(self, scene: Scene, item: Any, sample: Any) -> Array:
        """Makes the mask, `[H, W]`.

        Args:
          scene, sample: see `Masking`.
          item: has the ranks of the pixels in the place of the heatmap.
        """
        del scene
        hot = item.heat < sample
        return (hot if self.inverse else ~hot).astype(jnp.float32)


def deletion(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: ArrayLike,
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    steps: int = 32,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> Curve:
    """Measures how fast a score falls when the hottest pixels are hidden first.

    A small area is good: the map found the pixels that the score needs.

    Args:
      net, params, image: what the heatmaps were made of.
      heat: `[..., H, W]`, the heatmaps.
      tap, index, position, objective: what they explain, as they were made with. A class is
        judged by its probability, everything else by its score.
      steps: in how many equal steps the pixels go.
      baseline: what hidden pixels show, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the baseline "noise".
      chunk: how many steps a device takes together; None fits them to the memory.

    Returns:
      Curve: one a heatmap.

    Raises:
      ValueError: as `jaxvis.evaluate.heatmaps.judging.choose_case`.

    Source: Petsiuk, Das & Saenko (2018), section 4.2.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.saliency(net, params, red, index=[0, 16])
    >>> jaxvis.deletion(net, params, red, heat, index=[0, 16], steps=4).area.shape
    (2,)
    """
    case = choose_case(
        net, params, image, heat, tap=tap, index=index, position=position, objective=objective
    )
    method = Removal(net, case.probable, False)
    return trace_curve(method, params, case, steps, baseline=baseline, key=key, chunk=chunk)


def insertion(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: ArrayLike,
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    steps: int = 32,
    baseline: Baseline = "blur",
    key: Key | int = 0,
    chunk: int | None = None,
) -> Curve:
    """Measures how fast a score rises when the hottest pixels are shown first.

    A large area is good: the pixels that the map found are enough for the score.

    Args:
      net, params, image: what the heatmaps were made of.
      heat: `[..., H, W]`, the heatmaps.
      tap, index, position, objective, steps, key, chunk: see `deletion`.
      baseline: what is seen where pixels have not come yet, see
        `jaxvis.attribution.masks.baselines.Baseline`.

    Returns:
      Curve: one a heatmap.

    Raises:
      ValueError: as `jaxvis.evaluate.heatmaps.judging.choose_case`.

    Source: Petsiuk, Das & Saenko (2018), section 4.2.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.saliency(net, params, red, index=16)
    >>> jaxvis.insertion(net, params, red, heat, index=16, steps=4).scores.shape
    (5,)
    """
    case = choose_case(
        net, params, image, heat, tap=tap, index=index, position=position, objective=objective
    )
    method = Removal(net, case.probable, True)
    return trace_curve(method, params, case, steps, baseline=baseline, key=key, chunk=chunk)


def trace_curve(
    method: Removal,
    params: Params,
    case: Case,
    steps: int,
    *,
    baseline: Baseline,
    key: Key | int,
    chunk: int | None,
) -> Curve:
    """Computes the scores of all steps of all maps.

    Args:
      method: whether pixels go or come, and what is read.
      params: the network's parameters.
      case: the maps.
      steps, baseline, key, chunk: see `deletion`.

    Raises:
      ValueError: for no step, or more than the image has pixels.
    """
    check_counts(steps=steps)
    pixels = case.heat.shape[-2] * case.heat.shape[-1]
    if steps > pixels:
        raise ValueError(f"steps is at most {pixels}, the pixels of the image, not {steps}")
    counts = np.rint(np.linspace(0, pixels, steps + 1)).astype(np.int32)
    subject = case.pair(rank_pixels(case.heat))
    scores = score_masks(
        method, params, subject, counts, baseline=baseline, key=key, chunk=chunk
    ).reshape(*case.subject.lead, steps + 1)
    parts = counts / pixels
    return Curve(parts, scores, np.trapezoid(scores, parts, axis=-1))
