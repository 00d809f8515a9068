"""The attack of Carlini and Wagner: the smallest perturbation, by descent and a search for c."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.minimal.constant import (
    Descent,
    Search,
    choose_constant,
    note_loss,
    start_descent,
    start_search,
)
from jaxvis.attacks.minimal.limit import LinfWeight, choose_limit, start_limit
from jaxvis.attacks.minimal.smallest import (
    Best,
    check_above,
    keep_nearest,
    look_at,
    measure,
    start_best,
)
from jaxvis.attacks.norms import check_norm
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.loss.canvas import Tanh
from jaxvis.network import Network
from jaxvis.optimize.rules import adam
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run


class CarliniWagnerState(NamedTuple):
    """Where the attack is.

    Attributes:
      z: `[H, W, C]`, where the descent stands on the canvas.
      start: `[H, W, C]`, where its present run began.
      shift: `[H, W, C]`, the image less what the canvas makes of it.
      optimizer: the state of Adam.
      weight: what weighs the loss against the distance, and its search.
      descent: how far the present run has come.
      best: the nearest picture that fools the network.
    """

    z: Array
    start: Array
    shift: Array
    optimizer: Any
    weight: Search | LinfWeight
    descent: Descent
    best: Best


@dataclass(frozen=True)
class CarliniWagner(Attack):
    """Descent of distance + c * loss on a canvas that cannot leave [0, 1].

    Args:
      norm, steps: see `Attack`; the steps of all runs together.
      run_steps: how many a run has at most.
      runs: how many runs there are at most.
      constant: c of the first run.
      step_size: of Adam, on the canvas.
      confidence: by how much the class that is wanted must win.
    """

    run_steps: int = 1000
    runs: int = 9
    constant: float = 1e-3
    step_size: float = 0.01
    confidence: float = 0.0

    def begin(self, model: Model, row: Row, key: Key) -> tuple[CarliniWagnerState, Array]:
        """Puts the image on the canvas.

        Args:
          model, row: see `Attack.begin`; the image is `[H, W, C]`.
        """
        del model, key
        start = self._canvas(row).encode(row.image)
        shift = row.image - self._decode(row, start)
        choose = start_search if self.norm == "l2" else start_limit
        optimizer = self._adam().init(start)
        weight, best = choose(self.constant), start_best(row)
        descent = start_descent()
        state = CarliniWagnerState(start, start, shift, optimizer, weight, descent, best)
        return state, jnp.int32(0)

    def step(
        self, model: Model, row: Row, state: CarliniWagnerState, key: Key, step: Array
    ) -> tuple[CarliniWagnerState, Report]:
        """Looks at the picture, moves it, and begins the next run where this one is over.

        Args:
          model, row, step: see `Attack.step`; the image is `[H, W, C]`.
        """
        del step
        image, pull_back = jax.vjp(lambda z: self._draw(row, state.shift, z), state.z)
        look = look_at(model, key, image, row)
        fooled = look.fooled & (look.value >= self.confidence)
        near, slope = self._weigh_distance(image - row.image, state.weight)
        missing = jnp.maximum(self.confidence - look.value, 0.0)
        slope -= state.weight.constant * (look.value < self.confidence) * look.slope
        best = keep_nearest(state.best, image, fooled, measure(self, image, row))
        loss = near + state.weight.constant * missing
        update, optimizer = self._adam().update(*pull_back(slope), state.optimizer)
        z = optax.apply_updates(state.z, update)
        descent, over = note_loss(state.descent, loss, fooled, steps=self.run_steps)
        if isinstance(state.weight, LinfWeight):
            over |= best.distance < state.weight.limit
        moved = state._replace(z=z, optimizer=optimizer, descent=descent, best=best)
        new = self._begin_run(row, moved, state.z)
        state = jax.tree.map(lambda a, b: jnp.where(over, a, b), new, moved)
        is_last = self._is_last(state)
        return state, Report(look.value, is_last, jnp.int32(model.samples))

    def end(self, model: Model, row: Row, state: CarliniWagnerState) -> Image:
        """Gives the nearest picture that fools the network, or the image.

        Args:
          model, row: see `Attack.end`; the picture is `[H, W, C]`.
        """
        del model, row
        return state.best.image

    def _weigh_distance(self, delta: Array, weight: Search | LinfWeight) -> tuple[Array, Array]:
        """Returns what the descent lowers of a perturbation, and its gradient."""
        if isinstance(weight, Search):
            return jnp.sum(delta * delta), 2.0 * delta
        beyond = jnp.maximum(jnp.abs(delta) - weight.limit, 0.0)
        return jnp.sum(beyond), jnp.sign(delta) * (beyond > 0)

    def _begin_run(self, row: Row, state: CarliniWagnerState, looked: Array) -> CarliniWagnerState:
        """Begins the next run: at the image in "l2", in "linf" where the last one succeeded."""
        if isinstance(state.weight, Search):
            start = state.start
            weight: Any = choose_constant(state.weight, state.descent.found, runs=self.runs)
        else:
            succeeded = state.best.distance < state.weight.limit
            start = jnp.where(succeeded, looked, state.start)
            weight = choose_limit(state.weight, state.best.distance)
        optimizer = self._adam().init(start)
        return state._replace(
            z=start, start=start, optimizer=optimizer, weight=weight, descent=start_descent()
        )

    def _is_last(self, state: CarliniWagnerState) -> Array:
        spent = state.weight.runs >= self.runs
        return spent if isinstance(state.weight, Search) else spent | state.weight.is_hopeless

    def _draw(self, row: Row, shift: Array, z: Array) -> Image:
        """Draws a picture; of the start it is the image itself.

        The canvas alone would keep it a little from 0 and 1.
        """
        return jnp.clip(self._decode(row, z) + shift, 0.0, 1.0)

    def _decode(self, row: Row, z: Array) -> Image:
        # The key goes unused: the canvas of pixels draws nothing at random.
        return self._canvas(row).decode(None, z, jax.random.key(0))

    def _canvas(self, row: Row) -> Tanh:
        height, width, channels = row.image.shape
        return Tanh((height, width), channels=channels)

    def _adam(self) -> optax.GradientTransformation:
        return adam(self.step_size).transformation()


def carlini_wagner(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Literal["l2", "linf"] = "l2",
    steps: int = 1000,
    runs: int | None = None,
    constant: float = 1e-3,
    step_size: float = 0.01,
    confidence: float = 0.0,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Looks for the smallest perturbation by the descent of Carlini and Wagner.

    Adam lowers distance + c * max(confidence - margin, 0) over z of image = (tanh z + 1) / 2,
    which cannot leave [0, 1]. In "l2" the distance is |delta|_2^2, and the search for c is
    binary. In "linf" it is the sum of what |delta| has beyond a limit; the limit shrinks
    to 0.9 of the distance that was found last, and c grows where a run fails. Every image
    goes through this by itself.

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest perturbation that counts as a success, or several, which share
        one search and give an axis after that of the images; None counts every one.
      norm: "l2" or "linf".
      steps: of one run of Adam, at most; a run that makes no progress ends before.
      runs: how many there are at most; None takes 9 in "l2" and 100 in "linf".
      constant: c of the first run.
      step_size: of Adam.
      confidence: the margin by which the class that is wanted must win.
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

    Source: Carlini & Wagner (IEEE S&P 2017), with f_6.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.carlini_wagner(
    ...     net, params, photo, steps=20, runs=2, constant=10.0, step_size=0.1
    ... )
    >>> bool(run.facts["success"])
    True
    """
    check_norm(norm, known=("l2", "linf"))
    runs = (9 if norm == "l2" else 100) if runs is None else runs
    check_above(0, steps=steps, runs=runs, constant=constant, step_size=step_size)
    attack = CarliniWagner(
        norm, steps * runs, steps, runs, constant, step_size, max(confidence, 0.0)
    )
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    return search_smallest(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
