"""The Square attack: a random search that sees the class scores alone, no gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks import square_draws as draws
from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import AttackLoss, LossName, choose_loss, is_fooled, margin
from jaxvis.attacks.norms import TINY, Norm, check_norm
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import run_attack
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run

NORMS = ("linf", "l2")
"""The norms that it was published for."""


class SearchState(NamedTuple):
    """Where a random search is.

    Attributes:
      image: `[H, W, C]`, the best so far.
      loss: `[]`, its loss.
      fooled: `[]` bool, whether it fools the network.
    """

    image: Array
    loss: Array
    fooled: Array


@dataclass(frozen=True)
class SquareSearch(Attack):
    """A search that changes a random square, and keeps what raises the loss.

    Args:
      norm, steps: see `Attack`; a step is one query.
      loss: what is raised.
    """

    loss: AttackLoss = margin

    @property
    def stops_when_fooled(self) -> bool:
        """Whether the first success ends it."""
        return True

    @property
    def follows_gradient(self) -> bool:
        """Whether a loss that never moves means that no gradient arrives."""
        return False

    def begin(self, model: Model, row: Row, key: Key) -> tuple[SearchState, Array]:
        """Starts with stripes of the full epsilon, or in "l2" with patterns side by side.

        Args:
          model, row, key: see `Attack.begin`; images are `[H, W, C]`.
        """
        draw = draws.draw_stripes if self.norm == "linf" else draws.draw_tiles
        delta = _find_radius(row) * draw(key, row.image.shape)
        image = jnp.clip(row.image + delta, 0.0, 1.0)
        value, fooled = self._look(model, row, image)
        return SearchState(image, value, fooled), jnp.int32(1)

    def step(
        self, model: Model, row: Row, state: SearchState, key: Key, step: Array
    ) -> tuple[SearchState, Report]:
        """Tries one square.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        odd = self.norm == "l2"
        size = row.image.shape[0], row.image.shape[1]
        sides = draws.plan_sides(self.steps, size, least=3 if odd else 1, odd=odd)
        side = jnp.asarray(sides)[step]
        change = _change_linf if self.norm == "linf" else _change_l2
        image = change(key, row, state.image, side)
        value, fooled = self._look(model, row, image)
        better = (value > state.loss) | fooled
        taken = SearchState(image, value, fooled)
        # What fools the network already stays; it costs nothing more.
        take = better & ~state.fooled
        new = jax.tree.map(lambda new, old: jnp.where(take, new, old), taken, state)
        queries = jnp.where(state.fooled, 0, 1)
        return new, Report(state.loss, new.fooled, queries)

    def end(self, model: Model, row: Row, state: SearchState) -> Image:
        """Gives the best image; the original where it never became better than that.

        Args:
          model, row, state: see `Attack.end`; the image is `[H, W, C]`.
        """
        start, _ = self._look(model, row, row.image)
        return jnp.where(state.fooled | (state.loss >= start), state.image, row.image)

    def _look(self, model: Model, row: Row, image: Array) -> tuple[Array, Array]:
        scores = model.scores(image)
        return self.loss(scores, row.label, row.target), is_fooled(scores, row.label, row.target)


def _find_radius(row: Row) -> Array:
    """Returns epsilon, or the whole range where it is infinite."""
    return jnp.where(jnp.isfinite(row.epsilon), row.epsilon, row.image.size**0.5)


def _change_linf(key: Key, row: Row, image: Array, side: Array) -> Array:
    """Gives a square one colour at the edge of the ball."""
    for_corner, for_sign = jax.random.split(key)
    size = image.shape[0], image.shape[1]
    inside = draws.mark(draws.draw_corner(for_corner, side, size), side, size)
    signs = draws.draw_signs(for_sign, image.shape[2:])
    changed = jnp.clip(row.image + _find_radius(row) * signs, 0.0, 1.0)
    return jnp.where(inside[..., None], changed, image)


def _change_l2(key: Key, row: Row, image: Array, side: Array) -> Array:
    """Moves what a second square has of the ball's radius to a first one, as a pattern."""
    keys = jax.random.split(key, 4)
    size = image.shape[0], image.shape[1]
    radius, delta = _find_radius(row), image - row.image
    corner = draws.draw_corner(keys[0], side, size)
    first = draws.mark(corner, side, size)[..., None]
    second = draws.mark(draws.draw_corner(keys[1], side, size), side, size)[..., None]
    old = jnp.where(first, delta, 0.0)
    signs = draws.draw_signs(keys[2], image.shape[2:])
    pattern = draws.draw_pattern(keys[3], corner, side, size)[..., None] * signs
    new = pattern + old / (_measure(old) + TINY)
    left = jnp.maximum(radius**2 - jnp.sum(delta * delta), 0.0) / image.shape[2]
    both = _measure(jnp.where(first | second, delta, 0.0))
    new = new / (_measure(new) + TINY) * jnp.sqrt(left + both**2)
    delta = jnp.where(first, new, jnp.where(second, 0.0, delta))
    length = jnp.maximum(jnp.sqrt(jnp.sum(delta * delta)), TINY)
    return jnp.clip(row.image + radius * delta / length, 0.0, 1.0)


def _measure(delta: Array) -> Array:
    """Returns the length of every colour, `[C]`."""
    return jnp.sqrt(jnp.sum(delta * delta, axis=(0, 1)))


def square(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    steps: int = 5000,
    targets: Classes = None,
    loss: LossName | AttackLoss = "margin",
    restarts: int = 1,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by the Square attack, which needs scores but no gradient.

    It gives a random square of the image one random colour at the edge of the ball (in "l2" a
    pattern of two heaps), and keeps what raises the loss. The squares become smaller by a
    schedule. It sees through defences that merely hide their gradients.

    Args:
      net, params, images, labels, epsilon: see `jaxvis.attacks.pgd`.
      norm: "linf" or "l2".
      steps: how many squares are tried: the budget of queries, after the first one.
      targets: the classes that are wanted; None for any but the label.
      loss: what is raised: "margin", of the published attack, "cross_entropy", "dlr", or a
        function.
      restarts, names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, and
        numbers below 1.

    Source: Andriushchenko et al., Square attack: a query-efficient black-box adversarial attack
    via random search (ECCV 2020).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.square(net, params, photo, epsilon=8 / 255, steps=5)
    >>> int(run.facts["queries"]) <= 6
    True
    """
    check_norm(norm, known=NORMS)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = SquareSearch(norm, steps, choose_loss(loss))
    return run_attack(
        attack,
        net,
        params,
        victims,
        key=key,
        restarts=restarts,
        chunk=chunk,
        progress=progress,
    )
