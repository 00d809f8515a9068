"""Average drop and increase: what becomes of a score when a heatmap lies over the image."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import score_masks
from jaxvis.attribution.subject import Index
from jaxvis.evaluate.heatmaps.judging import Judged, choose_case
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import ArrayLike, ImageLike, Key, Params


def average_drop(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: ArrayLike,
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Measures the part of a score that is lost when only hot pixels are seen.

    A map, scaled to run from 0 to 1, says how much of the image is seen at each pixel; a
    flat map hides everything. With Y the score of the image and O that of what is seen, the
    drop is max(0, Y - O) / |Y|. The mean of the drops over many images is the average drop.

    Args:
      net, params, image: what the heatmaps were made of.
      heat: `[..., H, W]`, the heatmaps.
      tap, index, position, objective: what they explain, as they were made with. A class is
        judged by its probability, everything else by its score.
      baseline: what hidden pixels show, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the baseline "noise".
      chunk: how many maps a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[...]`, each at least 0, and for classes at most 1; small is good.

    Raises:
      ValueError: as `jaxvis.evaluate.heatmaps.judging.choose_case`.

    Source: Chattopadhay et al., Grad-CAM++ (2018), section 4.1.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.saliency(net, params, red, index=[0, 16])
    >>> jaxvis.average_drop(net, params, red, heat, index=[0, 16]).shape
    (2,)
    """
    whole, seen = _compare(
        net, params, image, heat, (tap, index, position, objective), (baseline, key, chunk)
    )
    lost = np.maximum(whole - seen, 0)
    return np.divide(lost, np.abs(whole), out=np.zeros_like(lost), where=whole != 0)


def average_increase(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: ArrayLike,
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Tells whether a score is higher when only hot pixels are seen.

    The mean over many images is the average increase in confidence.

    Args:
      net, params, image, heat: see `average_drop`.
      tap, index, position, objective, baseline, key, chunk: see `average_drop`.

    Returns:
      np.ndarray: `[...]`, true or false; true is good.

    Raises:
      ValueError: as `jaxvis.evaluate.heatmaps.judging.choose_case`.

    Source: Chattopadhay et al., Grad-CAM++ (2018), section 4.1.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.saliency(net, params, red, index=[0, 16])
    >>> jaxvis.average_increase(net, params, red, heat, index=[0, 16]).dtype
    dtype('bool')
    """
    whole, seen = _compare(
        net, params, image, heat, (tap, index, position, objective), (baseline, key, chunk)
    )
    return seen > whole


def _compare(
    net: Network, params: Params, image: Any, heat: ArrayLike, about: tuple, how: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scores of the images, and of what the maps show of them, `[...]`."""
    tap, index, position, objective = about
    case = choose_case(
        net, params, image, heat, tap=tap, index=index, position=position, objective=objective
    )
    low = case.heat.min((-2, -1), keepdims=True)
    span = case.heat.max((-2, -1), keepdims=True) - low
    masks = np.divide(case.heat - low, span, out=np.zeros_like(case.heat), where=span > 0)
    method = Judged(net, case.probable)
    baseline, key, chunk = how
    both = [
        score_masks(
            method,
            params,
            case.pair(each),
            np.zeros((1, 1), np.float32),
            baseline=baseline,
            key=key,
            chunk=chunk,
        ).reshape(case.subject.lead)
        for each in (np.ones_like(masks), masks)
    ]
    return both[0], both[1]
