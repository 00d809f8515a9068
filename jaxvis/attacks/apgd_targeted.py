"""Auto-PGD that aims at one likely wrong class after another."""

from collections.abc import Sequence

from jaxvis.attacks.apgd import NORMS, AutoClimb
from jaxvis.attacks.apgd_ranks import count_ranks
from jaxvis.attacks.losses import AttackLoss, LossName, choose_loss
from jaxvis.attacks.norms import Norm, check_norm
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import run_attack
from jaxvis.network import Network
from jaxvis.types import ImageLike, Key, Params, Run


def apgd_t(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    steps: int = 100,
    classes: int = 9,
    loss: LossName | AttackLoss = "dlr",
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by APGD-T: Auto-PGD towards each of the likeliest wrong classes.

    Any wrong class is a success. What one class achieves spares the image the next ones.

    Args:
      net, params, images, labels, epsilon: see `jaxvis.attacks.pgd`.
      norm: "linf" or "l2".
      steps: gradients of every class.
      classes: how many wrong classes it aims at, by their scores of the image as it is; all
        of a network that has fewer.
      loss: what is raised: "dlr", of the published attack, "cross_entropy", "margin", or a
        function.
      names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`; the queries are those of all classes.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm, and
        numbers below 1.

    Source: Croce & Hein (ICML 2020), section 5.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.apgd_t(net, params, photo, epsilon=4 / 255, steps=3, classes=2)
    >>> run.image.shape
    (64, 64, 3)
    """
    check_norm(norm, known=NORMS)
    victims = choose_victims(net, params, images, labels, norm=norm, epsilon=epsilon, names=names)
    attack = AutoClimb(norm, steps, choose_loss(loss), by_rank=True)
    restarts = count_ranks(classes, victims)
    return run_attack(
        attack, net, params, victims, key=key, restarts=restarts, chunk=chunk, progress=progress
    )
