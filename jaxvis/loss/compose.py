"""The composed loss: canvas, view, network, objective and priors, in one sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import chex
import jax
import jax.numpy as jnp

from jaxvis.loss.algebra import Algebra, to_scalar
from jaxvis.loss.views import Identity
from jaxvis.network import Network
from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Canvas, Image, Key, Loss, Params, Prior, Taps, Terms, View

RESERVED = ("objective", "loss", "status")
"""Names that a trace gives to something else than a prior."""


@register_parts("weight", "prior")
@dataclass(frozen=True)
class Weighted:
    """A prior with its weight, under a name of its own in the trace."""

    name: str
    weight: float
    prior: Prior


def name_priors(priors: Sequence[Weighted] | Mapping[str, Any]) -> tuple[Weighted, ...]:
    """Gives priors as `compose` takes them.

    Args:
      priors: `Weighted` priors, or {name: (weight, prior)} with priors `image -> scalar`.

    Raises:
      ValueError: for anything else.
    """
    if isinstance(priors, Mapping):
        try:
            return tuple(Weighted(name, float(w), prior) for name, (w, prior) in priors.items())
        except (TypeError, ValueError):
            raise ValueError(
                "priors= maps a name to (weight, prior), such as "
                '{"smooth": (0.1, TotalVariation())}'
            ) from None
    priors = tuple(priors)
    if not all(isinstance(prior, Weighted) for prior in priors):
        raise ValueError(
            "priors= holds Weighted(name, weight, prior), or is {name: (weight, prior)}"
        )
    return priors


@register_parts("canvas", "view", "priors")
@dataclass(frozen=True)
class Composed(Loss):
    """The loss of one item that `compose` builds."""

    net: Network
    canvas: Canvas
    view: View
    priors: tuple[Weighted, ...]
    draws: int
    dropout: tuple[str, ...]

    def __call__(
        self, params: Params, z: Any, item: Algebra, key: Key, shared: Any = None
    ) -> tuple[Array, Terms, Any]:
        """Computes the loss `[]`, its terms, which sum to it, and the canvas' state.

        Args:
          params: the network's parameters.
          z: the canvas parameters.
          item: the objective.
          key: serves the canvas, the views and dropout.
          shared: what the canvases of all items have in common.

        Raises:
          ValueError: for a prior that is no single number.
        """
        canvas_key, view_key = jax.random.split(key)
        drawing = self.canvas.draw(shared, z, canvas_key)
        chex.assert_rank(drawing.image, 3)  # no batch axis; chex.disable_asserts() skips it
        keys = jax.random.split(view_key, self.draws)
        look = jax.vmap(lambda key: self._look(params, drawing.image, item, key))
        terms = {"objective": jnp.mean(look(keys)), **drawing.terms}
        for entry in self.priors:
            value = to_scalar(entry.prior(drawing.image), f"the prior {entry.name!r}")
            terms[entry.name] = entry.weight * value
        first, *rest = terms.values()
        return sum(rest, first), terms, drawing.state

    def _look(self, params: Params, image: Image, item: Algebra, key: Key) -> Array:
        seen = self.view(key, image)
        if not self.dropout:
            return item(self.net.apply(params, seen, stop=item.taps))
        return item(self._apply_with_dropout(params, seen, item.taps, key))

    def _apply_with_dropout(
        self, params: Params, image: Image, wanted: tuple[str, ...] | None, key: Key
    ) -> Taps:
        start, values = None, image
        for number, tap in enumerate(self.dropout):
            found = self.net.apply(params, values, start=start, stop=tap)[tap]
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), 0.5, found.shape)
            start, values = tap, jnp.where(kept, 2 * found, 0.0)
        return self.net.apply(params, values, start=start, stop=wanted)

    def prepare(self, params: Params) -> Params:
        """Brings parameters into the form that the network computes fastest with.

        Args:
          params: the network's parameters; leading axes of items are kept.
        """
        return self.net.prepare(params, size=find_size_seen(self.canvas, self.view, self.net))

    def rematerialise(self) -> "Composed":
        """Makes a loss of the same value whose gradient takes less memory.

        Raises:
          ValueError: where the network is an adapted one, which cannot be cut.
        """
        return replace(self, net=self.net.rematerialise())


def find_size_seen(canvas: Canvas, view: View | None, net: Network) -> tuple[int, int]:
    """Finds (H, W) of what a network sees of a canvas.

    Args:
      canvas: it has a size.
      view: `(key, image) -> image`; None shows the whole picture.
      net: whose channels the picture has.
    """
    size = canvas.image_size()
    if view is None:
        return size
    image = jax.ShapeDtypeStruct((*size, net.channels), jnp.float32)
    height, width, _ = jax.eval_shape(view, jax.random.key(0), image).shape
    return height, width


def compose(
    net: Network,
    canvas: Canvas,
    *,
    view: View | None = None,
    priors: tuple[Weighted, ...] = (),
    draws: int = 1,
    dropout: tuple[str, ...] = (),
) -> Composed:
    """Builds the loss E(z) = objective(net(view(x))) + sum_k weight_k prior_k(x).

    x = canvas.decode(z). The objective comes with each item, so one compiled loss
    serves a whole sweep.

    Args:
      net: the network.
      canvas: what is painted on.
      view: what the network sees of the image; None shows it as it is.
      priors: named, weighted terms of the whole image.
      draws: how many views a step averages over.
      dropout: taps after which half of the activations are dropped in every step.

    Raises:
      ValueError: if two priors share a name or take one of the trace's own
        ("objective", "loss", "status"), if draws is below 1, or for an unknown tap.

    >>> import jaxvis
    >>> from jaxvis.loss.compose import Weighted, compose
    >>> net, params = jaxvis.load("demo")
    >>> smooth = Weighted("smooth", 0.1, jaxvis.priors.TotalVariation())
    >>> compose(net, jaxvis.canvases.Fourier((64, 64)), priors=(smooth,)).priors[0].name
    'smooth'
    """
    names = [entry.name for entry in priors]
    if len({*names, *RESERVED}) < len(names) + len(RESERVED):
        raise ValueError(
            f"every prior needs a name of its own, none of {', '.join(RESERVED)}; "
            f"got {', '.join(names)}"
        )
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    if dropout:
        net.check_taps(tuple(dropout))
    return Composed(net, canvas, view or Identity(), tuple(priors), draws, tuple(dropout))
