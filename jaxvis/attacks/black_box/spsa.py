"""SPSA: projected ascent along a gradient that is estimated from scores alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Model, Report, Row
from jaxvis.attacks.first_order import Climb, ClimbState
from jaxvis.attacks.losses import AttackLoss, LossName, choose_loss, is_fooled
from jaxvis.attacks.minimal.smallest import check_above
from jaxvis.attacks.norms import Norm
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import run_attack
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run


@dataclass(frozen=True)
class Differences(Model):
    """A network whose gradient is estimated from differences of its scores.

    Args:
      scores, view, samples: see `Model`.
      pairs: how many random directions there are; each costs two queries.
      reach: how far each pair goes along its direction, in every value of the image.
    """

    pairs: int = 64
    reach: float = 0.01

    def climb(self, loss: AttackLoss, key: Key, image: Image, row: Row) -> tuple[Array, ...]:
        """Estimates (loss `[]`, whether it fools `[]`, gradient `[H, W, C]`).

        gradient = mean of (loss(x + r v) - loss(x - r v)) / (2 r) v, v of signs.

        Args:
          loss, image, row, key: see `Model.climb`.
        """
        signs = jax.random.rademacher(key, (self.pairs, *image.shape), jnp.float32)
        moves = self.reach * jnp.concatenate([jnp.zeros_like(signs[:1]), signs, -signs])
        scores = jax.vmap(self.scores)(jnp.clip(image + moves, 0.0, 1.0))
        values = jax.vmap(lambda one: loss(one, row.label, row.target))(scores)
        rise = (values[1 : self.pairs + 1] - values[self.pairs + 1 :]) / (2 * self.reach)
        slope = jnp.tensordot(rise, signs, 1) / self.pairs
        return values[0], is_fooled(scores[0], row.label, row.target), slope


@dataclass(frozen=True)
class Spsa(Climb):
    """Projected ascent without a gradient.

    Args:
      norm, steps, loss, step_size, momentum, random_start, keep: see `Climb`.
      pairs, reach: see `Differences`.
    """

    pairs: int = 64
    reach: float = 0.01

    @property
    def looks(self) -> int:
        """How many pictures a step asks about."""
        return 1 + 2 * self.pairs

    @property
    def follows_gradient(self) -> bool:
        """Differences of scores need no gradient."""
        return False

    def step(
        self, model: Model, row: Row, state: ClimbState, key: Key, step: Array
    ) -> tuple[ClimbState, Report]:
        """Estimates the gradient, and climbs along it.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        estimate = Differences(model.scores, pairs=self.pairs, reach=self.reach)
        state, report = super().step(estimate, row, state, key, step)
        return state, report._replace(queries=jnp.int32(1 + 2 * self.pairs))


def spsa(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    steps: int = 40,
    step_size: float | None = None,
    pairs: int = 64,
    reach: float = 0.01,
    targets: Classes = None,
    loss: LossName | AttackLoss = "margin",
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks by PGD whose gradients are estimated from the scores of random pairs.

    gradient = mean over random signs v of (loss(x + r v) - loss(x - r v)) / (2 r) v. It
    climbs where a true gradient is zero or misleads, and costs 1 + 2 `pairs` queries a step.

    Args:
      net, params: the network; its scores are used, its gradient is not.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest norm of the perturbation, or several; see `jaxvis.attacks.pgd`.
      norm: "linf", "l2", "l1" or "l0".
      steps: how many gradients are estimated; it stops at the first success.
      step_size: the norm of a step in units of epsilon; None takes 2.5 / steps. In "l0" it
        is in units of the image, and None takes 1.
      pairs: random directions of one estimate, which are looked at together.
      reach: r, how far each goes in every value of the image, above 0.
      targets: the classes that are wanted; None for any but the label.
      loss: what is raised: "cross_entropy", "margin", "dlr", or a function.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, and numbers below 1.

    Source: Spall (1992); Uesato et al., Adversarial risk and the dangers of evaluating
    against weak attacks (ICML 2018), section 4. Departure: the steps are PGD's, not Adam's.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.spsa(net, params, photo, epsilon=8 / 255, steps=2, pairs=4)
    >>> int(run.facts["queries"])
    18
    """
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    check_above(0, pairs=pairs, reach=reach)
    if step_size is None:
        step_size = 1.0 if norm == "l0" else 2.5 / max(steps, 1)
    climb = (norm, steps, choose_loss(loss), step_size, None, False, "first")
    attack = Spsa(*climb, pairs, reach)  # type: ignore[arg-type]
    return run_attack(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
