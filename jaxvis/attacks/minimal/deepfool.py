"""DeepFool: steps to the nearest boundary of the network's linear approximation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import leave_out
from jaxvis.attacks.minimal.smallest import SLACK, check_above, sure_margin
from jaxvis.attacks.norms import DUAL, TINY, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run


class DeepFoolState(NamedTuple):
    """Where the attack is.

    Attributes:
      image: `[H, W, C]`.
      delta: `[H, W, C]`, the sum of all steps, without overshoot.
      classes: `[k]` int32, those whose boundaries are looked at.
    """

    image: Array
    delta: Array
    classes: Array


@dataclass(frozen=True)
class DeepFool(Attack):
    """Steps to the nearest of the linearised boundaries.

    Args:
      norm, steps: see `Attack`.
      candidates: how many classes are looked at, the label with them.
      overshoot: what part of the sum of all steps is added to it.
    """

    candidates: int = 10
    overshoot: float = 0.02

    def begin(self, model: Model, row: Row, key: Key) -> tuple[DeepFoolState, Array]:
        """Chooses the classes: those of the largest scores but the label's.

        Args:
          model, row: see `Attack.begin`; the image is `[H, W, C]`.
        """
        del key
        scores = model.scores(row.image)
        others = leave_out(scores, row.label)
        count = max(min(self.candidates, scores.size) - 1, 1)
        _, classes = jax.lax.top_k(others, count)
        zero = jnp.zeros_like(row.image)
        return DeepFoolState(row.image, zero, classes), jnp.int32(1)

    def step(
        self, model: Model, row: Row, state: DeepFoolState, key: Key, step: Array
    ) -> tuple[DeepFoolState, Report]:
        """Goes to the nearest boundary, unless the picture fools the network already.

        Args:
          model, row, step: see `Attack.step`; the image is `[H, W, C]`.
        """
        del key, step
        scores, pull_back = jax.vjp(model.scores, state.image)
        value = sure_margin(scores, row.label, row.target)
        from_class, to_class = self._choose_pairs(scores, row, state.classes)
        number = jnp.arange(scores.size)
        ones = jnp.asarray(number == to_class[:, None], scores.dtype)
        slopes = jax.vmap(pull_back)(ones - (number == from_class))[0]
        gap = scores[from_class] - scores[to_class]
        # A tie is left by a little more than rounding.
        gap = jnp.abs(gap) + SLACK * jnp.max(jnp.abs(scores))
        distance = gap / jnp.maximum(self._measure_slopes(slopes), TINY)
        # Classes whose difference has no gradient, or no finite one, are out of reach.
        usable = jnp.all(jnp.isfinite(slopes), axis=(1, 2, 3)) & jnp.any(slopes != 0, (1, 2, 3))
        distance = jnp.where(usable, distance, jnp.inf)
        nearest = jnp.argmin(distance)
        length = jnp.where(jnp.isfinite(distance[nearest]), distance[nearest], 0.0)
        slope = jnp.where(usable[nearest], slopes[nearest], 0.0)
        delta = state.delta + length * geometry_of(self.norm).point(slope)
        moved = jnp.clip(row.image + (1 + self.overshoot) * delta, 0.0, 1.0)
        done = (value > 0) | ~jnp.any(usable)
        state = state._replace(
            image=jnp.where(done, state.image, moved),
            delta=jnp.where(done, state.delta, delta),
        )
        return state, Report(value, done, jnp.int32(1))

    def end(self, model: Model, row: Row, state: DeepFoolState) -> Image:
        """Gives the picture where it stands, whether or not it fools the network.

        Args:
          model, row: see `Attack.end`; the picture is `[H, W, C]`.
        """
        del model, row
        return state.image

    def _choose_pairs(self, scores: Array, row: Row, classes: Array) -> tuple[Array, Array]:
        """Returns the class that must lose `[]`, and those that may win `[k]`."""
        others = leave_out(scores, row.target)
        from_class = jnp.where(row.target < 0, row.label, jnp.argmax(others))
        return from_class, jnp.where(row.target < 0, classes, row.target)

    def _measure_slopes(self, slopes: Array) -> Array:
        """Returns by how much a step of norm 1 closes each gap, `[k]`."""
        return jax.vmap(geometry_of(DUAL[self.norm]).measure)(slopes)


def deepfool(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Literal["l2", "linf"] = "l2",
    steps: int = 50,
    candidates: int = 10,
    overshoot: float = 0.02,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Looks for a small perturbation in a few steps, each to the nearest linear boundary.

    Of class k, w_k is the gradient of z_k - z_label and f_k its value. The step goes to the
    class of the least |f_k| / |w_k|: in "l2" by |f| w / |w|_2^2, in "linf" by
    |f| sign(w) / |w|_1. On a linear network one step reaches the boundary. The gradients of
    all classes come from one pass through the network.

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest perturbation that counts as a success, or several, which share
        one search and give an axis after that of the images; None counts every one.
      norm: "l2" or "linf".
      steps: how many there are at most.
      candidates: how many classes of the largest scores are looked at, the label with them.
      overshoot: what part of the perturbation is added to it, to cross the boundary.
      targets: the classes that are wanted; then the boundary between the target and the best
        of the others is the only one. None for any but the label.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key; nothing is random here.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`; `trace["loss"]` is the margin.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, fewer
        than 2 candidates, and numbers that are too small.

    Source: Moosavi-Dezfooli et al. (CVPR 2016), algorithm 2.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.deepfool(net, params, photo, epsilon=[0.5, 50.0], steps=20)
    >>> run.facts["success"].shape
    (2,)
    """
    check_norm(norm, known=("l2", "linf"))
    check_above(0, steps=steps)
    check_above(1, candidates=candidates)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = DeepFool(norm, steps, candidates, overshoot)
    return search_smallest(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
