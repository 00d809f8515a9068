"""Auto-PGD: projected gradient ascent that chooses its own step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.apgd_ranks import rank_class
from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import AttackLoss, LossName, choose_loss, cross_entropy, is_fooled
from jaxvis.attacks.norms import TINY, Norm, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import run_attack
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run, View

NORMS = ("linf", "l2")
"""The norms that it was published for."""
MOMENTUM, RISES = 0.75, 0.75
"""The share of the new step in a move, and that of the steps between two checkpoints that
must raise the loss, or the step is halved."""


class AutoState(NamedTuple):
    """Where an Auto-PGD is.

    Attributes:
      image, before: `[H, W, C]`, where it stands and where it stood.
      best: `[H, W, C]`, the image of the largest loss; `slope` is the gradient there and
        `best_loss` that loss.
      fooling: `[H, W, C]`, the last image that fooled the network, where `fooled` says so.
      length: `[]`, the step in units of epsilon.
      last_loss: `[]`, of the step before.
      rises: `[]` int32, how many steps raised the loss since the last checkpoint.
      checked_loss: `[]`, the largest loss at the last checkpoint.
      halved: `[]` bool, whether the step was halved there.
      aim: `[]` int32, the class that the loss is about where it has a target; below 0 none.
    """

    image: Array
    before: Array
    best: Array
    slope: Array
    best_loss: Array
    fooling: Array
    fooled: Array
    length: Array
    last_loss: Array
    rises: Array
    checked_loss: Array
    halved: Array
    aim: Array


@dataclass(frozen=True)
class AutoClimb(Attack):
    """Projected gradient ascent with a momentum whose step is halved where it stops to pay.

    Args:
      norm, steps: see `Attack`.
      loss: what is raised.
      by_rank: whether the loss aims at another class in every restart: the likeliest wrong
        one in the first, and so on. Any wrong class is a success all the same.
    """

    loss: AttackLoss = cross_entropy
    by_rank: bool = False

    @property
    def stops_when_fooled(self) -> bool:
        """Whether the first success ends it."""
        return True

    def begin(self, model: Model, row: Row, key: Key) -> tuple[AutoState, Array]:
        """Starts at a random point of the ball's edge, as published.

        Args:
          model, row, key: see `Attack.begin`; images are `[H, W, C]`.
        """
        geometry = geometry_of(self.norm)
        # Its own direction, stretched to the edge.
        delta = geometry.draw(key, row.image.shape, jnp.float32(1.0))
        delta = self._radius(row) * delta / jnp.maximum(geometry.measure(delta), TINY)
        image = jnp.clip(row.image + delta, 0.0, 1.0)
        low, no, zero = jnp.float32(-jnp.inf), jnp.array(False), jnp.zeros_like(image)
        aim, queries = row.target, jnp.int32(0)
        if self.by_rank:
            aim, queries = rank_class(model, row), jnp.int32(1)
        return (
            AutoState(
                image=image,
                before=image,
                best=image,
                slope=zero,
                best_loss=low,
                fooling=row.image,
                fooled=no,
                length=jnp.float32(2.0),
                last_loss=low,
                rises=jnp.int32(0),
                checked_loss=low,
                halved=jnp.array(True),
                aim=aim,
            ),
            queries,
        )

    def step(
        self, model: Model, row: Row, state: AutoState, key: Key, step: Array
    ) -> tuple[AutoState, Report]:
        """Looks at the image, halves the step where that is due, and moves.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        value, fooled, gradient = self._climb(model, row, state.aim, state.image, key)
        state = state._replace(
            fooling=jnp.where(fooled, state.image, state.fooling), fooled=state.fooled | fooled
        )
        state = self._note(state, value, gradient, step)
        state, gradient = self._check_step(state, gradient, step)
        moved = self._move(row, state, gradient, step)
        state = state._replace(image=moved, before=state.image)
        return state, Report(value, fooled, jnp.int32(model.samples))

    def end(self, model: Model, row: Row, state: AutoState) -> Image:
        """Gives an image that fooled the network, or that of the largest loss.

        Args:
          model, row, state: see `Attack.end`; the image is `[H, W, C]`.
        """
        scores = model.scores(state.image)
        value = self.loss(scores, row.label, state.aim)
        fooled = is_fooled(scores, row.label, row.target)
        best = jnp.where(value > state.best_loss, state.image, state.best)
        # It began elsewhere, perhaps at better than it ever reached.
        start = self.loss(model.scores(row.image), row.label, state.aim)
        best = jnp.where(start > jnp.maximum(value, state.best_loss), row.image, best)
        unfooled = jnp.where(fooled, state.image, best)
        return jnp.where(state.fooled, state.fooling, unfooled)

    def _radius(self, row: Row) -> Array:
        """Returns epsilon, or the norm of the whole range where it is infinite."""
        whole = geometry_of(self.norm).measure(jnp.ones_like(row.image))
        return jnp.minimum(row.epsilon, whole)

    def _climb(
        self, model: Model, row: Row, aim: Array, image: Array, key: Key
    ) -> tuple[Array, ...]:
        """Computes the loss, which aims at a class, and whether any success is reached."""

        def loss(scores: Array, label: Array, target: Array) -> Array:
            del target
            return self.loss(scores, label, aim)

        return model.climb(loss, key, image, row)

    def _note(self, state: AutoState, value: Array, gradient: Array, step: Array) -> AutoState:
        better = value > state.best_loss
        return state._replace(
            best=jnp.where(better, state.image, state.best),
            slope=jnp.where(better, gradient, state.slope),
            best_loss=jnp.where(better, value, state.best_loss),
            rises=state.rises + ((step > 0) & (value > state.last_loss)),
            last_loss=value,
            checked_loss=jnp.where(step == 0, value, state.checked_loss),
        )

    def _check_step(
        self, state: AutoState, gradient: Array, step: Array
    ) -> tuple[AutoState, Array]:
        """Halves the step at a checkpoint, and goes on at the best image, where it must."""
        period = jnp.asarray(find_checkpoints(self.steps))[step]
        stalls = state.rises <= RISES * period
        stays = ~state.halved & (state.checked_loss >= state.best_loss)
        due = period > 0
        halve = due & (stalls | stays)
        state = state._replace(
            length=jnp.where(halve, state.length / 2, state.length),
            rises=jnp.where(due, 0, state.rises),
            checked_loss=jnp.where(due, state.best_loss, state.checked_loss),
            halved=jnp.where(due, halve, state.halved),
        )
        # The way behind it stays: the momentum of the next move points from there.
        image = jnp.where(halve, state.best, state.image)
        return state._replace(image=image), jnp.where(halve, state.slope, gradient)

    def _move(self, row: Row, state: AutoState, gradient: Array, step: Array) -> Array:
        geometry = geometry_of(self.norm)

        def put_inside(image: Array) -> Array:
            delta = geometry.project(image - row.image, row.epsilon)
            return jnp.clip(row.image + delta, 0.0, 1.0)

        direction = geometry.point(gradient)
        ahead = put_inside(state.image + state.length * self._radius(row) * direction)
        share = jnp.where(step == 0, 1.0, MOMENTUM)
        behind = state.image - state.before
        return put_inside(state.image + share * (ahead - state.image) + (1 - share) * behind)


