"""Robust training: a network that learns from what would fool it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.first_order import pgd
from jaxvis.attacks.norms import Norm
from jaxvis.attacks.rows import choose_victims
from jaxvis.defences.certify.boxes import check_rows
from jaxvis.defences.training.hardening import CERTIFIED, Hardening, Method, check_method
from jaxvis.defences.training.step import Given, RobustStep, State, divide, join
from jaxvis.nets.table.forward import Table
from jaxvis.network import Network
from jaxvis.train.images import Images
from jaxvis.train.loop import CheckpointFile, train
from jaxvis.types import ArrayLike, Params, as_key

Labelled = tuple[ArrayLike, ArrayLike | Sequence[str]]
"""Images `[N, H, W, C]` and their true classes `[N]`."""
JUDGING_STEPS = 20
"""Steps of the attack that judges a training; the training's own attack is shorter."""
HARDENING = Hardening()


class Hardened(NamedTuple):
    """What comes of a robust training.

    Attributes:
      params: the parameters of the network.
      curves: term -> `[n, 2]`, (step, value); "accuracy" is that on the attacked images of
        the batch, or the certified one.
      facts: of the images held out: "clean before", "robust before", "clean after" and
        "robust after", accuracies from 0 to 1; empty where none were held out.
      step: how many steps it has had.
      done: whether all steps were taken; False after Ctrl-C.
    """

    params: Params
    curves: dict[str, np.ndarray]
    facts: dict[str, float]
    step: int
    done: bool


def adversarial_train(
    net: Network,
    params: Params,
    images: ArrayLike,
    labels: ArrayLike | Sequence[str],
    *,
    method: Method = "pgd",
    epsilon: float = 8 / 255,
    norm: Norm = "linf",
    hardening: Hardening = HARDENING,
    held_out: Labelled | None = None,
    checkpoint: CheckpointFile | None = None,
    progress: bool = False,
) -> Hardened:
    """Trains a network to give the true class all over the balls around its images.

    "pgd" learns from attacked images alone; "free" attacks and learns with one gradient, some
    times faster; "trades" learns clean images, and that attacked ones look the same; "ibp"
    and "crown_ibp" learn bounds, so that certificates come out, but know linf alone. Images
    are rounded to 8 bits. What batch norms measured and the input's scale stay.

    Args:
      net, params: a network with class scores, trained already or not.
      images: `[N, H, W, C]` in [0, 1].
      labels: `[N]`, the true classes.
      method: see above; "clean" trains without any defence, to compare.
      epsilon: the radius of the ball.
      norm: "linf" or "l2".
      hardening: how long and how fast.
      held_out: images and labels that are judged before and after; None judges nothing.
      checkpoint: the file that keeps the training; None writes none.
      progress: whether to show a bar.

    Returns:
      Hardened: `params` and what they are worth.

    Raises:
      OSError: if a checkpoint cannot be written.
      ValueError: for a network without class scores (or without a table, for bounds), images
        or labels that do not fit, an epsilon that is 0 or outside the range, an unknown
        method or norm, or if the loss turns non-finite.

    Source: Madry et al., Towards deep learning models resistant to adversarial attacks, 2018;
      Shafahi et al., Adversarial training for free!, 2019; Zhang et al., Theoretically
      principled trade-off between robustness and accuracy, 2019; Gowal et al. (2018); Zhang
      et al. (2020).

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> greys = jnp.linspace(0.2, 0.8, 4)[:, None, None, None] * jnp.ones((4, 16, 16, 3))
    >>> short = jaxvis.defences.Hardening(steps=2, batch=4, attack_steps=1)
    >>> found = jaxvis.adversarial_train(net, params, greys, [0, 1, 2, 3], hardening=short)
    >>> found.step, found.curves["loss"].shape
    (2, (2, 2))
    """
    check_method(method, norm)
    if not epsilon > 0:
        raise ValueError(f"epsilon is above 0 in a training, not {epsilon}: use method='clean'")
    given = choose_victims(net, params, images, labels, norm=norm, epsilon=epsilon)
    if method in CERTIFIED:
        _check_table(net)
    judged = _check_held_out(net, params, held_out, norm, epsilon)
    step = RobustStep(net, method, float(epsilon), norm, hardening)
    learned, fixed = divide(jax.tree.map(jnp.array, params))
    state = State(learned, step.transform().init(learned), _make_delta(step, given.images))
    facts = _judge(net, params, judged, norm, epsilon, "before")
    found = train(
        step,
        state,
        _collect(given.images),
        as_key(hardening.seed),
        steps=hardening.steps,
        batch=hardening.batch,
        given=Given(given.labels, fixed),
        seed=hardening.seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    new = join(found.state.params, fixed)
    facts |= _judge(net, new, judged, norm, epsilon, "after")
    return Hardened(new, found.curves, facts, found.step, found.done)


def _check_table(net: Network) -> None:
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not built from a table, so its bounds are not known")
    check_rows(net.forward.rows, net.scores or "")


def _check_held_out(
    net: Network, params: Params, held_out: Labelled | None, norm: Norm, epsilon: float
) -> tuple[np.ndarray, np.ndarray] | None:
    if held_out is None:
        return None
    found = choose_victims(net, params, *held_out, norm=norm, epsilon=epsilon)  # type: ignore[arg-type]
    return found.images, found.labels


def _make_delta(step: RobustStep, images: np.ndarray) -> Any:
    """Returns what free training begins with; the other methods keep no perturbation."""
    if step.method != "free":
        return None
    return jnp.zeros((step.hardening.batch, *images.shape[1:]))


def _collect(images: np.ndarray) -> Images:
    levels = np.round(images * 255).astype(np.uint8)
    names = tuple(str(number) for number in range(len(levels)))
    return Images(levels.shape[1:3], names, tuple(levels))


def _judge(
    net: Network,
    params: Params,
    judged: tuple[np.ndarray, np.ndarray] | None,
    norm: Norm,
    epsilon: float,
    when: str,
) -> dict[str, float]:
    """Returns the accuracy on the images held out, as they are and attacked."""
    if judged is None:
        return {}
    images, labels = judged
    curve = pgd(net, params, images, labels, epsilon=[0, epsilon], norm=norm, steps=JUDGING_STEPS)
    clean, robust = np.mean(curve.facts["label"] == labels[:, None], axis=0)
    return {f"clean {when}": float(clean), f"robust {when}": float(robust)}
