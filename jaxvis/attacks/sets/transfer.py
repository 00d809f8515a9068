"""Transfer: what fools one network, shown to another one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.attacks.rows import Classes, choose_victims, score_images
from jaxvis.images import check_images, resize
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params, Run

Subjects = Mapping[str, tuple[Network, Params]] | Sequence[tuple[Network, Params]]
"""Networks with their parameters, by name or in order."""


class Transfer(NamedTuple):
    """How often pictures crafted on net A fool net B; A is the row, B the column.

    Attributes:
      rates: `[A, B]` float32, success rates in [0, 1]; NaN where no image counts.
      counts: `[A, B]` int32, how many images count: those of which B says the label as long
        as they are not attacked.
      names: of the networks.
      runs: what the attack found on each network.
    """

    rates: np.ndarray
    counts: np.ndarray
    names: tuple[str, ...]
    runs: tuple[Run, ...]


def transfer_table(
    nets: Subjects,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes,
    *,
    attack: Callable[..., Run],
    targets: Classes = None,
    names: Sequence[str] | None = None,
) -> Transfer:
    """Crafts adversarial images on every network, and shows them to all of them.

    A network takes the images in the size that they have; one that demands its native size
    gets them resized, and what is crafted there is resized again for other networks. Images
    are in [0, 1] everywhere, so that no network's preprocessing matters.

    Args:
      nets: networks of the same classes, as (net, params), by name or in order.
      images: `[N, H, W, C]` in [0, 1], or a list, of one size.
      labels: the true classes, by number or name.
      attack: called as `attack(net, params, images, labels, targets=..., names=...)`, such as
        `functools.partial(jaxvis.attacks.pgd, epsilon=8 / 255)`.
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.

    Returns:
      The table. An image counts for net B if B says its label, after the same resizing; it is
      a success if B says something else of the picture, or, with targets, the target.

    Raises:
      ValueError: for networks of different numbers of classes, no network at all, an attack
        that gives several epsilons, and for what the attack refuses.

    Source: Papernot, McDaniel & Goodfellow, Transferability in machine learning (2016).

    >>> import functools
    >>> import jax
    >>> import jaxvis
    >>> demo = jaxvis.load("demo")
    >>> photos = [jaxvis.nets.demo.images.draw(jax.random.key(i), "disc") for i in range(2)]
    >>> attack = functools.partial(jaxvis.attacks.fgsm, epsilon=8 / 255)
    >>> jaxvis.attacks.transfer_table([demo, demo], photos, 12, attack=attack).rates.shape
    (2, 2)
    """
    subjects = _name_all(nets)
    batch = images if isinstance(images, list | tuple) else np.asarray(images)
    runs, clean, crafted, wanted = [], [], [], []
    for net, params in subjects.values():
        own = _fit(net, params, check_images(batch, "the images", channels=net.channels))
        run = attack(net, params, own, labels, targets=targets, names=names)
        if np.ndim(run.image) != 4:
            raise ValueError("a table needs an attack of one epsilon: give a single number")
        victims = choose_victims(
            net, params, own, labels, norm="linf", epsilon=None, targets=targets, names=names
        )
        runs.append(run)
        clean.append(own)
        crafted.append(run.image)
        wanted.append(victims)
    shape = (len(runs), len(runs))
    rates, counts = np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32)
    for a in range(len(runs)):
        for b, (net, params) in enumerate(subjects.values()):
            before, after = (_ask(net, params, shown[a]) for shown in (clean, crafted))
            right = np.argmax(before, axis=-1) == wanted[a].labels
            fooled = wanted[a].find_fooled(after)
            counts[a, b] = right.sum()
            rates[a, b] = fooled[right].mean() if right.any() else np.nan
    return Transfer(rates, counts, tuple(subjects), tuple(runs))


def _name_all(nets: Subjects) -> dict[str, tuple[Network, Params]]:
    """Returns the networks by name, those of equal names numbered."""
    if isinstance(nets, Mapping):
        found = dict(nets)
    else:
        found = {}
        for net, params in nets:
            same = sum(name.split(" #")[0] == net.name for name in found)
            found[net.name if not same else f"{net.name} #{same + 1}"] = (net, params)
    if not found:
        raise ValueError("give at least one network: nets is empty")
    counts: dict[str, Any] = {}
    for name, (net, params) in found.items():
        if net.scores is None:
            raise ValueError(f"{net.name} names no class scores, which an attack needs")
        counts[name] = net.shape(params, net.scores)[-1]
    if len(set(counts.values())) > 1:
        raise ValueError(f"the networks have different classes: {counts}")
    return found


def _fit(net: Network, params: Params, images: Array) -> Array:
    """Returns images `[N, H, W, C]` as a network takes them: resized where it must be."""
    try:
        net.shape(params, net.scores or "", size=(images.shape[1], images.shape[2]))
    except ValueError:
        return jax.vmap(lambda image: resize(image, net.input_size))(images)
    return images


def _ask(net: Network, params: Params, images: Array) -> np.ndarray:
    """Returns a network's scores of another one's images, `[N, K]`."""
    own = check_images(images, "the images", channels=net.channels)
    return score_images(net, params, _fit(net, params, own))
