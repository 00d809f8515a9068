"""What an attack is: a start, a step and an end for ONE image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks.losses import AttackLoss, is_fooled
from jaxvis.attacks.norms import Norm
from jaxvis.types import Array, Image, Key, View


class Row(NamedTuple):
    """What is attacked once: an image, with one epsilon, one target and one restart.

    Attributes:
      image: `[H, W, C]` in [0, 1], the original.
      label: `[]` int32, its true class.
      target: `[]` int32, the class that is wanted; -1 for any but the label.
      epsilon: `[]`, the largest norm of the perturbation; infinite for an attack that
        looks for the smallest one.
      start: `[H, W, C]`, where an attack begins that begins elsewhere; or None.
      restart: `[]` int32, which restart it is, from 0: attacks of one class after another
        take the class of that rank.
    """

    image: Array
    label: Array
    target: Array
    epsilon: Array
    start: Array | None = None
    restart: Array | None = None


class Report(NamedTuple):
    """What a step says of one image.

    Attributes:
      loss: `[]`, of the image before the step; larger is nearer to success. Attacks that
        look for the smallest perturbation give the margin of what they look at, or minus
        the least norm so far.
      done: `[]` bool, whether more steps would change nothing.
      queries: `[]` int32, how many images the network has seen in this step.
    """

    loss: Array
    done: Array
    queries: Array


@dataclass(frozen=True)
class Model:
    """The network as an attack sees it: one image to its class scores.

    Args:
      scores: `image [H, W, C] -> [K]`, before softmax.
      view: `(key, image) -> image`, drawn anew for every gradient: the attack climbs the
        mean over such views (expectation over transformations). None sees the image.
      samples: how many views a gradient is the mean of.
    """

    scores: Callable[[Array], Array]
    view: View | None = None
    samples: int = 1

    def is_fooled(self, image: Image, row: Row) -> Array:
        """Says whether the plain image is what the attack wants, `[]` bool.

        Args:
          image: `[H, W, C]`.
          row: what is attacked.
        """
        return is_fooled(self.scores(image), row.label, row.target)

    def climb(self, loss: AttackLoss, key: Key, image: Image, row: Row) -> tuple[Array, ...]:
        """Computes (loss `[]`, whether it fools `[]`, gradient `[H, W, C]`).

        With views these are means, and it fools where more than half of them do.

        Args:
          loss: what is raised.
          image: `[H, W, C]`.
          row: what is attacked.
          key: for the views.
        """

        def value(image: Image, key: Key) -> tuple[Array, Array]:
            seen = image if self.view is None else self.view(key, image)
            scores = self.scores(seen)
            return loss(scores, row.label, row.target), is_fooled(scores, row.label, row.target)

        gradient = jax.value_and_grad(value, has_aux=True)
        if self.view is None:
            (found, fooled), slope = gradient(image, key)
            return found, fooled, slope
        keys = jax.random.split(key, self.samples)
        (found, fooled), slope = jax.vmap(gradient, (None, 0))(image, keys)
        return jnp.mean(found), jnp.mean(fooled) > 0.5, jnp.mean(slope, axis=0)


@dataclass(frozen=True)
class Attack:
    """How one image is attacked. Static and hashable; equal ones never compile again.

    The engine maps it over many images, spreads them over all devices and drives its steps.
    No step may contain a loop around the network: what looks again takes another step.

    Args:
      norm: what measures the perturbation.
      steps: how many there are at most.
    """

    norm: Norm
    steps: int

    def begin(self, model: Model, row: Row, key: Key) -> tuple[Any, Array]:
        """Makes the first state, a pytree, and says how many images the network saw, `[]`.

        Args:
          model: the network.
          row: what is attacked.
          key: of this image and restart.

        Raises:
          NotImplementedError: unless it is overridden.
        """
        raise NotImplementedError(f"{type(self).__name__} has no begin")

    def step(self, model: Model, row: Row, state: Any, key: Key, step: Array) -> tuple[Any, Report]:
        """Takes one step.

        Args:
          model: the network.
          row: what is attacked.
          state: after the steps before.
          key: another one in every step.
          step: `[]` int32, how many steps came before.

        Raises:
          NotImplementedError: unless it is overridden.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def end(self, model: Model, row: Row, state: Any) -> Image:
        """Makes the picture `[H, W, C]`; it is clipped to [0, 1] and judged by the engine.

        Args:
          model: the network.
          row: what is attacked.
          state: after the last step.

        Raises:
          NotImplementedError: unless it is overridden.
        """
        raise NotImplementedError(f"{type(self).__name__} has no end")

    @property
    def stops_when_fooled(self) -> bool:
        """Whether a success at a small epsilon settles the larger ones and the restarts."""
        return False

    @property
    def follows_gradient(self) -> bool:
        """Whether a loss that never moves means that no gradient arrives."""
        return True

    @property
    def looks(self) -> int:
        """How many pictures of one image the network sees together in a step."""
        return 1
