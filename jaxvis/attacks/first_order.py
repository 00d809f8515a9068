"""Attacks that climb the gradient of a loss inside a ball: FGSM, BIM, MI-FGSM and PGD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import AttackLoss, LossName, choose_loss, cross_entropy, is_fooled
from jaxvis.attacks.norms import Norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import run_attack
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run, View

Keep = Literal["first", "best", "last"]
"""Which picture an attack gives: the first that fools the network, where it stops; that of
the largest loss among all steps; or the last one, whatever it does."""


class ClimbState(NamedTuple):
    """Where a climb is.

    Attributes:
      image: `[H, W, C]`, where it stands.
      momentum: `[H, W, C]`, the mean of the gradients so far; 0 without momentum.
      best: `[H, W, C]`, the picture that it would give.
      best_loss: `[]`, its loss.
      fooled: `[]` bool, whether `best` is known to fool the network.
    """

    image: Array
    momentum: Array
    best: Array
    best_loss: Array
    fooled: Array


@dataclass(frozen=True)
class Climb(Attack):
    """Projected gradient ascent: x <- project(x + step * direction(gradient)).

    Args:
      norm, steps: see `Attack`.
      loss: what is raised.
      step_size: the norm of a step, in units of epsilon; in "l0" and where epsilon is
        infinite in units of the image.
      momentum: mu of MI-FGSM: g <- mu g + gradient / |gradient|_1. None goes along the
        gradient itself.
      random_start: whether it begins at a random point of the ball.
      keep: see `Keep`.
    """

    loss: AttackLoss = cross_entropy
    step_size: float = 0.25
    momentum: float | None = None
    random_start: bool = False
    keep: Keep = "first"

    @property
    def stops_when_fooled(self) -> bool:
        """Whether the first success ends it."""
        return self.keep == "first"

    def begin(self, model: Model, row: Row, key: Key) -> tuple[ClimbState, Array]:
        """Starts at the image, or at a random point of the ball around it.

        Args:
          model, row, key: see `Attack.begin`; images are `[H, W, C]`.
        """
        del model
        image = row.image if row.start is None else row.start
        if self.random_start:
            geometry = geometry_of(self.norm)
            delta = geometry.draw(key, image.shape, row.epsilon)
            image = self._put_inside(image + delta, row)
        low = jnp.float32(-jnp.inf)
        zero = jnp.zeros_like(image)
        return ClimbState(image, zero, row.image, low, jnp.array(False)), jnp.int32(0)

    def step(
        self, model: Model, row: Row, state: ClimbState, key: Key, step: Array
    ) -> tuple[ClimbState, Report]:
        """Looks at the image, keeps it where it is the best so far, and moves it.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        del step
        value, fooled, gradient = model.climb(self.loss, key, state.image, row)
        state = self._remember(state, value, fooled)
        momentum = state.momentum
        if self.momentum is not None:
            size = jnp.maximum(jnp.sum(jnp.abs(gradient)), 1e-12)
            momentum = self.momentum * momentum + gradient / size
        uphill = gradient if self.momentum is None else momentum
        direction = geometry_of(self.norm).point(self._keep_free(uphill, state.image))
        in_units = jnp.isfinite(row.epsilon) & (self.norm != "l0")
        length = self.step_size * jnp.where(in_units, row.epsilon, 1.0)
        moved = self._put_inside(state.image + length * direction, row)
        done = fooled & (self.keep == "first")
        # It stays where it fooled the network.
        image = jnp.where(done, state.image, moved)
        state = state._replace(image=image, momentum=momentum)
        return state, Report(value, done, jnp.int32(model.samples))

    def end(self, model: Model, row: Row, state: ClimbState) -> Image:
        """Gives the picture that is kept; the last one is looked at here.

        Args:
          model, row, state: see `Attack.end`; the image is `[H, W, C]`.
        """
        if self.keep == "last":
            return state.image
        scores = model.scores(state.image)
        value = self.loss(scores, row.label, row.target)
        last = self._remember(state, value, is_fooled(scores, row.label, row.target))
        # A random start may be worse than the image, and all that came of it.
        start = self.loss(model.scores(row.image), row.label, row.target)
        return jnp.where(last.fooled | (last.best_loss >= start), last.best, row.image)

    def _remember(self, state: ClimbState, value: Array, fooled: Array) -> ClimbState:
        """Keeps the image where it fools and the best does not, or where its loss is larger."""
        better = jnp.where(fooled == state.fooled, value > state.best_loss, fooled)
        return state._replace(
            best=jnp.where(better, state.image, state.best),
            best_loss=jnp.where(better, value, state.best_loss),
            fooled=state.fooled | fooled,
        )

    def _keep_free(self, uphill: Array, image: Array) -> Array:
        """Drops the values that cannot rise or fall any more, which would hold up the others.

        A step of the sparse norms changes few values, the same ones again and again.
        """
        if self.norm not in ("l1", "l0"):
            return uphill
        stuck = ((image <= 0) & (uphill < 0)) | ((image >= 1) & (uphill > 0))
        return jnp.where(stuck, 0.0, uphill)

    def _put_inside(self, image: Array, row: Row) -> Array:
        """Puts an image into the ball around the original and into [0, 1].

        The order is right: clipping moves every value nearer to the original's.
        """
        # A value that left [0, 1] is clipped first in "l0", or the pixels that count would
        # be chosen by what nobody sees.
        if self.norm == "l0":
            image = jnp.clip(image, 0.0, 1.0)
        delta = geometry_of(self.norm).project(image - row.image, row.epsilon)
        return jnp.clip(row.image + delta, 0.0, 1.0)


