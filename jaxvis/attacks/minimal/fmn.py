"""The fast minimum-norm attack: a ball of any norm that follows the boundary."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.minimal.ddn import anneal
from jaxvis.attacks.minimal.smallest import (
    BallState,
    check_above,
    is_surely_fooled,
    keep_nearest,
    look_at,
    measure,
    start_best,
)
from jaxvis.attacks.norms import DUAL, TINY, Norm, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run


@dataclass(frozen=True)
class Fmn(Attack):
    """Steps along the gradient, projected into a ball that shrinks or grows.

    Args:
      norm, steps: see `Attack`.
      step_size: the Euclidean length of the first step.
      gamma: by what part the radius changes in the first step.
    """

    step_size: float = 1.0
    gamma: float = 0.05

    def begin(self, model: Model, row: Row, key: Key) -> tuple[BallState, Array]:
        """Starts at the image.

        Args:
          model, row: see `Attack.begin`; the image is `[H, W, C]`.
        """
        del model, key
        radius = jnp.float32(1 if self.norm == "l0" else jnp.inf)
        return BallState(row.image, radius, start_best(row)), jnp.int32(0)

    def step(
        self, model: Model, row: Row, state: BallState, key: Key, step: Array
    ) -> tuple[BallState, Report]:
        """Looks at the picture, chooses the radius, and moves inside the ball.

        Args:
          model, row, step: see `Attack.step`; the image is `[H, W, C]`.
        """
        geometry = geometry_of(self.norm)
        look = look_at(model, key, state.image, row)
        # What would leave [0, 1] is no way to go, and none to measure the distance by.
        blocked = jnp.where(look.slope < 0, state.image <= 0, state.image >= 1)
        slope = jnp.where(blocked, 0.0, look.slope)
        best = keep_nearest(state.best, state.image, look.fooled, measure(self, state.image, row))
        gamma = anneal(self.gamma, 0.001, step, self.steps)
        moved = state._replace(best=best)
        radius = self._choose_radius(row, moved, look.value, slope, gamma)
        length = anneal(self.step_size, self.step_size / 100, step, self.steps)
        delta = state.image - row.image + length * geometry_of("l2").point(slope)
        if self.norm == "l0":
            # What leaves [0, 1] counts for what is seen of it.
            delta = jnp.clip(row.image + delta, 0.0, 1.0) - row.image
        image = jnp.clip(row.image + geometry.project(delta, radius), 0.0, 1.0)
        report = Report(look.value, jnp.array(False), jnp.int32(model.samples))
        return BallState(image, radius, best), report

    def end(self, model: Model, row: Row, state: BallState) -> Image:
        """Gives the nearest picture that fools the network; the last one is looked at here.

        Args:
          model, row: see `Attack.end`; the picture is `[H, W, C]`.
        """
        fooled = is_surely_fooled(model, state.image, row)
        distance = measure(self, state.image, row)
        return keep_nearest(state.best, state.image, fooled, distance).image

    def _choose_radius(
        self, row: Row, state: BallState, value: Array, slope: Array, gamma: Array
    ) -> Array:
        """Returns the radius of the next ball.

        It shrinks where the picture fools the network. Until one does it reaches to where
        the linear approximation crosses the boundary; after that it grows where none does.
        """
        fooled, radius = value > 0, state.radius
        if self.norm == "l0":
            smaller = jnp.minimum(radius - 1, jnp.floor(radius * (1 - gamma)))
            larger = jnp.maximum(radius + 1, jnp.floor(radius * (1 + gamma)))
            farthest = jnp.float32(row.image.shape[0] * row.image.shape[1])
            chosen = jnp.where(fooled, jnp.minimum(smaller, state.best.distance), larger)
            return jnp.clip(chosen, 1.0, farthest)
        length = geometry_of(DUAL[self.norm]).measure(slope)
        reach = measure(self, state.image, row) + jnp.abs(value) / jnp.maximum(length, TINY)
        found = jnp.isfinite(state.best.distance)
        larger = jnp.where(found, radius * (1 + gamma), reach)
        smaller = jnp.minimum(radius * (1 - gamma), state.best.distance)
        # No perturbation is larger than the way to the farther end of every value's range.
        farthest = geometry_of(self.norm).measure(jnp.maximum(row.image, 1 - row.image))
        return jnp.fmin(jnp.where(fooled, smaller, larger), farthest)


def fmn(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Norm = "l2",
    steps: int = 100,
    step_size: float = 1.0,
    gamma: float = 0.05,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Looks for the smallest perturbation in any norm, in few steps (FMN).

    Every step goes along the normalised gradient of the margin and is projected into a
    ball around the image. Its radius shrinks by the factor 1 - gamma if the picture fools
    the network, and grows by 1 + gamma if not; until a first success it is the distance to
    the linearised boundary.

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest perturbation that counts as a success, or several, which share
        one search and give an axis after that of the images; None counts every one.
      norm: "linf", "l2", "l1", or "l0", which counts pixels.
      steps: how many there are.
      step_size: the Euclidean length of the first step; that of the last is a hundredth.
      gamma: by what part the radius changes in the first step, in (0, 1); 0.001 in the last.
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key; nothing is random here.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`; `trace["loss"]` is the margin.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, and numbers that
        are too small.

    Source: Pintor et al. (NeurIPS 2021), algorithm 1; the part of the gradient that points
    out of [0, 1] is left out here.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.fmn(net, params, photo, norm="linf", steps=40)
    >>> bool(run.facts["success"])
    True
    """
    check_norm(norm)
    check_above(0, steps=steps, step_size=step_size, gamma=gamma)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = Fmn(norm, steps, step_size, gamma)
    return search_smallest(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
