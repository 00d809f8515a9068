"""A loss that stays near a photograph: what a layer sees of both is compared."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.loss.algebra import Algebra
from jaxvis.loss.compose import Composed
from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Image, Key, Loss, Params, Terms


class Anchor(NamedTuple):
    """One item: what is asked for, and what it shall stay near to.

    Attributes:
      objective: smaller is better.
      photo: x0, `[H, W, C]` in [0, 1].
      strength: weight of the distance from it.
    """

    objective: Algebra
    photo: Array
    strength: Array | float


@register_parts("single")
@dataclass(frozen=True)
class Anchored(Loss):
    """E(x) + strength |F(view(x)) - F(view(x0))|^2 / |F(view(x0))|^2, F the code of a layer.

    Both images are seen through the same random view, so that the distance is 0 at x = x0.

    Args:
      single: the canvas, the view, the network and the priors.
      layer: the tap whose codes are compared.
    """

    single: Composed
    layer: str

    def __call__(
        self, params: Params, z: Any, item: Anchor, key: Key, shared: Any = None
    ) -> tuple[Array, Terms, Any]:
        """Computes the loss `[]`, its terms, which sum to it, and the canvas' state.

        Args:
          params: the network's parameters.
          z: the canvas parameters.
          item: the objective, the photograph and the strength.
          key: serves the canvas and the views.
          shared: what the canvases of all items have in common.
        """
        canvas_key, view_key = jax.random.split(key)
        drawing = self.single.canvas.draw(shared, z, canvas_key)
        keys = jax.random.split(view_key, self.single.draws)
        found = jax.vmap(lambda key: self._look(params, drawing.image, item, key))(keys)
        terms = {name: jnp.mean(values) for name, values in found.items()} | drawing.terms
        for entry in self.single.priors:
            terms[entry.name] = entry.weight * entry.prior(drawing.image)
        first, *rest = terms.values()
        return sum(rest, first), terms, drawing.state

    def _look(self, params: Params, image: Image, item: Anchor, key: Key) -> Terms:
        """Computes the objective and the distance of one view."""
        net, view, asked = self.single.net, self.single.view, item.objective
        wanted = None if asked.taps is None else tuple(dict.fromkeys((*asked.taps, self.layer)))
        taps = net.apply(params, view(key, image), stop=wanted)
        still = jax.lax.stop_gradient(net.apply(params, view(key, item.photo), stop=self.layer))
        there = still[self.layer]
        scale = jnp.maximum(jnp.sum(there**2), jnp.finfo(there.dtype).tiny)
        distance = jnp.sum((taps[self.layer] - there) ** 2) / scale
        return {"objective": asked(taps), "distance": item.strength * distance}

    def prepare(self, params: Params) -> Params:
        """Brings parameters into the form that the network computes fastest with.

        Args:
          params: the network's parameters; leading axes of items are kept.
        """
        return self.single.prepare(params)

    def rematerialise(self) -> "Anchored":
        """Makes a loss of the same value whose gradient takes less memory.

        Raises:
          ValueError: where the network is an adapted one, which cannot be cut.
        """
        return replace(self, single=self.single.rematerialise())
