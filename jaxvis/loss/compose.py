"""The composed loss: canvas, view, network, objective and priors, in one sum."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxvis.loss.objectives import Algebra
from jaxvis.loss.views import Identity
from jaxvis.network import Network
from jaxvis.types import Array, Canvas, Key, Params, Prior, Terms, View

RESERVED = ("objective", "loss", "status")
"""Names that a trace gives to something else than a prior."""


@dataclass(frozen=True)
class Weighted:
    """Returns weight * prior(image), under a name of its own in the trace."""

    name: str
    weight: float
    prior: Prior


@dataclass(frozen=True)
class Composed:
    """Returns (loss, terms) of one item; see `compose`."""

    net: Network
    canvas: Canvas
    view: View
    priors: tuple[Weighted, ...]
    draws: int

    def __call__(self, params: Params, z: Array, item: Algebra, key: Key) -> tuple[Array, Terms]:
        """Returns the loss `[]` and its terms, which sum to it.

        Args:
          params: the network's parameters.
          z: the canvas parameters.
          item: the objective.
          key: serves the canvas and the views.
        """
        canvas_key, view_key = jax.random.split(key)
        image = self.canvas.decode(z, canvas_key)

        def look(view_key: Key) -> Array:
            seen = self.view(view_key, image)
            return item(self.net.apply(params, seen, stop=item.taps))

        keys = jax.random.split(view_key, self.draws)
        terms = {"objective": jnp.mean(jax.vmap(look)(keys))}
        for entry in self.priors:
            terms[entry.name] = entry.weight * entry.prior(image)
        return sum(terms.values()), terms

    def prepared(self, params: Params) -> Params:
        """Returns the parameters as the network computes fastest with.

        Args:
          params: the network's parameters; leading axes of items are kept.
        """

        def seen(key: Key) -> Array:
            return self.view(key, self.canvas.decode(self.canvas.init(key), key))

        size = jax.eval_shape(seen, jax.random.key(0)).shape[:2]
        return self.net.prepare(params, size=size)


def compose(
    net: Network,
    canvas: Canvas,
    *,
    view: View | None = None,
    priors: tuple[Weighted, ...] = (),
    draws: int = 1,
) -> Composed:
    """Returns the loss E(z) = objective(net(view(x))) + sum_k weight_k prior_k(x).

    x = canvas.decode(z). The objective comes with each item, so one compiled loss
    serves a whole sweep.

    Args:
      net: the network.
      canvas: what is painted on.
      view: what the network sees of the image; None shows it as it is.
      priors: named, weighted terms of the whole image.
      draws: how many views a step averages over.

    Raises:
      ValueError: if two priors share a name or take one of the trace's own
        ("objective", "loss", "status"), or if draws is below 1.
    """
    names = [entry.name for entry in priors]
    if len({*names, *RESERVED}) < len(names) + len(RESERVED):
        raise ValueError(
            f"every prior needs a name of its own, none of {', '.join(RESERVED)}; "
            f"got {', '.join(names)}"
        )
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    return Composed(net, canvas, view or Identity(), tuple(priors), draws)