def find_checkpoints(steps: int) -> np.ndarray:
    """Returns for every step how many came since the last checkpoint, `[steps + 1]`.

    It is 0 where there is no checkpoint. They are 0.22 of all steps apart, then less by 0.03
    each time, but never less than 0.06.

    Args:
      steps: how many there are.
    """
    period, least, less = (max(int(share * steps), 1) for share in (0.22, 0.06, 0.03))
    found, at = np.zeros(steps + 1, np.int32), period
    while at <= steps:
        found[at] = period
        period = max(period - less, least)
        at += period
    return found


def apgd(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    steps: int = 100,
    targets: Classes = None,
    loss: LossName | AttackLoss = "cross_entropy",
    restarts: int = 1,
    view: View | None = None,
    samples: int = 1,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by Auto-PGD, which has no step to choose: APGD-CE, or APGD-DLR.

    The step begins at 2 epsilon and is halved at checkpoints where the loss rose in fewer
    than 3/4 of the steps, or where neither it nor the step has changed; the climb then goes on
    at the best image. A move is 3/4 of a projected step and 1/4 of the last move.

    Args:
      net, params, images, labels, epsilon: see `jaxvis.attacks.pgd`.
      norm: "linf" or "l2".
      steps: how many gradients there are.
      targets: the classes that are wanted; None for any but the label.
      loss: "cross_entropy" for APGD-CE, "dlr" for APGD-DLR, "margin", or a function.
      restarts, view, samples, names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, and
        numbers below 1.

    Source: Croce & Hein, Reliable evaluation of adversarial robustness with an ensemble of
    diverse parameter-free attacks (ICML 2020), algorithm 1.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.apgd(net, params, photo, epsilon=8 / 255, steps=5, loss="dlr")
    >>> run.image.shape
    (64, 64, 3)
    """
    check_norm(norm, known=NORMS)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = AutoClimb(norm, steps, choose_loss(loss))
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
