"""The fast adaptive boundary attack, which looks for the smallest perturbation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks.apgd_ranks import count_ranks, rank_class
from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.fab_planes import step_to_plane
from jaxvis.attacks.norms import DUAL, TINY, Norm, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run

NORMS = ("linf", "l2", "l1")
"""The norms that it was published for."""
OVERSHOOT, BACK, MOST_BIAS = 1.05, 0.9, 0.1
"""eta, beta and alpha_max of the paper."""
START_RADIUS: dict[Norm, float] = {"linf": 0.15, "l2": 0.5, "l1": 2.5}
"""How far from the image later restarts begin: half of the published radii."""


class BoundaryState(NamedTuple):
    """Where a boundary attack is.

    Attributes:
      image: `[H, W, C]`, where it stands.
      best: `[H, W, C]`, the nearest image that fooled the network; the original before that.
      distance: `[]`, its norm; infinite before that.
      aim: `[]` int32, the only class that it looks at; below 0 all.
    """

    image: Array
    best: Array
    distance: Array
    aim: Array


@dataclass(frozen=True)
class BoundarySearch(Attack):
    """Steps to the linearised decision boundary that is nearest, and back from behind it.

    Args:
      norm, steps: see `Attack`.
      classes: how many wrong classes a step looks at, the likeliest ones.
      by_rank: whether it looks at one class alone, another one in every restart: FAB-T.
    """

    classes: int = 9
    by_rank: bool = False

    @property
    def follows_gradient(self) -> bool:
        """Whether a loss that never moves means that no gradient arrives."""
        return False

    def begin(self, model: Model, row: Row, key: Key) -> tuple[BoundaryState, Array]:
        """Starts at the image; later restarts of the untargeted attack at a point near it.

        Args:
          model, row, key: see `Attack.begin`; images are `[H, W, C]`.
        """
        far = jnp.float32(jnp.inf)
        if self.by_rank:
            aim = rank_class(model, row)
            return BoundaryState(row.image, row.image, far, aim), jnp.int32(1)
        assert row.restart is not None
        geometry = geometry_of(self.norm)
        delta = geometry.draw(key, row.image.shape, jnp.float32(1.0))
        delta = START_RADIUS[self.norm] * delta / jnp.maximum(geometry.measure(delta), TINY)
        moved = jnp.clip(row.image + delta, 0.0, 1.0)
        image = jnp.where(row.restart > 0, moved, row.image)
        return BoundaryState(image, row.image, far, row.target), jnp.int32(0)

    def step(
        self, model: Model, row: Row, state: BoundaryState, key: Key, step: Array
    ) -> tuple[BoundaryState, Report]:
        """Steps to the nearest boundary, and returns from behind it towards the original.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        del key, step
        geometry = geometry_of(self.norm)
        gap, normal = self._find_boundary(model, row, state)
        here = step_to_plane(state.image, normal, gap, self.norm)
        shift = jnp.sum(normal * (row.image - state.image))
        there = step_to_plane(row.image, normal, gap - shift, self.norm)
        near, far = (jnp.maximum(geometry.measure(one), 1e-8) for one in (here, there))
        bias = jnp.minimum(near / (near + far), MOST_BIAS)
        image = (1 - bias) * (state.image + OVERSHOOT * here)
        image = jnp.clip(image + bias * (row.image + OVERSHOOT * there), 0.0, 1.0)
        fooled = model.is_fooled(image, row)
        distance = geometry.measure(image - row.image)
        better = fooled & (distance < state.distance)
        returned = row.image + BACK * (image - row.image)
        new = BoundaryState(
            jnp.where(fooled, returned, image),
            jnp.where(better, image, state.best),
            jnp.where(better, distance, state.distance),
            state.aim,
        )
        return new, Report(-state.distance, jnp.array(False), jnp.int32(2))

    def end(self, model: Model, row: Row, state: BoundaryState) -> Image:
        """Gives the nearest image that fooled the network.

        Args:
          model, row, state: see `Attack.end`; the image is `[H, W, C]`.
        """
        del model, row
        return state.best

    def _find_boundary(self, model: Model, row: Row, state: BoundaryState) -> tuple[Array, Array]:
        """Finds the nearest boundary: how far a difference of scores is from 0, its gradient."""
        scores, pull = jax.vjp(model.scores, state.image)
        numbers = jnp.arange(scores.size)
        # A target has to beat all others, and a wrong class only the label.
        rivals = jnp.where(numbers == row.target, -jnp.inf, scores)
        loser = jnp.where(row.target < 0, row.label, jnp.argmax(rivals))
        if self.by_rank or scores.size == 1:
            winners = jnp.maximum(state.aim, 0)[None]
        else:
            others = jnp.where(numbers == row.label, -jnp.inf, scores)
            likely = jax.lax.top_k(others, min(self.classes, scores.size - 1))[1]
            winners = jnp.where(row.target < 0, likely, row.target)
        directions = jnp.eye(scores.size)[winners] - jnp.eye(scores.size)[loser]
        (slopes,) = jax.vmap(pull)(directions)
        gaps = -(scores[winners] - scores[loser])
        sizes = jax.vmap(geometry_of(DUAL[self.norm]).measure)(slopes)
        nearest = jnp.argmin(jnp.abs(gaps) / (sizes + TINY))
        return gaps[nearest], slopes[nearest]


