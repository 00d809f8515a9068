"""Decoupled direction and norm: a ball that shrinks while the picture fools the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import cross_entropy
from jaxvis.attacks.minimal.smallest import (
    BallState,
    check_above,
    is_surely_fooled,
    keep_nearest,
    measure,
    start_best,
    sure_margin,
)
from jaxvis.attacks.norms import TINY, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run


def anneal(first: float, last: float, step: Array, steps: int) -> Array:
    """Computes what falls from `first` to `last` along half a cosine, `[]`.

    Args:
      first, last: the ends.
      step: `[]`, how many steps came before.
      steps: how many there are.
    """
    return last + (first - last) * (1 + jnp.cos(jnp.pi * step / steps)) / 2


@dataclass(frozen=True)
class Ddn(Attack):
    """Steps along the gradient, each put on a sphere that shrinks or grows.

    Args:
      norm, steps: see `Attack`.
      radius: of the first sphere.
      gamma: by what part the radius changes in a step.
    """

    radius: float = 1.0
    gamma: float = 0.05

    def begin(self, model: Model, row: Row, key: Key) -> tuple[BallState, Array]:
        """Starts at the image.

        Args:
          model, row: see `Attack.begin`; the image is `[H, W, C]`.
        """
        del model, key
        return BallState(row.image, jnp.float32(self.radius), start_best(row)), jnp.int32(0)

    def step(
        self, model: Model, row: Row, state: BallState, key: Key, step: Array
    ) -> tuple[BallState, Report]:
        """Looks at the picture, shrinks the sphere if it fools, and moves on it.

        Args:
          model, row, step: see `Attack.step`; the image is `[H, W, C]`.
        """
        del key

        def climb(image: Image) -> tuple[Array, Array]:
            scores = model.scores(image)
            value = sure_margin(scores, row.label, row.target)
            return cross_entropy(scores, row.label, row.target), value

        slope, value = jax.grad(climb, has_aux=True)(state.image)
        slope = jnp.where(jnp.all(jnp.isfinite(slope)), slope, 0.0)
        fooled = value > 0
        geometry = geometry_of(self.norm)
        best = keep_nearest(state.best, state.image, fooled, measure(self, state.image, row))
        # No perturbation is larger than the way to the farther end of every value's range.
        farthest = geometry.measure(jnp.maximum(row.image, 1 - row.image))
        radius = state.radius * jnp.where(fooled, 1 - self.gamma, 1 + self.gamma)
        radius = jnp.minimum(radius, farthest)
        length = anneal(1.0, 0.01, step, self.steps)
        delta = state.image - row.image + length * geometry.point(slope)
        delta *= radius / jnp.maximum(geometry.measure(delta), TINY)
        image = jnp.clip(row.image + delta, 0.0, 1.0)
        return BallState(image, radius, best), Report(value, jnp.array(False), jnp.int32(1))

    def end(self, model: Model, row: Row, state: BallState) -> Image:
        """Gives the nearest picture that fools the network; the last one is looked at here.

        Args:
          model, row: see `Attack.end`; the picture is `[H, W, C]`.
        """
        fooled = is_surely_fooled(model, state.image, row)
        distance = measure(self, state.image, row)
        return keep_nearest(state.best, state.image, fooled, distance).image


def ddn(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Literal["l2"] = "l2",
    steps: int = 100,
    radius: float = 1.0,
    gamma: float = 0.05,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Looks for the smallest perturbation in "l2", by direction and norm apart (DDN).

    Every step goes along the normalised gradient of the cross-entropy and is then put on a
    sphere around the image. The sphere shrinks by the factor 1 - gamma if the picture fools
    the network, and grows by 1 + gamma if not.

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest perturbation that counts as a success, or several, which share
        one search and give an axis after that of the images; None counts every one.
      norm: "l2".
      steps: how many there are. Their length falls from 1 to 0.01 along a cosine.
      radius: of the first sphere.
      gamma: by what part the radius changes in a step, in (0, 1).
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key; nothing is random here.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`; `trace["loss"]` is the margin.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, and
        numbers that are too small.

    Source: Rony et al. (CVPR 2019), algorithm 1, without rounding to 8 bits.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.ddn(net, params, photo, steps=40)
    >>> bool(run.facts["success"])
    True
    """
    check_norm(norm, known=("l2",))
    check_above(0, steps=steps, radius=radius, gamma=gamma)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = Ddn(norm, steps, radius, gamma)
    return search_smallest(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
