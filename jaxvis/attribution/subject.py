"""What is explained: the scores of classes, channels, neurons or directions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_image, check_images
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.objectives import Excite
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective, choose_target
from jaxvis.types import Array, ImageLike, Params, Taps
from jaxvis.weights.class_names import find_label
from jaxvis.weights.labels import choose_labels

Index = int | str | Sequence[int] | Sequence[str] | range | None
"""Classes or channels by number, or classes by name; one, or several."""


class Subject(NamedTuple):
    """What is explained, of some images.

    Attributes:
      images: `[N, H, W, C]` float32 in [0, 1].
      items: objectives, leaves `[K, ...]`; or `[N, 1, ...]` where `paired`. A score is minus
        an objective.
      paired: whether every image has items of its own, leaves `[N, K, ...]`, such as its best
        class.
      indices: `[K]` or `[N, 1]`, the numbers of the classes or channels; zeros for
        objectives of one's own.
      lead: the leading axes of the result: of (N, K) those that the caller gave.
    """

    images: Array
    items: Algebra
    paired: bool
    indices: np.ndarray
    lead: tuple[int, ...]

    @property
    def scores(self) -> int:
        """K, how many scores of each image are explained."""
        return self.indices.shape[-1]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the images in pixels."""
        return self.images.shape[1], self.images.shape[2]


def choose_subject(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    labels: Sequence[str] | None = None,
) -> Subject:
    """Builds what is explained from what a user asks for; everything is checked.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap: the layer; None takes the network's class scores before softmax.
      index: which class, channel or neuron of it, or several; a class also by name. None is
        each image's best class; with a tap it is 0.
      position: of a tap `[h, w, c]`: None for the channel's mean, "centre" or (y, x) for
        one neuron.
      objective: instead of tap, index and position: an objective, any function
        `taps -> scalar` (smaller is better), or a list of objectives that differ in their
        numbers alone, such as several directions.
      labels: the classes' names by number; None takes ImageNet's for a network of 1000.

    Raises:
      ValueError: for images that are none, an unknown tap, an index outside the tap's
        channels, a class name that is unknown (near ones are named), a position without a tap,
        a network without class scores where no tap is named, or an objective beside tap or
        index.
    """
    images, several = _check(net, image)
    if tap is None and position is not None:
        raise ValueError("position= is a neuron of a layer: pass tap= too")
    if objective is None and tap is None and index is None:
        return _choose_best(net, params, images, several)
    names = tap or net.scores
    if objective is None and names is None:
        raise ValueError(
            f"{net.name} names no class scores: pass tap=, one of {', '.join(net.taps)}"
        )
    numbers = _to_numbers(net, params, tap, index, labels) if objective is None else None
    target = choose_target(
        net,
        params,
        tap=names if objective is None else None,
        index=numbers,
        position=position,
        objective=objective,
    )
    one = isinstance(index, int | str | np.integer) or index is None
    if objective is not None:
        one = not isinstance(objective, Sequence)
    lead = (len(images),) * several + (() if one else (len(target.indices),))
    return Subject(images, target.items, False, target.indices, lead)


def read_score(item: Algebra, taps: Taps) -> Array:
    """Reads the score that an item explains from the taps, a scalar `[]`.

    Args:
      item: an objective, smaller is better; the score is minus its value.
      taps: those that it reads.
    """
    return -item(taps)


def _check(net: Network, image: Any) -> tuple[Array, bool]:
    """Returns the images `[N, H, W, C]`, and whether several were given."""
    several = isinstance(image, list | tuple) or np.ndim(image) == 4
    if several:
        return check_images(image, "the images", channels=net.channels), True
    return check_image(image, "the image", channels=net.channels)[None], False


def _choose_best(net: Network, params: Params, images: Array, several: bool) -> Subject:
    """Builds the subject of each image's best class."""
    if net.scores is None:
        raise ValueError(
            f"{net.name} names no class scores: pass tap=, one of {', '.join(net.taps)}"
        )
    best = np.array([_find_best(net, params, image) for image in images], np.int32)[:, None]
    items = jax.vmap(jax.vmap(lambda index: Excite(net.scores or "", index)))(jnp.asarray(best))
    return Subject(images, items, True, best, (len(images),) * several)


def _find_best(net: Network, params: Params, image: Array) -> int:
    return int(_compute_best(net, params, image))


@jit(static_argnums=0)
def _compute_best(net: Network, params: Params, image: Array) -> Array:
    scores = net.scores or ""
    return jnp.argmax(net.apply(params, image, stop=scores)[scores])


def _to_numbers(
    net: Network, params: Params, tap: str | None, index: Index, labels: Sequence[str] | None
) -> Any:
    """Returns an index with numbers in the places of class names."""
    words = [index] if isinstance(index, str) else index
    if not isinstance(words, list | tuple) or not any(isinstance(one, str) for one in words):
        return index
    if tap is not None and tap != net.scores:
        raise ValueError(f"index={index!r} names classes, and {tap!r} has none: pass numbers")
    known = choose_labels(net.name, net.shape(params, net.scores or "")[-1], labels)
    return [find_label(one, known) if isinstance(one, str) else one for one in words]
