"""A generator coupled to a network: the loss of what it draws."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.objectives import Algebra, _OneTap, _pytree
from jaxvis.network import Network
from jaxvis.types import Array, Image, Key, Params, Taps, Terms

Targets = int | Sequence[int | Sequence[int]] | range
"""One class or channel, or several; a tuple among them is wanted in one picture."""


@_pytree(("wanted",), ("tap", "others", "rectified"))
class Couple(_OneTap):
    """Returns 1 - mean of the wanted activations + others * sum of all the others.

    The activations are a tap `[d]`, or the means over positions of a tap `[h, w, c]`.
    The others count rectified, as a ReLU in the softmax's place has it.

    Args:
      tap: the tap's name.
      wanted: `[d]` or `[c]`, 1 for every class or filter wanted and 0 for the others.
      others: lambda.
      rectified: whether the wanted ones are rectified too, as in the original. A class
        whose score is negative then has no gradient.

    Source: Despraz et al., Eq. 2, and the authors' code for "1 -" and lambda. For
      several classes the mean of theirs takes the place of a(c_i).
    Departures: the wanted activation is not rectified unless asked for, which is the
      same as soon as it is positive.
    """

    tap: str
    wanted: Array
    others: float = field(default=0.01, kw_only=True)
    rectified: bool = field(default=False, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        values = taps[self.tap]
        positive = jax.nn.relu(values)
        wanted = positive if self.rectified else values
        if values.ndim == 3:
            wanted, positive = (jnp.mean(v, axis=(0, 1)) for v in (wanted, positive))
        own = wanted @ self.wanted
        rest = positive @ (1 - self.wanted)
        return 1 - own / jnp.sum(self.wanted) + self.others * rest


@_pytree(("wanted",), ("tap",))
class Likelihood(_OneTap):
    """Returns minus the mean of log softmax(s) over the wanted classes.

    What it asks for never runs away: it is 0 once the network is sure.

    Args:
      tap: the tap of the scores s, `[d]`, or `[h, w, c]` (means over positions).
      wanted: `[d]` or `[c]`, 1 for every class wanted and 0 for the others.

    Source: Nguyen, Clune, Bengio, Dosovitskiy & Yosinski, Plug & play generative
      networks (2017), 3.1: the gradient of log p(y = c | x).
    """

    tap: str
    wanted: Array

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        values = taps[self.tap]
        scores = jnp.mean(values, axis=(0, 1)) if values.ndim == 3 else values
        return -(jax.nn.log_softmax(scores) @ self.wanted) / jnp.sum(self.wanted)


@dataclass(frozen=True)
class CoupledLoss:
    """Returns (loss, terms) of one item: what the network says of the drawing.

    Args:
      net: the network.
      canvas: of `jaxvis.generators.drawing`, or another with its `draw`.
      dropout: taps after which half of the activations are dropped in every step.

    Source: Despraz et al., Figure 1; that the classifier's dropout stays active is the
      authors' code.
    """

    net: Network
    canvas: Any
    dropout: tuple[str, ...] = ()

    def __call__(
        self, params: dict[str, Any], z: Any, item: Algebra, key: Key
    ) -> tuple[Array, Terms]:
        """Returns the loss `[]` and its terms, which sum to it.

        Args:
          params: {"net": the network's, "generator": what all items share, or None}.
          z: the canvas parameters.
          item: the objective.
          key: serves noise and dropout.
        """
        noise, drop = jax.random.split(key)
        drawing = self.canvas.draw(params["generator"], z, noise)
        seen = fitted(self.net, drawing.image)
        taps = self._taps(params["net"], seen, item.taps, drop)
        terms = {"objective": item(taps), "regularizer": drawing.regularizer}
        return sum(terms.values()) + drawing.record, terms

    def _taps(self, params: Params, image: Image, wanted: tuple[str, ...], key: Key) -> Taps:
        start, values = None, image
        for number, tap in enumerate(self.dropout):
            found = self.net.apply(params, values, start=start, stop=tap)[tap]
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), 0.5, found.shape)
            start, values = tap, jnp.where(kept, 2 * found, 0.0)
        return self.net.apply(params, values, start=start, stop=wanted)

    def prepared(self, params: dict[str, Any]) -> dict[str, Any]:
        """Returns the parameters, the network's as it computes fastest with.

        Args:
          params: as for the call.
        """
        return {**params, "net": self.net.prepare(params["net"])}


def fitted(net: Network, image: Image) -> Image:
    """Returns a drawing as the network takes it: resized where its size is another.

    Args:
      net: the network.
      image: `[H, W, 3]`.
    """
    if image.shape[:2] == tuple(net.input_size):
        return image
    return jax.image.resize(image, (*net.input_size, 3), "linear")


def targets(
    net: Network,
    params: Params,
    index: Targets,
    *,
    tap: str | None = None,
    others: float | None = 0.01,
    rectified: bool = False,
) -> Couple | Likelihood:
    """Returns the objectives of a sweep, leaves `[n, ...]`.

    Args:
      net, params: the network.
      index: a class or channel, or several; a tuple in it asks for all of its own at
        once.
      tap: whose activations; None takes the network's class scores.
      others, rectified: see `Couple`; others None asks for `Likelihood` instead.

    Raises:
      ValueError: for an unknown tap, or an index outside it.
    """
    tap = tap or net.scores or net.classes
    if tap is None:
        raise ValueError(
            f"{net.name} names no class scores: pass tap=, one of {', '.join(net.taps)}"
        )
    net.named(tap)
    listed = list(np.atleast_1d(index)) if np.isscalar(index) else list(index)
    groups = [tuple(map(int, np.atleast_1d(one))) for one in listed]
    width = net.shape(params, tap)[-1]
    flat = [number for group in groups for number in group]
    if not groups or not all(groups) or min(flat) < 0 or max(flat) >= width:
        raise ValueError(
            f"{tap!r} of {net.name} has {width} channels, 0..{width - 1}; got index {index!r}"
        )
    wanted = np.zeros((len(groups), width), np.float32)
    for row, group in zip(wanted, groups):
        row[list(group)] = 1
    if others is None:
        return Likelihood(tap, jnp.asarray(wanted))
    return Couple(tap, jnp.asarray(wanted), others=others, rectified=rectified)
