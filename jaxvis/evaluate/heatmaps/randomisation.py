"""Randomisation: whether heatmaps depend on what a network learned, and on the class."""

from collections.abc import Callable

import numpy as np

from jaxvis.attribution.masks.engine import check_counts
from jaxvis.attribution.randomisation import correlate_ranks, shuffle_params
from jaxvis.evaluate.heatmaps.fidelity import split_key
from jaxvis.evaluate.heatmaps.judging import check_heat
from jaxvis.types import ArrayLike, Key, Params, as_key


def model_randomisation(
    explain: Callable[[Params], ArrayLike],
    params: Params,
    *,
    randoms: int = 4,
    key: Key | int = 0,
) -> np.ndarray:
    """Measures how alike heatmaps stay when a network has forgotten all that it learned.

    The values of each array of parameters are shuffled, all but what prepares the image (the
    row "input"). The rank correlation of the maps before and after is averaged over several
    such networks. Near 1 the maps hardly depend on the network.

    Args:
      explain: a function from parameters to heatmaps `[..., H, W]`, such as
        `lambda params: jaxvis.saliency(net, params, image, index=3)`. Name the class: left
        out, it may be another one for every network.
      params: the network's parameters.
      randoms: how many networks.
      key: of the shuffling.

    Returns:
      np.ndarray: `[...]`, from -1 to 1; near 0 is good. A flat map is like no other, 0.

    Raises:
      ValueError: where `explain` returns no heatmaps.

    Source: Adebayo et al., Sanity checks for saliency maps (2018).
    Departures: all layers are randomised at once, by shuffling instead of initialising.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> def explain(params):
    ...     return jaxvis.saliency(net, params, red, index=[0, 16])
    >>> jaxvis.model_randomisation(explain, params, randoms=1).shape
    (2,)
    """
    check_counts(randoms=randoms)
    own = check_heat(explain(params))
    found = [
        correlate_ranks(own, check_heat(explain(shuffle_params(params, one, keep=("input",)))))
        for one in split_key(as_key(key), randoms)
    ]
    return np.mean(found, axis=0)


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