def fab(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Norm = "linf",
    steps: int = 100,
    classes: int = 9,
    targets: Classes = None,
    restarts: int = 1,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by FAB: steps to the nearest linearised boundary, as small as may be.

    It needs neither a step size nor a loss, and no scale of the scores matters. Behind the
    boundary it returns by a tenth of the way to the original, and goes on from there.

    Args:
      net, params, images, labels: see `jaxvis.attacks.pgd`.
      epsilon: None gives the smallest perturbation found. Otherwise it counts as a success
        only within epsilon, and the image stays as it is elsewhere; several share one run.
      norm: "linf", "l2" or "l1".
      steps: how many there are; each looks at the network twice, once with the gradients of
        all classes that it considers.
      classes: how many wrong classes a step considers, by their scores: the published attack
        takes all, which costs as many gradients.
      targets: the classes that are wanted; None for any but the label.
      restarts: how often; all but the first begin at a random point near the image.
      names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`; its loss is minus the smallest norm so far.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, and
        numbers below 1.

    Source: Croce & Hein, Minimally distorted adversarial examples with a fast adaptive
    boundary attack (ICML 2020).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.fab(net, params, photo, steps=2, classes=2)
    >>> run.image.shape
    (64, 64, 3)
    """
    check_norm(norm, known=NORMS)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = BoundarySearch(norm, steps, count_ranks(classes, victims))
    return search_smallest(
        attack,
        net,
        params,
        victims,
        key=key,
        restarts=restarts,
        chunk=chunk,
        progress=progress,
    )


def fab_t(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Norm = "linf",
    steps: int = 100,
    classes: int = 9,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by FAB-T: FAB towards one likely wrong class after another.

    A step takes one gradient, however many classes there are. Any wrong class is a success,
    and the smallest perturbation of all is kept.

    Args:
      net, params, images, labels, epsilon, norm, steps: see `jaxvis.attacks.fab`.
      classes: how many wrong classes it aims at, by their scores of the image as it is.
      names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.fab`; the queries are those of all classes.

    Raises:
      ValueError: see `jaxvis.attacks.fab`.

    Source: Croce & Hein, Reliable evaluation of adversarial robustness (ICML 2020).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.fab_t(net, params, photo, epsilon=0.1, steps=2, classes=2)
    >>> run.image.shape
    (64, 64, 3)
    """
    check_norm(norm, known=NORMS)
    victims = choose_victims(net, params, images, labels, norm=norm, epsilon=epsilon, names=names)
    ranks = count_ranks(classes, victims)
    attack = BoundarySearch(norm, steps, by_rank=True)
    return search_smallest(
        attack, net, params, victims, key=key, restarts=ranks, chunk=chunk, progress=progress
    )