def pgd(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    steps: int = 40,
    step_size: float | None = None,
    targets: Classes = None,
    loss: LossName | AttackLoss = "cross_entropy",
    random_start: bool = True,
    restarts: int = 1,
    keep: Keep = "first",
    view: View | None = None,
    samples: int = 1,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by projected gradient ascent, the strongest simple attack.

    x <- project(x + a * direction(gradient of the loss at x)), into the ball of radius
    epsilon around the image and into [0, 1].

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest norm of the perturbation, or several, which are attacked in one
        call and give an axis after that of the images. In "linf" it is a part of the whole
        range: 8 / 255. In "l0" it is a number of pixels.
      norm: "linf", "l2", "l1" or "l0".
      steps: how many gradients there are.
      step_size: the norm of a step in units of epsilon; None takes 2.5 / steps. In "l0" it
        is in units of the image, and None takes 1.
      targets: the classes that are wanted; None for any but the label.
      loss: what is raised: "cross_entropy", "margin", "dlr", or a function.
      random_start: whether it begins at a random point of the ball.
      restarts: how often; the best one is kept.
      keep: "first" stops at the first picture that fools the network; "best" takes all
        steps and keeps the picture of the largest loss; "last" keeps the last one.
      view: `(key, image) -> image`, drawn anew for every gradient (expectation over
        transformations); None attacks the image as it is.
      samples: views of one gradient.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, and numbers below 1.

    Source: Madry et al. (ICLR 2018); the step 2.5 epsilon / steps is theirs too.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.pgd(net, params, photo, epsilon=[2 / 255, 16 / 255], steps=5)
    >>> run.image.shape, run.facts["success"].shape
    ((2, 64, 64, 3), (2,))
    """
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    if step_size is None:
        step_size = 1.0 if norm == "l0" else 2.5 / max(steps, 1)
    attack = Climb(norm, steps, choose_loss(loss), step_size, None, random_start, keep)
    return run_attack(
        attack,
        net,
        params,
        victims,
        key=key,
        restarts=restarts,
        view=view,
        samples=samples,
        chunk=chunk,
        progress=progress,
    )
