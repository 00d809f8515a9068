"""The saliency map attack: pairs of values set to the end of their range, one pair a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.losses import leave_out, margin
from jaxvis.attacks.minimal.smallest import check_above, sure_margin
from jaxvis.attacks.norms import TINY, check_norm
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run

MIXTURES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Weights of the target's gradient against that of the others, by which the values are
ranked of which pairs are made."""


class SaliencyState(NamedTuple):
    """Where the attack is.

    Attributes:
      image: `[H, W, C]`.
      target: `[]` int32, the class that is raised.
    """

    image: Array
    target: Array


@dataclass(frozen=True)
class SaliencyMap(Attack):
    """Changes the pair of values that raises the target most and lowers the others.

    Args:
      norm, steps: see `Attack`; a step is a pair.
      change: what is added to both values.
      candidates: the number of values of which pairs are made.
    """

    change: float = 1.0
    candidates: int = 1024

    def begin(self, model: Model, row: Row, key: Key) -> tuple[SaliencyState, Array]:
        """Takes the target, or the class that comes second.

        Args:
          model, row: see `Attack.begin`; the image is `[H, W, C]`.
        """
        del key
        scores = model.scores(row.image)
        others = leave_out(scores, row.label)
        target = jnp.where(row.target < 0, jnp.argmax(others).astype(jnp.int32), row.target)
        return SaliencyState(row.image, target), jnp.int32(1)

    def step(
        self, model: Model, row: Row, state: SaliencyState, key: Key, step: Array
    ) -> tuple[SaliencyState, Report]:
        """Changes the best pair, unless the picture fools the network or no pair helps.

        Args:
          model, row, step: see `Attack.step`; the image is `[H, W, C]`.
        """
        del key, step
        scores, pull_back = jax.vjp(model.scores, state.image)
        wanted = jnp.asarray(jnp.arange(scores.size) == state.target, scores.dtype)
        both = jax.vmap(pull_back)(jnp.stack([wanted, 1 - wanted]))[0]
        rise, fall = jnp.sign(self.change) * both * jnp.array([1.0, -1.0])[:, None, None, None]
        pair, helps = self._choose_pair(state.image, rise, fall)
        # Added, not put: both values may be one where there is no pair.
        change = jnp.zeros(state.image.size).at[pair].set(self.change)
        moved = jnp.clip(state.image + change.reshape(state.image.shape), 0.0, 1.0)
        sure = sure_margin(scores, row.label, row.target) > 0
        done = sure | ~helps
        image = jnp.where(done, state.image, moved)
        # The value is the runner-up's where any class but the label is wanted.
        value = margin(scores, row.label, row.target)
        return state._replace(image=image), Report(value, done, jnp.int32(1))

    def end(self, model: Model, row: Row, state: SaliencyState) -> Image:
        """Gives the picture where it stands, whether or not it fools the network.

        Args:
          model, row: see `Attack.end`; the picture is `[H, W, C]`.
        """
        del model, row
        return state.image

    def _choose_pair(self, image: Array, rise: Array, fall: Array) -> tuple[Array, Array]:
        """Returns the numbers of two values `[2]`, and whether changing them helps `[]`.

        By how much both raise the target and lower the others together must be above 0,
        and the product of the two is the largest.
        """
        room = (image < 1) if self.change > 0 else (image > 0)
        at = self._choose_candidates(rise, fall, room)
        up, down, free = rise.ravel()[at], fall.ravel()[at], room.ravel()[at]
        raised, lowered = up[:, None] + up, down[:, None] + down
        allowed = (raised > 0) & (lowered > 0) & free[:, None] & free & (at[:, None] != at)
        product = jnp.where(allowed, raised * lowered, -jnp.inf)
        first, second = jnp.divmod(jnp.argmax(product), at.size)
        return jnp.stack([at[first], at[second]]), jnp.any(allowed)

    def _choose_candidates(self, rise: Array, fall: Array, room: Array) -> Array:
        """Returns the numbers of the values of which pairs are made; all of a small image.

        A large image has too many pairs. Then these are the first by several mixtures of
        the two gradients.
        """
        if rise.size <= self.candidates:
            return jnp.arange(rise.size)
        parts = [part.ravel() / jnp.maximum(jnp.std(part), TINY) for part in (rise, fall)]
        each = -(-self.candidates // len(MIXTURES))
        ranked = []
        for weight in MIXTURES:
            mixture = weight * parts[0] + (1 - weight) * parts[1]
            ranked.append(jax.lax.top_k(jnp.where(room.ravel(), mixture, -jnp.inf), each)[1])
        return jnp.concatenate(ranked)


def jsma(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Literal["l0"] = "l0",
    steps: int = 100,
    change: float = 1.0,
    candidates: int = 1024,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Changes few pixels, by the saliency map of pairs (JSMA).

    Of a pair (p, q), a is the sum of dz_target/dx over both and b that of the sum over the
    other classes. The pair of the largest -a b with a > 0 and b < 0 is changed, once a step,
    until the network says what is wanted or no pair helps.

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest number of pixels that counts as a success, or several, which
        share one search and give an axis after that of the images; None counts every one.
      norm: "l0", which counts pixels; a pair is two values, in the same pixel or in two.
      steps: how many pairs are changed at most.
      change: what is added to both values; 1 sets them to 1, and -1 to 0.
      candidates: of how many values pairs are made. An image of more has pairs of those
        alone that come first by the two gradients and mixtures of them: all pairs of
        224 x 224 x 3 values are 10^10.
      targets: the classes that are wanted. None raises the class that comes second, and
        any but the label is a success.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key; nothing is random here.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`; `trace["loss"]` is the margin.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, a
        change of 0, fewer than 2 candidates, and numbers that are too small.

    Source: Papernot et al. (EuroS&P 2016), algorithms 2 and 3, of scores before softmax.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.jsma(net, params, photo, steps=10)
    >>> bool(run.facts["distance"] <= 20)
    True
    """
    check_norm(norm, known=("l0",))
    check_above(0, steps=steps, change_in_size=abs(change))
    check_above(1, candidates=candidates)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    attack = SaliencyMap(norm, steps, change, candidates)
    return search_smallest(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
