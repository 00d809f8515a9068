"""What is attacked: images, their labels, targets and epsilons, checked before any work."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.losses import is_fooled
from jaxvis.attacks.norms import Norm, check_norm
from jaxvis.compiler import jit
from jaxvis.images import check_image, check_images
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params
from jaxvis.weights.class_names import find_label
from jaxvis.weights.labels import choose_labels

Classes = int | str | Sequence[int] | Sequence[str] | np.ndarray | jax.Array | None
"""One class for all images, or one each; by number or by name."""
Epsilons = float | Sequence[float] | np.ndarray
"""One largest norm of the perturbation, or those of a curve."""

AT_ONCE = 32
"""Images whose scores are computed together."""


class Victims(NamedTuple):
    """The images that are attacked, and how far the attack may go.

    Attributes:
      images: `[N, H, W, C]` float32 in [0, 1], on the host.
      labels: `[N]` int32, the true classes.
      targets: `[N]` int32, the classes that are wanted; -1 for any but the label.
      epsilons: `[E]` float32, ascending or not; infinite for the smallest perturbation.
      lead: the leading axes of the result, of (N, E) those that the caller gave.
      clean: `[N, K]` the class scores of the images as they are.
    """

    images: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    epsilons: np.ndarray
    lead: tuple[int, ...]
    clean: np.ndarray

    def find_fooled(self, scores: np.ndarray) -> np.ndarray:
        """Says which scores are what an attack of their image wants, `[N]` bool.

        Args:
          scores: `[N, K]`, of one picture for each image.
        """
        what = map(jnp.asarray, (scores, self.labels, self.targets))
        return np.asarray(jax.vmap(is_fooled)(*what))


def choose_victims(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    norm: Norm,
    epsilon: Epsilons | None,
    targets: Classes = None,
    names: Sequence[str] | None = None,
) -> Victims:
    """Checks what an attack is given, and computes the scores of the images as they are.

    Args:
      net, params: the network.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`; whole numbers from 0 to 255
        are converted.
      labels: the true classes; None takes what the network says of the images.
      norm: what measures the perturbation.
      epsilon: its largest norm, or several; None for an attack that looks for the smallest.
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.

    Raises:
      ValueError: for images outside [0, 1], a network without class scores, classes that
        it does not have, a target that is the label, an unknown norm, or an epsilon that
        is negative or, in "linf", above 1.
    """
    check_norm(norm)
    epsilons = _check_epsilons(epsilon, norm)
    several = isinstance(images, list | tuple) or np.ndim(images) == 4
    if several:
        batch = check_images(images, "the images", channels=net.channels)
    else:
        batch = check_image(images, "the image", channels=net.channels)[None]
    if net.scores is None:
        raise ValueError(f"{net.name} names no class scores, which an attack needs")
    classes = net.shape(params, net.scores)[-1]
    true = None if labels is None else _number(net, labels, classes, len(batch), "labels", names)
    wanted = np.full(len(batch), -1, np.int32)
    if targets is not None:
        wanted = _number(net, targets, classes, len(batch), "targets", names)
    clean = score_images(net, params, batch)
    true = np.argmax(clean, -1).astype(np.int32) if true is None else true
    _check_targets(wanted, true)
    lead = (len(batch),) * several + (len(epsilons),) * (
        epsilon is not None and np.ndim(epsilon) == 1
    )
    # What rounding moved out of [0, 1] is moved back.
    return Victims(np.clip(np.asarray(batch), 0.0, 1.0), true, wanted, epsilons, lead, clean)


def check_starts(
    net: Network, params: Params, victims: Victims, starts: ImageLike | Sequence[ImageLike] | None
) -> np.ndarray | None:
    """Checks the pictures that an attack begins with.

    Args:
      net, params: the network.
      victims: what is attacked.
      starts: one for every image, or one for all; None for none.

    Returns:
      `[N, H, W, C]`, or None.

    Raises:
      ValueError: for another size or number, and for pictures that do not fool the network.
    """
    if starts is None:
        return None
    several = isinstance(starts, list | tuple) or np.ndim(starts) == 4
    if several:
        batch = check_images(starts, "starts", channels=net.channels)
    else:
        batch = check_image(starts, "starts", channels=net.channels)[None]
    if batch.shape[1:] != victims.images.shape[1:] or len(batch) not in (1, len(victims.images)):
        raise ValueError(
            f"starts has shape {batch.shape}: give one picture of the images' size for each of "
            f"the {len(victims.images)} images"
        )
    found = np.broadcast_to(np.asarray(batch), victims.images.shape)
    scores = np.broadcast_to(score_images(net, params, batch), victims.clean.shape)
    fools = victims.find_fooled(scores)
    if not np.all(fools):
        wrong = int(np.flatnonzero(~fools)[0])
        said = int(np.argmax(scores[wrong]))
        raise ValueError(
            f"the start of image {wrong} is classified as {said}, which is not what the attack "
            "wants: give a picture that fools the network already, or leave starts out"
        )
    return found


def score_images(net: Network, params: Params, images: Array | np.ndarray) -> np.ndarray:
    """Computes the class scores of images `[N, H, W, C]`, `[N, K]`, a few at a time.

    Args:
      net, params: the network, which names its scores.
      images: in [0, 1].
    """
    count = min(AT_ONCE, len(images))
    parts = []
    for start in range(0, len(images), count):
        part = np.asarray(images[start : start + count])
        filled = np.concatenate([part, np.repeat(part[:1], count - len(part), axis=0)])
        parts.append(np.asarray(_score(net, params, filled))[: len(part)])
    return np.concatenate(parts)


@jit(static_argnums=0)
def _score(net: Network, params: Params, images: Array) -> Array:
    name = net.scores or ""

    def one(image: Array) -> Array:
        return net.apply(params, image, stop=name)[name].ravel()

    return jax.vmap(one)(jnp.asarray(images))


def _check_epsilons(epsilon: Epsilons | None, norm: Norm) -> np.ndarray:
    if epsilon is None:
        return np.array([np.inf], np.float32)
    found = np.atleast_1d(np.asarray(epsilon, np.float32))
    if found.ndim != 1 or not found.size:
        raise ValueError("epsilon is one number, or several in one list")
    if not np.all(found >= 0):
        raise ValueError(f"epsilon must be 0 or more, got {found.min()}")
    if norm == "linf" and np.any(found[np.isfinite(found)] > 1):
        largest = found[np.isfinite(found)].max()
        raise ValueError(
            f"epsilon={largest:g} is more than the whole range of an image in [0, 1]: write "
            f"{largest:g}/255 if it is meant in grey levels"
        )
    return found


def _number(
    net: Network,
    given: Classes,
    classes: int,
    count: int,
    what: str,
    names: Sequence[str] | None,
) -> np.ndarray:
    """Returns classes by number, one an image, `[count]` int32."""
    each = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)  # type: ignore[arg-type]
    if any(isinstance(one, str) for one in each):
        known = choose_labels(net.name, classes, names)
        each = [find_label(one, known) if isinstance(one, str) else one for one in each]
    numbers = np.asarray(each)
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"{what} must be whole numbers or names of classes, got {given!r}")
    if len(numbers) not in (1, count):
        raise ValueError(f"{what} has {len(numbers)} classes for {count} images: give one each")
    if np.any((numbers < 0) | (numbers >= classes)):
        wrong = numbers[(numbers < 0) | (numbers >= classes)][0]
        raise ValueError(f"{what}: class {wrong} is not one of {net.name}'s 0 to {classes - 1}")
    return np.broadcast_to(numbers.astype(np.int32), (count,))


def _check_targets(targets: np.ndarray, labels: np.ndarray) -> None:
    same = np.flatnonzero(targets == labels)
    if same.size:
        where = int(same[0])
        raise ValueError(
            f"the target of image {where} is its true class {labels[where]}: choose another one"
        )
