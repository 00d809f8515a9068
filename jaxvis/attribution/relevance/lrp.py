"""LRP and CRP: which pixels a score comes from, in all and by way of single channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxvis.attribution.gradients import Combine, combine_channels
from jaxvis.attribution.relevance.composites import Composite, choose_composite
from jaxvis.attribution.relevance.propagate import check_rows, propagate
from jaxvis.attribution.relevance.rules import Rule
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, Subject, choose_subject, read_score
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params


@dataclass(frozen=True)
class Relevance(Explanation):
    """The relevance of a layer's entries for a score, of the layer's shape.

    Args:
      net: a network built from a table.
      composite: the rules.
      layer: whose relevance it is; "input" is the image.
      by_way_of: a layer of which only the channel `sample["channel"]` hands relevance on;
        None for all of them.
    """

    composite: Composite
    layer: str = "input"
    by_way_of: str | None = None

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the relevance.

        Args:
          params, image, item, sample: see `Explanation`.
        """
        ends = item.taps or self.net.taps
        taps = self.net.apply(params, image, stop=ends)
        read = {name: taps[name] for name in ends}
        slopes = jax.grad(lambda some: read_score(item, some))(read)
        relevance = {name: read[name] * slopes[name] for name in ends}
        change = {}
        if self.by_way_of is not None:
            width = taps[self.by_way_of].shape[-1]
            only = jax.nn.one_hot(sample["channel"], width)
            change[self.by_way_of] = lambda values: values * only
        return propagate(
            self.net,
            params,
            self.composite,
            taps,
            relevance,
            until=self.layer,
            change=change,
        )


def lrp(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    rules: str | Rule | Composite = "epsilon_plus",
    layer: str = "input",
    combine: Combine = "sum",
    chunk: int | None = None,
) -> np.ndarray:
    """Hands a score back to the pixels it came from: layer-wise relevance propagation.

    Every layer shares the relevance of its outputs among its inputs, so that (but for what
    biases keep) the map's sum is the score. Batch norms are merged into the convolutions
    before them, and the branches of a residual block get their shares of the sum.

    Args:
      net: a network built from a table.
      params: its parameters.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      rules: "epsilon_plus", "epsilon", "epsilon_gamma_box", "epsilon_plus_flat",
        "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat"; a rule for all layers; or a
        composite of your own.
      layer: whose relevance is wanted; "input" is the image.
      combine: how the channels become one map: "sum", "max" or "none".
      chunk: how many scores a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, positive for the score and negative against it.

    Raises:
      ValueError: as `choose_subject`; for unknown rules; for a network without a table, or
        with a layer that no rule is known for (it is named).

    Source: Bach et al., PLOS ONE 2015; Montavon et al., 2019.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> jaxvis.lrp(net, params, np.full((32, 32, 3), 0.5), index=[0, 3]).shape
    (2, 32, 32)
    """
    method = Relevance(net, choose_composite(rules), layer)
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    _check(net, subject, layer)
    maps = explain(method, params, subject, chunk=chunk)
    maps = maps.reshape(*subject.lead, *maps.shape[2:])
    return combine_channels(maps, combine) if maps.ndim > len(subject.lead) + 1 else maps


def crp(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    layer: str,
    channels: int | Sequence[int] | range,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    rules: str | Rule | Composite = "epsilon_plus",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows the pixels that speak for a score by way of single channels of a layer.

    The relevance of a score is propagated back to a layer, all channels but one are left
    out, and what is left goes on to the image: concept relevance propagation.

    Args:
      net, params, image, tap, index, position, objective, rules, chunk: see `lrp`.
      layer: the layer whose channels are told apart.
      channels: which of them, one or several; `jaxvis.lrp(..., layer=layer, combine="none")`
        summed over positions says which ones matter.

    Returns:
      np.ndarray: `[..., H, W]`; for several channels they are the axis before H. The maps of
      all channels add up to that of `lrp`.

    Raises:
      ValueError: as `lrp`, and for channels that the layer does not have.

    Source: Achtibat et al., From attribution maps to human-understandable explanations
      through concept relevance propagation, 2023.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.full((32, 32, 3), 0.5)
    >>> jaxvis.crp(net, params, image, index=3, layer="relu1_1", channels=range(4)).shape
    (4, 32, 32)
    """
    composite = choose_composite(rules)
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    _check(net, subject, layer)
    chosen = np.atleast_1d(np.asarray(channels))
    width = net.shape(params, layer, size=subject.size)[-1]
    if not chosen.size or not np.issubdtype(chosen.dtype, np.integer):
        raise ValueError(f"channels are whole numbers, at least one; got {channels!r}")
    if chosen.min() < 0 or chosen.max() >= width:
        raise ValueError(f"{layer!r} has {width} channels, 0..{width - 1}; got {channels!r}")
    method = Relevance(net, composite, by_way_of=layer)
    samples = {"channel": chosen.astype(np.int32)}
    maps = explain(method, params, subject, samples=samples, keep=True, chunk=chunk).sum(-1)
    several = (len(chosen),) * (np.ndim(channels) > 0)
    return maps.reshape(*subject.lead, *several, *maps.shape[3:])


def _check(net: Network, subject: Subject, layer: str) -> None:
    """Refuses what no relevance can be handed back through, or to."""
    ends = subject.items.taps or net.taps
    net.check_taps(layer)
    check_rows(net, tuple(ends))
    behind = max(net.taps.index(end) for end in ends)
    if net.taps.index(layer) > behind:
        raise ValueError(
            f"{layer!r} comes after {ends[-1]!r}, which is explained: name one before it"
        )
