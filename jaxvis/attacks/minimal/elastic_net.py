"""The elastic net attack: small perturbations in the sum of absolute values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.minimal.constant import (
    Descent,
    Search,
    choose_constant,
    note_loss,
    start_descent,
    start_search,
)
from jaxvis.attacks.minimal.smallest import (
    Best,
    check_above,
    keep_nearest,
    look_at,
    start_best,
    sure_margin,
)
from jaxvis.attacks.norms import check_norm
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run

Rule = Literal["elastic", "l1"]
"""What the nearest picture is chosen by: |delta|_2^2 + beta |delta|_1, or |delta|_1 alone."""


class ElasticState(NamedTuple):
    """Where the attack is.

    Attributes:
      image: `[H, W, C]`, where the descent stands.
      ahead: `[H, W, C]`, where its gradient is taken.
      search: the search for the constant.
      descent: how far the present run has come.
      best: the nearest picture that fools the network.
    """

    image: Array
    ahead: Array
    search: Search
    descent: Descent
    best: Best


@dataclass(frozen=True)
class ElasticNet(Attack):
    """Accelerated shrinkage and thresholding of c * loss + |delta|_2^2 + beta |delta|_1.

    Args:
      norm, steps: see `Attack`; the steps of all runs together.
      run_steps: how many a run has at most.
      runs: how many there are.
      constant: c of the first run.
      step_size: of the first step; it falls with the root of the steps that are left.
      beta: what is taken off every value of the perturbation in a step.
      confidence: by how much the class that is wanted must win.
      rule: see `Rule`.
    """

    run_steps: int = 1000
    runs: int = 9
    constant: float = 1e-3
    step_size: float = 0.01
    beta: float = 0.01
    confidence: float = 0.0
    rule: Rule = "elastic"

    def begin(self, model: Model, row: Row, key: Key) -> tuple[ElasticState, Array]:
        """Starts at the image.

        Args:
          model, row: see `Attack.begin`; the image is `[H, W, C]`.
        """
        del model, key
        search, descent = start_search(self.constant), start_descent()
        return ElasticState(row.image, row.image, search, descent, start_best(row)), jnp.int32(0)

    def step(
        self, model: Model, row: Row, state: ElasticState, key: Key, step: Array
    ) -> tuple[ElasticState, Report]:
        """Takes a step, and begins the next run where this one is over.

        Args:
          model, row, step: see `Attack.step`; the image is `[H, W, C]`.
        """
        del step
        look = look_at(model, key, state.ahead, row)
        delta = state.ahead - row.image
        constant, iteration = state.search.constant, state.descent.iteration
        loss = constant * jnp.maximum(self.confidence - look.value, 0.0) + jnp.sum(delta * delta)
        slope = 2 * delta - constant * (look.value < self.confidence) * look.slope
        length = self.step_size * jnp.sqrt(jnp.maximum(1 - iteration / self.run_steps, 0.0))
        image = self._shrink(state.ahead - length * slope, row)
        ahead = image + iteration / (iteration + 3.0) * (image - state.image)
        value = sure_margin(model.scores(image), row.label, row.target)
        fooled = (value > 0) & (value >= self.confidence)
        best = keep_nearest(state.best, image, fooled, self._rank(image - row.image))
        descent, over = note_loss(state.descent, loss, fooled, steps=self.run_steps)
        moved = ElasticState(image, ahead, state.search, descent, best)
        search = choose_constant(state.search, descent.found, runs=self.runs)
        new = ElasticState(row.image, row.image, search, start_descent(), best)
        state = jax.tree.map(lambda a, b: jnp.where(over, a, b), new, moved)
        done = state.search.runs >= self.runs
        return state, Report(look.value, done, jnp.int32(model.samples + 1))

    def end(self, model: Model, row: Row, state: ElasticState) -> Image:
        """Gives the nearest picture that fools the network, or the image.

        Args:
          model, row: see `Attack.end`; the picture is `[H, W, C]`.
        """
        del model, row
        return state.best.image

    def _shrink(self, moved: Array, row: Row) -> Array:
        """Takes beta off every change; what changes by less is as before."""
        delta = moved - row.image
        shrunk = jnp.sign(delta) * jnp.maximum(jnp.abs(delta) - self.beta, 0.0)
        return jnp.clip(row.image + shrunk, 0.0, 1.0)

    def _rank(self, delta: Array) -> Array:
        total = jnp.sum(jnp.abs(delta))
        return total if self.rule == "l1" else self.beta * total + jnp.sum(delta * delta)


def elastic_net(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Literal["l1"] = "l1",
    steps: int = 1000,
    runs: int = 9,
    constant: float = 1e-3,
    step_size: float = 0.01,
    beta: float = 0.01,
    confidence: float = 0.0,
    rule: Rule = "elastic",
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Looks for a perturbation whose sum of absolute values is small (EAD).

    It lowers c * max(confidence - margin, 0) + |delta|_2^2 + beta |delta|_1 by accelerated
    steps (FISTA), each of which takes beta off every value: what changes little does not
    change at all. The search for c is that of Carlini and Wagner.

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest perturbation that counts as a success, or several, which share
        one search and give an axis after that of the images; None counts every one.
      norm: "l1", what the distance is measured by.
      steps: of one run, at most; a run that makes no progress ends before.
      runs: how many there are, each with its own c.
      constant: c of the first run.
      step_size: of the first step.
      beta: the weight of |delta|_1; 0 gives the L2 attack.
      confidence: the margin by which the class that is wanted must win.
      rule: "elastic" or "l1": what the nearest picture is chosen by.
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key; nothing is random here.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`; `trace["loss"]` is the margin.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm or
        rule, and numbers that are too small.

    Source: Chen et al. (AAAI 2018), algorithm 1.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.elastic_net(
    ...     net, params, photo, steps=20, runs=2, constant=10.0, step_size=0.1
    ... )
    >>> run.image.shape
    (64, 64, 3)
    """
    check_norm(norm, known=("l1",))
    if rule not in get_args(Rule):
        raise ValueError(f"rule={rule!r} is not known: choose one of {', '.join(get_args(Rule))}")
    check_above(0, steps=steps, runs=runs, constant=constant, step_size=step_size)
    attack = ElasticNet(
        norm,
        steps * runs,
        steps,
        runs,
        constant,
        step_size,
        max(beta, 0.0),
        max(confidence, 0.0),
        rule,
    )
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    return search_smallest(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
