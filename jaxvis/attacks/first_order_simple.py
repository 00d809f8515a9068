"""The first-order attacks before PGD: one step, several steps, steps with a momentum."""

from collections.abc import Sequence

from jaxvis.attacks.first_order import Climb, Keep, pgd
from jaxvis.attacks.losses import AttackLoss, LossName, choose_loss
from jaxvis.attacks.norms import Norm
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims
from jaxvis.attacks.run import run_attack
from jaxvis.network import Network
from jaxvis.types import ImageLike, Key, Params, Run


def fgsm(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    targets: Classes = None,
    loss: LossName | AttackLoss = "cross_entropy",
    keep: Keep = "first",
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by the fast gradient sign method: one step to the edge of the ball.

    x + epsilon * sign(gradient of the loss at x), clipped to [0, 1]; in the other norms the
    step goes along their own direction of steepest ascent. It is the weakest attack here, and
    the cheapest: two looks at the network.

    Args:
      net, params, images, labels, epsilon, norm, targets, loss: see `jaxvis.attacks.pgd`.
      keep: "first" and "best" give the image itself where the step lowers the loss; "last"
        gives the step whatever it does.
      names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses.

    Source: Goodfellow et al., Explaining and harnessing adversarial examples (ICLR 2015).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.fgsm(net, params, photo, epsilon=8 / 255)
    >>> bool(run.facts["distance"] <= 8 / 255 + 1e-6)
    True
    """
    return pgd(
        net,
        params,
        images,
        labels,
        epsilon=epsilon,
        norm=norm,
        steps=1,
        step_size=1.0,
        targets=targets,
        loss=loss,
        random_start=False,
        keep=keep,
        names=names,
        key=key,
        chunk=chunk,
        progress=progress,
    )


def bim(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    steps: int = 10,
    step_size: float = 0.2,
    targets: Classes = None,
    loss: LossName | AttackLoss = "cross_entropy",
    keep: Keep = "first",
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by the basic iterative method: PGD that starts at the image itself.

    Args:
      net, params, images, labels, epsilon, norm: see `jaxvis.attacks.pgd`.
      steps: how many gradients there are.
      step_size: the norm of a step in units of epsilon; in "l0" in units of the image.
      targets, loss, keep, names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, and numbers below 1.

    Source: Kurakin et al., Adversarial examples in the physical world (ICLR workshop 2017).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.bim(net, params, photo, epsilon=8 / 255, steps=3)
    >>> run.image.shape
    (64, 64, 3)
    """
    return pgd(
        net,
        params,
        images,
        labels,
        epsilon=epsilon,
        norm=norm,
        steps=steps,
        step_size=step_size,
        targets=targets,
        loss=loss,
        random_start=False,
        keep=keep,
        names=names,
        key=key,
        chunk=chunk,
        progress=progress,
    )


def mi_fgsm(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    steps: int = 10,
    step_size: float | None = None,
    momentum: float = 1.0,
    targets: Classes = None,
    loss: LossName | AttackLoss = "cross_entropy",
    keep: Keep = "first",
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by the momentum iterative method, whose pictures transfer well.

    g <- mu g + gradient / |gradient|_1, x <- project(x + a * direction(g)).

    Args:
      net, params, images, labels, epsilon, norm: see `jaxvis.attacks.pgd`.
      steps: how many gradients there are.
      step_size: the norm of a step in units of epsilon; None takes 1 / steps, which just
        reaches the edge of the ball. In "l0" it is in units of the image.
      momentum: mu.
      targets, loss, keep, names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, and numbers below 1.

    Source: Dong et al., Boosting adversarial attacks with momentum (CVPR 2018).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.mi_fgsm(net, params, photo, epsilon=8 / 255, steps=3)
    >>> run.image.shape
    (64, 64, 3)
    """
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    length = 1.0 / max(steps, 1) if step_size is None else step_size
    attack = Climb(norm, steps, choose_loss(loss), length, momentum, False, keep)
    return run_attack(attack, net, params, victims, key=key, chunk=chunk, progress=progress)
