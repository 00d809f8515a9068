"""Multifaceted visualization: every kind of image that excites a neuron, one by one."""

from typing import NamedTuple

import jax
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_images
from jaxvis.loss.objectives import average_positions
from jaxvis.network import Network
from jaxvis.types import Array, ArrayLike, Image, Key, Params, as_key

MAX_ITERATIONS = 100
"""Of Lloyd's algorithm, which nearly always settles long before."""


class Facets(NamedTuple):
    """The kinds of images that excite a neuron most.

    Attributes:
      top: `[N]` int, the images that excite it most, best first.
      scores: `[N]`, how much.
      cluster: `[N]` int, the facet that each belongs to; facet 0 is the largest.
      mean: `[K, H, W, 3]`, the mean image of each facet.
    """

    top: np.ndarray
    scores: np.ndarray
    cluster: np.ndarray
    mean: np.ndarray


def find_facets(
    net: Network,
    params: Params,
    images: ArrayLike,
    *,
    index: int,
    tap: str | None = None,
    features: str | None = None,
    most: int = 40,
    facets: int = 4,
    components: int = 20,
    closest: int = 15,
    key: Key | int = 0,
) -> Facets:
    """Finds the facets of a neuron: its top images, clustered by what a layer sees.

    The codes of the images that excite it most, at unit length, are projected on their
    first principal components and clustered by k-means. A facet's mean is that of the
    images that lie closest to the middle of its cluster.

    Args:
      net, params: the network.
      images: `[M, H, W, 3]` in [0, 1], of a size that the network takes.
      index: the class or channel.
      tap: where; None takes the network's class scores.
      features: the layer whose codes are clustered; None takes the last vector or map
        before the scores.
      most: N, how many images are clustered.
      facets: K.
      components: of the projection.
      closest: images of a cluster that its mean is made of.
      key: a typed random key, or an integer seed, of k-means' start.

    Raises:
      ValueError: for an unknown tap, an index outside it, fewer images than facets, or
        what is no image.

    Source: Nguyen, Yosinski & Clune, Multifaceted feature visualization (2016), section
      2 and Algorithm 1. Departures: k-means directly on the principal components, where
      the paper embeds them by t-SNE first; codes of unit length, or an image with a
      large code is a cluster of its own.
    """
    tap = choose_tap(net, params, tap, index)
    features = net.check_taps(features or _find_before(net, tap))[0]
    photos = np.asarray(check_images(images, "the images", channels=net.channels))
    count = min(most, len(photos))
    if not 1 <= facets <= count:
        raise ValueError(f"{count} images cannot have {facets} facets: show more, or ask for fewer")
    seen = [jax.device_get(_look(net, (tap, features), params, image)) for image in photos]
    codes = np.stack([code.ravel() for code, _ in seen])
    scores = np.array([score[index] for _, score in seen])
    top = np.argsort(-scores, kind="stable")[:most]
    codes = codes[top] / np.maximum(np.linalg.norm(codes[top], axis=1, keepdims=True), 1e-12)
    points = project_codes(codes, components=components)
    cluster, centres = find_clusters(points, facets, key=key)
    means = [
        np.mean(photos[top[_nearest_members(points, cluster == k, centres[k], closest)]], axis=0)
        for k in range(facets)
    ]
    return Facets(top, scores[top], cluster, np.stack(means, dtype=np.float32))


def choose_tap(net: Network, params: Params, tap: str | None, index: int) -> str:
    """Gives the tap where the neuron is; checks that there is such a neuron.

    Args:
      net, params: the network.
      tap: the layer; None takes the network's class scores.
      index: of the neuron.

    Raises:
      ValueError: for an unknown tap, or an index outside it.
    """
    tap = tap or net.scores
    if tap is None:
        raise ValueError(f"{net.name} names no class scores: pass tap=")
    net.check_taps(tap)
    width = net.shape(params, tap)[-1]
    if not 0 <= index < width:
        raise ValueError(f"{tap!r} of {net.name} has {width} channels, not {index}")
    return tap


def _find_before(net: Network, tap: str) -> str:
    place = net.taps.index(tap)
    if place < 2:
        raise ValueError(f"nothing comes before {tap!r}: pass features=")
    return net.taps[place - 1]


@jit(static_argnums=(0, 1))
def _look(net: Network, taps: tuple[str, str], params: Params, image: Image) -> tuple[Array, Array]:
    found = net.apply(params, image, stop=taps)
    return found[taps[1]], average_positions(found[taps[0]])


def _nearest_members(
    points: np.ndarray, members: np.ndarray, centre: np.ndarray, count: int
) -> np.ndarray:
    """Finds the members of a cluster that are nearest to its centre, by number."""
    mine = np.flatnonzero(members)
    away = np.sum((points[mine] - centre) ** 2, axis=1)
    return mine[np.argsort(away, kind="stable")[:count]]


def project_codes(codes: np.ndarray, *, components: int) -> np.ndarray:
    """Projects codes on their first principal components, `[N, k]`.

    Args:
      codes: `[N, D]`.
      components: k; at most N.
    """
    centred = codes - codes.mean(0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    return (left * scale)[:, :components]


def find_clusters(
    points: np.ndarray, count: int, *, key: Key | int = 0, starts: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Finds clusters by k-means: (cluster `[N]`, centres `[count, D]`), the largest first.

    Lloyd's algorithm begins from centres that k-means++ draws; of several starts the
    best result is taken.

    Args:
      points: `[N, D]`.
      count: how many clusters.
      key: a typed random key, or an integer seed.
      starts: how often it begins.

    Raises:
      ValueError: for fewer points than clusters.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"{len(points)} points cannot be {count} clusters")
    random = np.random.default_rng(np.asarray(jax.random.key_data(as_key(key))))
    found = [_run_lloyd(points, _draw_centres(points, count, random)) for _ in range(starts)]
    cluster, centres, _ = min(found, key=lambda one: one[2])
    order = np.argsort(-np.bincount(cluster, minlength=count), kind="stable")
    return np.argsort(order)[cluster], centres[order]


def _draw_centres(points: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draws centres as k-means++ does: the farther from the others, the likelier."""
    centres = [points[random.integers(len(points))]]
    while len(centres) < count:
        away = np.min([np.sum((points - c) ** 2, axis=1) for c in centres], axis=0)
        total = away.sum()
        weights = away / total if total else None
        centres.append(points[random.choice(len(points), p=weights)])
    return np.stack(centres)


def _run_lloyd(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Runs Lloyd's algorithm; gives clusters, centres and the sum of squared distances."""
    for _ in range(MAX_ITERATIONS):
        away = np.sum((points[:, None] - centres) ** 2, axis=-1)
        cluster = away.argmin(1)
        # A cluster that has lost all its points takes the one that fits worst.
        for k in np.setdiff1d(np.arange(len(centres)), cluster):
            cluster[away[np.arange(len(points)), cluster].argmax()] = k
        new = np.stack([points[cluster == k].mean(0) for k in range(len(centres))])
        if np.allclose(new, centres):
            break
        centres = new
    return cluster, new, float(np.sum((points - new[cluster]) ** 2))
