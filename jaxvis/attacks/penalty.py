"""The lecture's attack: a score less a penalty on the distance, in place of a ball."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import leave_out
from jaxvis.attacks.norms import DUAL, TINY, Norm, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run

NORMS = ("linf", "l2", "l1")
"""The norms whose penalty has a gradient, or its like."""


class PenaltyState(NamedTuple):
    """Where a penalised ascent is.

    Attributes:
      image: `[H, W, C]`, where it stands.
      rate: `[]`, by what a gradient is multiplied; chosen from the first one.
      best: `[H, W, C]`, the picture that it would give.
      objective: `[]`, of that picture.
      fooled: `[]` bool, whether it fools the network.
    """

    image: Array
    rate: Array
    best: Array
    objective: Array
    fooled: Array


@dataclass(frozen=True)
class PenaltyClimb(Attack):
    """Proximal gradient ascent on S(x) - penalty * |x - original|.

    A step goes along the gradient of S, and then does to the perturbation what the penalty
    alone would do to it, exactly: the gradient of a largest value would change one pixel.

    Args:
      norm, steps: see `Attack`.
      penalty: lambda.
      step_size: the root mean square of the first step's values, without the penalty.
    """

    penalty: float = 1.0
    step_size: float = 0.01

    def begin(self, model: Model, row: Row, key: Key) -> tuple[PenaltyState, Array]:
        """Starts at the image.

        Args:
          model, row, key: see `Attack.begin`; images are `[H, W, C]`.
        """
        del model, key
        low, no = jnp.float32(-jnp.inf), jnp.array(False)
        state = PenaltyState(row.image, jnp.float32(0.0), row.image, low, no)
        return state, jnp.int32(0)

    def step(
        self, model: Model, row: Row, state: PenaltyState, key: Key, step: Array
    ) -> tuple[PenaltyState, Report]:
        """Looks at the image, keeps it where it is the best so far, and moves it.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        value, fooled, gradient = model.climb(score_wanted, key, state.image, row)
        value = value - self._punish(state.image, row)
        state = self._remember(state, value, fooled)
        size = jnp.sqrt(jnp.mean(gradient * gradient))
        rate = jnp.where(step == 0, self.step_size / jnp.maximum(size, TINY), state.rate)
        delta = state.image + rate * gradient - row.image
        taken = geometry_of(DUAL[self.norm]).project(delta, rate * self.penalty)
        moved = jnp.clip(row.image + delta - taken, 0.0, 1.0)
        state = state._replace(image=moved, rate=rate)
        return state, Report(value, jnp.array(False), jnp.int32(1))

    def end(self, model: Model, row: Row, state: PenaltyState) -> Image:
        """Gives the best picture that fools the network, or the best one.

        Args:
          model, row, state: see `Attack.end`; the image is `[H, W, C]`.
        """
        scores = model.scores(state.image)
        value = score_wanted(scores, row.label, row.target) - self._punish(state.image, row)
        return self._remember(state, value, model.is_fooled(state.image, row)).best

    def _punish(self, image: Array, row: Row) -> Array:
        return self.penalty * geometry_of(self.norm).measure(image - row.image)

    def _remember(self, state: PenaltyState, value: Array, fooled: Array) -> PenaltyState:
        better = jnp.where(fooled == state.fooled, value > state.objective, fooled)
        return state._replace(
            best=jnp.where(better, state.image, state.best),
            objective=jnp.where(better, value, state.objective),
            fooled=state.fooled | fooled,
        )


def score_wanted(scores: Array, label: Array, target: Array) -> Array:
    """Returns the score of the target, or the largest one of the classes but the label.

    Args:
      scores: z `[K]` before softmax.
      label, target: see `jaxvis.attacks.losses.is_fooled`.
    """
    others = leave_out(scores, label)
    best = jnp.max(others) if scores.size > 1 else 0.0 * scores[0]
    return jnp.where(target < 0, best, scores[jnp.maximum(target, 0)])


def penalty(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    penalty: float,
    epsilon: Epsilons | None = None,
    norm: Norm = "linf",
    steps: int = 100,
    step_size: float = 0.01,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by gradient ascent on S_c'(x) - penalty * |x - image|, without a ball.

    In place of a largest perturbation it has a price for it. Where the price is above the
    gradient of the score (in the dual norm: in "linf" the sum of its absolute values) the image
    stays as it is; below, the perturbation grows until the score rises no faster than that.

    Args:
      net, params, images, labels: see `jaxvis.attacks.pgd`.
      penalty: lambda, in scores per unit of the norm.
      epsilon: None counts every success; otherwise only those within epsilon are, and several
        share one run.
      norm: "linf", "l2" or "l1".
      steps: how many gradients there are.
      step_size: the root mean square of what the first step does to the values, before the
        penalty.
      targets: the classes c' that are wanted; None for any but the label: then c' is the best
        of the others.
      names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`; the loss is what is maximised.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, a
        negative penalty, and numbers below 1.

    Source: Szegedy et al., Intriguing properties of neural networks (ICLR 2014) have the
    penalty on the distance; the proximal step is Moreau's.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.penalty(net, params, photo, penalty=10.0, steps=3)
    >>> run.image.shape
    (64, 64, 3)
    """
    check_norm(norm, known=NORMS)
    if not penalty >= 0:
        raise ValueError(f"penalty must be 0 or more, got {penalty}")
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = PenaltyClimb(norm, steps, float(penalty), step_size)
    return search_smallest(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
