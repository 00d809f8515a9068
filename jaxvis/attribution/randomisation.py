"""Whether a heatmap depends on what the network has learned: the randomisation test.

The layers of a network get random parameters, from the scores down. A heatmap that stays the
same is one of the image, and not of the network.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import rankdata

from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.compiler import jit
from jaxvis.nets.random import random_params
from jaxvis.nets.table.forward import Table
from jaxvis.network import Network
from jaxvis.types import ImageLike, Key, Params, as_key

Heatmap = Callable[..., np.ndarray]
"""A function of this library such as `jaxvis.saliency`, or one of your own with its head."""
Measure = Literal["rank", "structure"]
"""How alike two maps are: Spearman's rank correlation of their absolute values, or SSIM."""

_WINDOW = 7
_SMALL = (0.01**2, 0.03**2)


def randomisation_score(
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
    """Measures how alike a heatmap and those of randomised networks are.

    Layers are randomised from the scores down, all those above staying random. Every network
    goes through the same compiled program.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1].
      method: what makes the heatmaps, such as `jaxvis.guided_backpropagation`.
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
      for one that has nothing in common.

    Raises:
      ValueError: as `choose_subject`, for another measure, or for no stage or network.

    Source: Adebayo et al., Sanity checks for saliency maps, 2018.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> score = jaxvis.randomisation_score(net, params, red, jaxvis.saliency, index=0, networks=1)
    >>> score.shape
    (1,)
    """
    if measure not in MEASURES or networks < 1 or (stages is not None and stages < 1):
        raise ValueError(
            f"measure is {' or '.join(MEASURES)}, and there is at least one stage and network; "
            f"got {measure!r}, {stages} and {networks}"
        )
    subject = choose_subject(net, params, image, tap=tap, index=index, position=position)
    chosen = index if index is not None or tap else int(subject.indices[0, 0])
    scored = {"tap": tap, "index": chosen, "position": position, **(options or {})}
    plain = _reduce(method(net, params, image, **scored), subject.lead)
    found = []
    for number in range(networks):
        drawn = draw_params(net, params, jax.random.fold_in(as_key(key), number))
        for mixed in mix_cascade(net, params, drawn, stages=stages):
            other = _reduce(method(net, mixed, image, **scored), subject.lead)
            found.append([MEASURES[measure](a, b) for a, b in zip(plain, other)])
    scores = np.mean(np.reshape(found, (networks, -1, len(plain))), axis=0)
    return scores.T.reshape(*subject.lead, -1)


def draw_params(net: Network, params: Params, key: Key) -> Params:
    """Draws random parameters for a network; what it does to its images stays.

    A table gets those of `jaxvis.nets.random_params`. Of any other network, the numbers of
    every array are shuffled.

    Args:
      net, params: the network.
      key: one typed key.
    """
    if isinstance(net.forward, Table):
        kept = {"input": params["input"]} if "input" in params else {}
        return {**random_params(net, key), **kept}
    return shuffle_params(params, key)


def mix_cascade(
    net: Network, params: Params, drawn: Params, *, stages: int | None = None
) -> list[Params]:
    """Lists the parameters of networks that are random from the scores down to a layer.

    Args:
      net, params: the network.
      drawn: its random parameters.
      stages: how many, as evenly as possible; None is one for each layer. The last is
        `drawn`.
    """
    if not isinstance(net.forward, Table):
        return [drawn]
    names = [row.name for row in reversed(net.rows) if row.name in params and row.name != "input"]
    count = min(stages or len(names), len(names))
    ends = [round(len(names) * (i + 1) / count) for i in range(count)]
    return [{**params, **{name: drawn[name] for name in names[:end]}} for end in ends]


def shuffle_params(params: Params, key: Key, *, keep: Sequence[str] = ()) -> Params:
    """Shuffles the numbers of every array of parameters.

    Args:
      params: the network's parameters.
      key: of the shuffling, one typed key.
      keep: rows that stay as they are, such as "input".
    """
    kept = {name: params[name] for name in keep if name in params}
    rows = {name: row for name, row in params.items() if name not in kept} if kept else params
    return {**_shuffle(rows, key), **kept} if kept else _shuffle(rows, key)


@jit
def _shuffle(params: Params, key: Key) -> Params:
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, max(len(leaves), 1))
    shuffled = [
        jax.random.permutation(one, jnp.ravel(leaf)).reshape(jnp.shape(leaf))
        if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        else leaf
        for one, leaf in zip(keys, leaves)
    ]
    return jax.tree.unflatten(tree, shuffled)


def correlate_ranks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes Spearman's rank correlation of heatmaps, `[...]`; 0 where one is flat.

    Args:
      first, second: `[..., H, W]`, of one shape.

    Raises:
      ValueError: for different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(f"the heatmaps have different shapes, {first.shape} and {second.shape}")
    flat = [rankdata(one.reshape(*one.shape[:-2], -1), axis=-1) for one in (first, second)]
    one, other = (ranks - ranks.mean(-1, keepdims=True) for ranks in flat)
    product = np.sum(one * other, axis=-1)
    norms = np.sqrt(np.sum(one**2, axis=-1) * np.sum(other**2, axis=-1))
    return np.divide(product, norms, out=np.zeros_like(product), where=norms > 0)


def _correlate_sizes(one: np.ndarray, other: np.ndarray) -> float:
    """Computes the rank correlation of two maps' absolute values; flat maps are the same."""
    if np.ptp(np.abs(one)) == np.ptp(np.abs(other)) == 0:
        return 1.0
    return float(correlate_ranks(np.abs(one), np.abs(other)))


def compare_structure(one: np.ndarray, other: np.ndarray) -> float:
    """Computes the structural similarity of two maps' absolute values, each scaled to [0, 1].

    Args:
      one, other: `[H, W]` each.

    Source: Wang et al., Image quality assessment, 2004, Eq. 13, in windows of 7x7.
    """
    a, b = (_scale(np.abs(each).astype(np.float64)) for each in (one, other))
    side = min(_WINDOW, *a.shape)
    windows = [np.lib.stride_tricks.sliding_window_view(each, (side, side)) for each in (a, b)]
    means = [each.mean(axis=(2, 3)) for each in windows]
    spread = [each.var(axis=(2, 3)) for each in windows]
    shared = np.mean(windows[0] * windows[1], axis=(2, 3)) - means[0] * means[1]
    top = (2 * means[0] * means[1] + _SMALL[0]) * (2 * shared + _SMALL[1])
    below = (means[0] ** 2 + means[1] ** 2 + _SMALL[0]) * (spread[0] + spread[1] + _SMALL[1])
    return float(np.mean(top / below))


MEASURES = {"rank": _correlate_sizes, "structure": compare_structure}
"""Name -> how alike two maps `[H, W]` are, at most 1."""


def _reduce(maps: np.ndarray, lead: Sequence[int]) -> np.ndarray:
    """Returns maps `[K, H, W]`; of maps with their channels the largest absolute value."""
    maps = np.asarray(maps)
    if maps.ndim - len(lead) == 3:
        maps = np.max(np.abs(maps), axis=-1)
    return maps.reshape(-1, *maps.shape[-2:])


def _scale(values: np.ndarray) -> np.ndarray:
    span = np.ptp(values)
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)
