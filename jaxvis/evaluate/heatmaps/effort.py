"""Effort ratio: how much sooner a heatmap's pixels undo a class than random pixels do."""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.subject import Index
from jaxvis.evaluate.heatmaps.curves import Removal, trace_curve
from jaxvis.evaluate.heatmaps.fidelity import split_key
from jaxvis.evaluate.heatmaps.judging import Case, choose_case
from jaxvis.loss.objectives import Margin
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.types import ArrayLike, ImageLike, Key, Params, as_key

Effort = Literal["area", "flip"]
"""What is counted: the area under the deletion curve, or the part of the pixels that must go
until the class is the best no more."""


def effort_ratio(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: ArrayLike,
    *,
    index: Index = None,
    effort: Effort = "area",
    randoms: int = 4,
    steps: int = 32,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Measures the effort to undo a class by a heatmap, divided by that of random maps.

    Below 1 the map is better than chance.

    Args:
      net, params, image: what the heatmaps were made of.
      heat: `[..., H, W]`, the heatmaps.
      index: the classes that they explain, as they were made with.
      effort: "area" counts the area under the deletion curve of the probability, "flip" the
        part of the pixels that must go until another class is better (1 where that never
        happens).
      randoms: how many random maps are averaged; the same for all images and classes.
      steps, baseline, chunk: see `jaxvis.deletion`.
      key: of the random maps, and of the baseline "noise".

    Returns:
      np.ndarray: `[...]`, at least 0; small is good. It is 1 where random maps need no effort.

    Raises:
      ValueError: as `jaxvis.evaluate.heatmaps.judging.choose_case`, or for another effort.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.saliency(net, params, red, index=[0, 16])
    >>> jaxvis.effort_ratio(net, params, red, heat, index=[0, 16], steps=4, randoms=1).shape
    (2,)
    """
    if effort not in get_args(Effort):
        raise ValueError(f"effort is {' or '.join(get_args(Effort))}, not {effort!r}")
    check_counts(randoms=randoms)
    case = choose_case(
        net, params, image, heat, tap=None, index=index, position=None, objective=None
    )
    if effort == "flip" and net.scores is not None:
        margins = Margin(net.scores, jnp.asarray(case.subject.indices))
        case = case._replace(subject=case.subject._replace(items=margins), probable=False)
    method = Removal(net, case.probable, False)

    def measure(maps: np.ndarray) -> np.ndarray:
        curve = trace_curve(
            method,
            params,
            Case(case.subject, maps, case.probable),
            steps,
            baseline=baseline,
            key=key,
            chunk=chunk,
        )
        return curve.area if effort == "area" else _find_flip(curve.parts, curve.scores)

    own, chance = measure(case.heat), np.zeros(case.subject.lead)
    for one in split_key(as_key(key), randoms):
        noise = np.asarray(jax.random.uniform(one, case.heat.shape[-2:]))
        chance = chance + measure(np.broadcast_to(noise, case.heat.shape)) / randoms
    return np.divide(own, chance, out=np.ones_like(chance), where=chance > 0)


def _find_flip(parts: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """Finds the first part at which another class is at least as good, `[...]`; 1 for none."""
    lost = margins <= 0
    return np.where(lost.any(-1), parts[np.argmax(lost, axis=-1)], 1.0)
