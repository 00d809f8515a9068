"""Randomisation: whether heatmaps depend on what a network learned, and on the class."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import numpy as np

from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.evaluate.heatmaps.forgetting import draw_params, mix_cascade
from jaxvis.evaluate.heatmaps.judging import check_heat
from jaxvis.evaluate.heatmaps.likeness import MEASURES, correlate_ranks
from jaxvis.network import Network
from jaxvis.types import ArrayLike, ImageLike, Key, Params, as_key

Heatmap = Callable[..., np.ndarray]
"""A function of this library such as `jaxvis.saliency`, or one of your own with its head."""
Measure = Literal["rank", "structure"]
"""How alike two maps are: Spearman's rank correlation of their absolute values, or SSIM."""


def model_randomisation(
    net: Network,
    params: Params,
    image: ImageLike,
    method: Heatmap,
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    measure: Measure = "rank",
    stages: int | None = 1,
    networks: int = 2,
    key: Key | int = 0,
    options: dict[str, Any] | None = None,
) -> np.ndarray:
    """Measures how alike a heatmap and those of networks with random parameters are.

    Layers are randomised from the scores down, all those above staying random. Every network
    goes through the same compiled program. A map that hardly changes shows the image, and not
    what was learned.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1].
      method: what makes the heatmaps, such as `jaxvis.guided_backpropagation`, or a function
        `(net, params, image, *, tap, index, position)` of your own.
      tap, index, position: what is explained, see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is the image's best class,
        for the random networks too.
      measure: see `Measure`.
      stages: how many networks between the trained and the wholly random one are looked at,
        that one included; None is every layer with parameters. A network that is not built
        from a table has a single stage.
      networks: how many random networks, over which the mean is taken.
      key: of the random parameters.
      options: further options of `method`.

    Returns:
      np.ndarray: `[..., stages]`, for each score and stage; the last stage is the wholly
      random network. 1 for the same map: the method does not see what was learned; about 0
      for one that has nothing in common. Two flat maps are the same, 1.

    Raises:
      ValueError: as `choose_subject`, for another measure, for no stage or network, or where
        `method` gives no heatmap for each score.

    Source: Adebayo et al., Sanity checks for saliency maps, 2018.
    Departures: networks that are not built from a table have their parameters shuffled.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> score = jaxvis.model_randomisation(net, params, red, jaxvis.saliency, index=0, networks=1)
    >>> score.shape
    (1,)
    """
    if measure not in MEASURES or networks < 1 or (stages is not None and stages < 1):
        raise ValueError(
            f"measure is {' or '.join(MEASURES)}, and there is at least one stage and network; "
            f"got {measure!r}, {stages} and {networks}"
        )
    subject = choose_subject(net, params, image, tap=tap, index=index, position=position)
    if subject.paired and subject.lead:
        raise ValueError("several images have several best classes: pass index=, or one image")
    chosen = index if index is not None or tap else int(subject.indices[0, 0])
    scored = {"tap": tap, "index": chosen, "position": position, **(options or {})}

    def explain(own: Params) -> np.ndarray:
        return _to_maps(method(net, own, image, **scored), subject.lead)

    plain, found = explain(params), []
    for number in range(networks):
        drawn = draw_params(net, params, jax.random.fold_in(as_key(key), number))
        for mixed in mix_cascade(net, params, drawn, stages=stages):
            found.append([MEASURES[measure](a, b) for a, b in zip(plain, explain(mixed))])
    scores = np.mean(np.reshape(found, (networks, -1, len(plain))), axis=0)
    return scores.T.reshape(*subject.lead, -1)


def logit_randomisation(heat: ArrayLike) -> np.ndarray:
    """Measures how alike the heatmaps of different classes are.

    Each map's rank correlations with the maps of all other classes are averaged. Near 1 the
    maps hardly depend on the class that they are said to explain.

    Args:
      heat: `[..., K, H, W]`, the heatmaps of K classes of an image, at least 2; random
        classes will do.

    Returns:
      np.ndarray: `[..., K]`, from -1 to 1; a low value is good.

    Raises:
      ValueError: for less than two classes, or heatmaps that are not finite.

    Source: Sixt, Granz & Landgraf, When explanations lie (2020).

    >>> import numpy as np
    >>> import jaxvis
    >>> jaxvis.logit_randomisation(np.arange(8.0).reshape(2, 2, 2)).tolist()
    [1.0, 1.0]
    """
    maps = check_heat(heat)
    if maps.ndim < 3 or maps.shape[-3] < 2:
        raise ValueError(
            f"heat is [..., K, H, W] of at least 2 classes, not of shape {maps.shape}: pass "
            "the maps of several, index=[3, 7]"
        )
    count = maps.shape[-3]
    others = [correlate_ranks(maps, np.roll(maps, turn, axis=-3)) for turn in range(1, count)]
    return np.mean(others, axis=0)


def _to_maps(maps: ArrayLike, lead: Sequence[int]) -> np.ndarray:
    """Returns maps `[K, H, W]`; of maps with their channels the largest absolute value."""
    found = check_heat(maps)
    if found.ndim - len(lead) == 3:
        found = np.max(np.abs(found), axis=-1)
    if found.shape[:-2] != tuple(lead):
        raise ValueError(f"the method gives maps {found.shape}, not {[*lead, 'H', 'W']}")
    return found.reshape(-1, *found.shape[-2:])
