"""One perturbation that changes what a network says of most images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.losses import cross_entropy
from jaxvis.attacks.minimal.smallest import check_above
from jaxvis.attacks.norms import Norm, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, choose_victims
from jaxvis.attacks.sets.shared import Shared, climb_together, count_fooled
from jaxvis.network import Network
from jaxvis.optimize.rules import adam, normalized_sgd
from jaxvis.types import Array, Image, ImageLike, Interrupted, Key, Params, Run, Status, as_key

LARGEST_LOSS = 9.0
"""The loss that one image counts with at most, so that those that are fooled already do not
outweigh the others. Shafahi et al. clip at a loss of this size."""


def _clip_loss(scores: Array, label: Array, target: Array) -> Array:
    return jnp.minimum(cross_entropy(scores, label, target), LARGEST_LOSS)


def _add(delta: Array, image: Image, key: Key) -> Image:
    del key
    return image + delta


@dataclass(frozen=True)
class Ball:
    """The projection onto a ball.

    Args:
      norm: what measures a perturbation.
      epsilon: its largest norm.
    """

    norm: Norm
    epsilon: float

    def __call__(self, delta: Array) -> Array:
        """Returns the nearest perturbation `[H, W, C]` in the ball."""
        return geometry_of(self.norm).project(delta, jnp.float32(self.epsilon))


def universal(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: float,
    norm: Norm = "linf",
    held_out: ImageLike | Sequence[ImageLike] | None = None,
    steps: int = 200,
    step_size: float = 0.1,
    batch: int = 16,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    progress: bool = False,
) -> Run:
    """Looks for one perturbation that changes what the network says of most images.

    delta <- project(delta + step(mean over a batch of the gradient of min(loss, 9))), loss =
    -log p(label) of clip(image + delta); with targets log p(target). The step is Adam's in
    Linf, and along the gradient in L2.

    It is the stochastic ascent of Shafahi et al. and not the first algorithm, Moosavi-Dezfooli's,
    which adds up DeepFool's perturbations of one image after another: an image costs one
    gradient here and tens of them there, and batches keep all devices busy.

    Args:
      net, params: the network.
      images: `[N, H, W, C]` in [0, 1], or a list, of one size.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest norm of the perturbation; 10 / 255 is usual in "linf".
      norm: "linf" or "l2".
      held_out: images that are not trained on, whose fooling rate is a fact of its own.
      steps: batches.
      step_size: about the norm of a step, in units of epsilon.
      batch: images of a step.
      targets: the class that is wanted of all images, or one each; None for any change.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key.
      progress: whether to show a bar.

    Returns:
      Run without an axis: `z` is the perturbation `[H, W, C]`; `image` shows it around
      mid-grey, magnified until its largest value is black or white; `trace["loss"]` is that
      of every batch; facts "fooling_rate" and "held_out_rate" (NaN without images): the share
      of images of which the network says something else than of the image alone, or, with
      targets, what is wanted; "distance", the norm of the perturbation; and "epsilon".

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, several epsilons,
        another norm, and numbers below 1.
      Interrupted: on Ctrl-C; it carries what there is.

    Source: Moosavi-Dezfooli et al., Universal adversarial perturbations (CVPR 2017); Shafahi
    et al., Universal adversarial training (AAAI 2020), algorithm 2.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> draw = jaxvis.nets.demo.images.draw
    >>> photos = [draw(jax.random.key(i), kind) for i, kind in enumerate(("disc", "rings"))]
    >>> run = jaxvis.attacks.universal(net, params, photos, epsilon=16 / 255, steps=5, batch=2)
    >>> run.z.shape, bool(abs(run.z).max() <= 16 / 255 + 1e-6)
    ((64, 64, 3), True)
    """
    check_norm(norm, known=("linf", "l2"))
    check_above(0, steps=steps, step_size=step_size, batch=batch, epsilon=epsilon)
    choose = partial(choose_victims, net, params, norm=norm, epsilon=epsilon, names=names)
    victims = choose(images, labels, targets=targets)
    others = None if held_out is None else choose(held_out, None, targets=targets)
    length = step_size * float(epsilon)
    # Adam moves every value about as far, which is the steepest way in Linf alone.
    rule = adam(length)
    if norm == "l2":
        rule = normalized_sgd(length / float(victims.images[0].size) ** 0.5)
    shared = Shared(net, _clip_loss, _add, Ball(norm, float(epsilon)), rule)
    start = np.zeros(victims.images.shape[1:], np.float32)
    key = as_key(key)
    found = climb_together(
        shared, params, start, victims, steps=steps, batch=batch, key=key, progress=progress
    )
    rates = {}
    for name, those in (("fooling_rate", victims), ("held_out_rate", others)):
        if those is None:
            rates[name] = np.float32(np.nan)
            continue
        said = those._replace(labels=np.argmax(those.clean, -1).astype(np.int32))
        rates[name] = np.mean(
            count_fooled(shared, params, found.z, said, key=key), dtype=np.float32
        )
    largest = max(float(np.abs(found.z).max()), 1e-12)
    run = Run(
        found.z,
        0.5 + found.z / (2 * largest),
        {"loss": found.loss},
        np.int8(found.status),
        {
            **rates,
            "distance": np.float32(geometry_of(norm).measure(jnp.asarray(found.z))),
            "epsilon": np.float32(epsilon),
        },
    )
    if found.status == Status.UNFINISHED:
        raise Interrupted(run)
    return run
