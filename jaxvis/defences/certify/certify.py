"""What no attack can change: certified bounds of scores, margins and accuracy.

A certificate holds for every image of a ball, those that no attack has found included. So a
certified accuracy is never above the accuracy under any attack with the same epsilon.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.rows import choose_victims
from jaxvis.compiler import jit
from jaxvis.defences.certify.backward import intersect
from jaxvis.defences.certify.boxes import Box, check_rows
from jaxvis.defences.certify.methods import (
    METHODS,
    Rows,
    bound_margins,
    bound_tap,
    compute_boxes,
    tighten_boxes,
)
from jaxvis.images import check_image, check_images
from jaxvis.nets.table.forward import Table
from jaxvis.network import Network
from jaxvis.types import Array, ArrayLike, ImageLike, Params

CHUNK = 32
"""Images that are bounded together."""


def score_bounds(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    epsilon: float,
    tap: str | None = None,
    method: str = "crown_ibp",
) -> Box:
    """Bounds the activations of a tap over all images of a ball, from below and above.

    The ball holds every image in [0, 1] that differs from the given one by at most epsilon in
    any value (the L-infinity norm). The bounds are true up to float32 rounding.

    Args:
      net, params: a network that was built from a table.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      epsilon: the radius of the ball, in [0, 1]: 8 levels of 255 are 8 / 255.
      tap: the layer; None takes the class scores.
      method: "interval" (interval bound propagation), "crown_ibp" (linear bounds of the tap
        in the image, with intervals for the layers between) or "crown" (linear bounds of
        every layer). Each is at least as tight as the one before, and takes longer.

    Returns:
      Box: (lower, upper), `[..., h, w, c]` or `[..., d]`.

    Raises:
      ValueError: for a network without a table, a layer whose bounds are not known (it is
        named), an epsilon outside [0, 1], an unknown method or tap, or images that are none.

    Source: Gowal et al. (2018); Zhang et al. (2018, 2020).

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> grey = jnp.full((16, 16, 3), 0.5)
    >>> lower, upper = jaxvis.score_bounds(net, params, grey, epsilon=1 / 255)
    >>> bool((lower <= upper).all()), lower.shape
    (True, (20,))
    """
    several = isinstance(image, list | tuple) or np.ndim(image) == 4
    name = "the images" if several else "the image"
    read = check_images if several else check_image
    images = read(image, name, channels=net.channels)
    images = images if several else images[None]
    rows, tap = _check(net, tap, method)
    radius = _check_epsilon(epsilon)
    parts = [
        _bound(rows, params, chunk, jnp.asarray(radius, jnp.float32), tap, method)
        for chunk in _cut(images)
    ]
    ends = [np.concatenate(end) for end in zip(*parts)]
    return Box(*(jnp.asarray(end if several else end[0]) for end in ends))


def margin_bounds(
    net: Network,
    params: Params,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    epsilon: float | Sequence[float],
    method: str = "crown_ibp",
) -> np.ndarray:
    """Bounds from below by how much the true class leads over the best other one.

    Where the bound is above 0, no image of the ball is taken for another class.

    Args:
      net, params: a network with class scores that was built from a table.
      images: `[N, H, W, C]` in [0, 1].
      labels: `[N]`, the true classes, by number or by name.
      epsilon: the radius of the ball in the L-infinity norm, in [0, 1]; or several.
      method: as for `score_bounds`.

    Returns:
      np.ndarray: `[N]`, or `[N, epsilons]` where several were given.

    Raises:
      ValueError: as `score_bounds`; for labels that are not one class for each image, or a
        network without class scores.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> grey = jnp.full((2, 16, 16, 3), 0.5)
    >>> jaxvis.margin_bounds(net, params, grey, [0, 1], epsilon=[0, 1 / 255]).shape
    (2, 2)
    """
    rows, tap = _check(net, None, method)
    given = choose_victims(net, params, images, labels, norm="linf", epsilon=epsilon)
    found = [
        np.concatenate(
            [
                np.asarray(_find_margins(rows, params, chunk, own, radius, tap, method))
                for chunk, own in zip(_cut(given.images), _cut(given.labels))
            ]
        )
        for radius in given.epsilons
    ]
    return np.stack(found, axis=-1).reshape(given.lead)


def certified_accuracy(
    net: Network,
    params: Params,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    epsilon: float | Sequence[float],
    method: str = "crown_ibp",
) -> np.ndarray:
    """Measures the part of images that are right whatever is done to them within epsilon.

    With epsilon 0 it is the accuracy of the network.

    Args:
      net, params: a network with class scores that was built from a table.
      images: `[N, H, W, C]` in [0, 1].
      labels: `[N]`, the true classes, by number or by name.
      epsilon: the radius of the ball in the L-infinity norm, in [0, 1]; or several.
      method: as for `score_bounds`.

    Returns:
      np.ndarray: scalar `[]`, or `[epsilons]` where several were given; from 0 to 1.

    Raises:
      ValueError: as `margin_bounds`.

    Source: Gowal et al., On the effectiveness of interval bound propagation for training
      verifiably robust models, 2018.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> grey = jnp.full((1, 16, 16, 3), 0.5)
    >>> float(jaxvis.certified_accuracy(net, params, grey, [0], epsilon=0.5))
    0.0
    """
    margins = margin_bounds(net, params, images, labels, epsilon=epsilon, method=method)
    return np.asarray(np.mean(margins > 0, axis=0))


def _check(net: Network, tap: str | None, method: str) -> tuple[Rows, str]:
    """Returns the rows and the tap of a network that can be bounded."""
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    name = net.scores if tap is None else tap
    if name is None:
        raise ValueError(f"{net.name} names no class scores, so there is no margin")
    net.check_taps(name)
    if not isinstance(net.forward, Table):
        raise ValueError(
            f"{net.name} is not built from a table, so its layers have no known bounds: use "
            "jaxvis.from_layers to describe it"
        )
    check_rows(net.forward.rows, name)
    return net.forward.rows, name


def _check_epsilon(epsilon: Any) -> float:
    if not 0 <= epsilon <= 1:
        raise ValueError(
            f"epsilon is in [0, 1], as images are, not {epsilon}: divide levels of 255 by 255"
        )
    return float(epsilon)


def _cut(images: Any) -> list[Any]:
    return [images[first : first + CHUNK] for first in range(0, len(images), CHUNK)]


def _bound(rows: Rows, params: Params, images: Array, epsilon: Array, tap: str, method: str) -> Box:
    boxes = compute_boxes(rows, params, images, epsilon, tap)
    if method == "interval":
        return boxes[tap]
    if method == "crown":
        boxes = tighten_boxes(rows, params, boxes, tap)
    found = bound_tap(rows, params, boxes, tap)
    return intersect(found, boxes[tap])


@jit(static_argnums=(0, 4, 5))
def _compute_margins(
    rows: Rows, params: Params, boxes: dict[str, Box], labels: Array, tap: str, method: str
) -> Array:
    margins = bound_margins(rows, params, boxes, tap, labels, method="interval")
    if method != "interval":
        better = bound_margins(rows, params, boxes, tap, labels, method=method)
        margins = jnp.maximum(margins, better)
    others = jnp.arange(margins.shape[-1]) != labels[:, None]
    return jnp.min(jnp.where(others, margins, jnp.inf), axis=-1)


def _find_margins(
    rows: Rows,
    params: Params,
    images: Array,
    labels: Array,
    epsilon: Array,
    tap: str,
    method: str,
) -> Array:
    """Returns the least certain lead of each image's class, `[N]`."""
    boxes = compute_boxes(rows, params, images, epsilon, tap)
    if method == "crown":
        boxes = tighten_boxes(rows, params, boxes, tap)
    return _compute_margins(rows, params, boxes, labels, tap, method)
