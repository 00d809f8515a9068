"""DeepLift: the score's difference from a baseline's, shared out among the pixels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax import lax

from jaxvis.attribution.completeness import add_baseline
from jaxvis.attribution.deeplift.differences import Both, evaluate_both
from jaxvis.attribution.gradients import Combine, arrange, combine_channels
from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, choose_subject, read_score
from jaxvis.loss.algebra import Algebra
from jaxvis.nets.table.forward import Table
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params


class DeepLift(Explanation):
    """The contribution of each pixel to a score's difference, `[H, W, C]`."""

    def __call__(self, params: Params, image: Any, item: Algebra, sample: Any) -> Array:
        """Computes the contributions.

        Args:
          params, item, sample: see `Explanation`.
          image: a `Scene`.
        """

        def score(params: Params, item: Algebra, image: Array) -> Array:
            return read_score(item, self.net.apply(params, image, stop=item.taps))

        traced = jax.make_jaxpr(score)(params, item, image.image)
        known = jax.tree.leaves((params, item))
        base = lax.stop_gradient(image.baseline)

        def lift(image: Array) -> Array:
            (found,) = evaluate_both(traced.jaxpr, traced.consts, [*known, Both(image, base)])
            # A score that does not depend on the image has no contributions.
            return found.value if isinstance(found, Both) else found

        return jax.grad(lift)(image.image) * (image.image - image.baseline)


def deep_lift(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    baseline: Baseline = "zero",
    combine: Combine = "sum",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what each pixel adds to a score's difference from that of a baseline, in one pass.

    The rescale rule: an activation passes on its own change divided by that of its input. A
    product of two changing values (gates, attention) shares its change out evenly, and a
    maximum gives it to the places where it was. So the heatmap adds up to
    S(image) - S(baseline), up to rounding, whatever the network is built of.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      baseline: what the image is compared with: "zero" is black; see
        `jaxvis.attribution.masks.baselines.Baseline`.
      combine: how the channels become one map, see `combine_channels`.
      chunk: how many scores a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, of either sign.

    Raises:
      ValueError: as `choose_subject`, for a wrong baseline, and for a network with an
        operation of which no rule is known, such as a loop.

    Source: Shrikumar, Greenside & Kundaje, Learning important features through propagating
      activation differences, 2017, 3.5.1; the maximum as captum and shap have it.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.deep_lift(net, params, red, index=[0, 3])
    >>> bool((jaxvis.measure_completeness(net, params, red, heat, index=[0, 3]) < 1e-4).all())
    True
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    whole = add_baseline(subject, baseline)
    maps = explain(DeepLift(_with_whole_windows(net)), params, whole, chunk=chunk)
    return combine_channels(arrange(maps, subject), combine)


def _with_whole_windows(net: Network) -> Network:
    """Returns the network with each maximum over a window as one operation, not step by step."""
    if not isinstance(net.forward, Table):
        return net
    rows = tuple(replace(row, op="window_max") if row.op == "max" else row for row in net.rows)
    return replace(net, forward=replace(net.forward, rows=rows), rows=rows)
