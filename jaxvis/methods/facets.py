"""Multifaceted visualization: every kind of image that excites a neuron, one by one."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Algebra, CrossEntropy, Excite
from jaxvis.loss.views import ColourShift, Scale, in_order
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.rules.first_order import adam
from jaxvis.optimize.solve import OnChunk
from jaxvis.types import Array, Image, Key, Params, Run, as_key


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
    images: Array,
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
    """Returns the facets of a neuron: its top images, clustered by what a layer sees.

    The codes of the images that excite it most, at unit length, are projected on their
    first principal components and clustered by k-means. A facet's mean is that of the
    images that lie closest to the middle of its cluster.

    Args:
      net, params: the network.
      images: `[M, H, W, 3]` in [0, 1], of the network's size.
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
      ValueError: for an unknown tap, an index outside it, or fewer images than facets.

    Source: Nguyen, Yosinski & Clune, Multifaceted feature visualization (2016), section
      2 and Algorithm 1. Departures: k-means directly on the principal components, where
      the paper embeds them by t-SNE first; codes of unit length, or an image with a
      large code is a cluster of its own.
    """
    tap = tap or net.scores
    if tap is None:
        raise ValueError(f"{net.name} names no class scores: pass tap=")
    net.named(tap)
    features = net.named(features or _before(net, tap))[0]
    if facets < 1 or len(images) < facets:
        raise ValueError(f"{len(images)} images cannot have {facets} facets")
    width = net.shape(params, tap)[-1]
    if not 0 <= index < width:
        raise ValueError(f"{tap!r} of {net.name} has {width} channels, not {index}")
    codes, scores = [], []
    for image in images:
        code, score = _seen(net, (tap, features), params, jnp.asarray(image))
        codes.append(np.asarray(code).ravel())
        scores.append(float(score[index]))
    top = np.argsort(-np.array(scores), kind="stable")[:most]
    chosen = np.stack([codes[i] for i in top])
    chosen /= np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-12)
    projected = principal(chosen, components=components)
    cluster, centres = kmeans(projected, facets, key=key)
    means = []
    for k in range(facets):
        mine = np.flatnonzero(cluster == k)
        away = np.sum((projected[mine] - centres[k]) ** 2, axis=1)
        near = mine[np.argsort(away, kind="stable")[:closest]]
        means.append(np.mean([np.asarray(images[top[i]]) for i in near], axis=0))
    return Facets(top, np.array(scores)[top], cluster, np.stack(means, dtype=np.float32))


def _before(net: Network, tap: str) -> str:
    at = net.taps.index(tap)
    if at < 2:
        raise ValueError(f"nothing comes before {tap!r}: pass features=")
    return net.taps[at - 1]


@partial(jax.jit, static_argnums=(0, 1))
def _seen(net: Network, taps: tuple[str, str], params: Params, image: Image):
    found = net.apply(params, image, stop=taps)
    score = found[taps[0]]
    return found[taps[1]], jnp.mean(score, axis=(0, 1)) if score.ndim == 3 else score


def principal(codes: np.ndarray, *, components: int) -> np.ndarray:
    """Returns codes on their first principal components, `[N, k]`.

    Args:
      codes: `[N, D]`.
      components: k; at most N.
    """
    centred = codes - codes.mean(0)
    # Through the N x N products: D is thousands, N is not.
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    return (left * scale)[:, :components]


def kmeans(
    points: np.ndarray, count: int, *, key: Key | int = 0, starts: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (cluster `[N]`, centres `[count, D]`), the largest cluster first.

    Lloyd's algorithm from k-means++ starts; the best of several.

    Args:
      points: `[N, D]`.
      count: clusters.
      key: a typed random key, or an integer seed.
      starts: how often it is begun.

    Raises:
      ValueError: for fewer points than clusters.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"{len(points)} points cannot be {count} clusters")
    random = np.random.default_rng(np.asarray(jax.random.key_data(as_key(key))))
    found = [_lloyd(points, _spread(points, count, random)) for _ in range(starts)]
    cluster, centres, _ = min(found, key=lambda one: one[2])
    order = np.argsort(-np.bincount(cluster, minlength=count), kind="stable")
    return np.argsort(order)[cluster], centres[order]


def _spread(points: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    chosen = [points[random.integers(len(points))]]
    while len(chosen) < count:
        away = np.min([np.sum((points - c) ** 2, axis=1) for c in chosen], axis=0)
        total = away.sum()
        weights = away / total if total else None
        chosen.append(points[random.choice(len(points), p=weights)])
    return np.stack(chosen)


def _lloyd(points: np.ndarray, centres: np.ndarray) -> tuple:
    for _ in range(100):
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


@dataclass(frozen=True)
class CentreWeighted:
    """Returns a prior that counts more, the farther from the middle of the image.

    sum over pixels of w |x - grey|^2 / (H W), w = (distance to the middle / half the
    diagonal)^2: an object in the middle is free, its copies at the edges are not.

    Args:
      grey: the level that costs nothing.

    Source: Nguyen et al. (2016), section 2.1, center-biased regularization. Departures:
      a weight; the paper optimises a growing window in stages.
    """

    grey: float = 0.5

    def __call__(self, image: Image) -> Array:
        """Returns the prior `[]` of `[H, W, 3]`."""
        height, width = image.shape[:2]
        y = (np.arange(height) - (height - 1) / 2)[:, None]
        x = (np.arange(width) - (width - 1) / 2)[None]
        weight = (y**2 + x**2) / ((height / 2) ** 2 + (width / 2) ** 2)
        square = jnp.mean((image - self.grey) ** 2, axis=-1)
        return jnp.mean(jnp.asarray(weight, image.dtype) * square)


def visualize_facets(
    net: Network,
    params: Params,
    found: Facets,
    *,
    index: int,
    tap: str | None = None,
    steps: int = 200,
    learning_rate: float = 0.05,
    centre: float = 10.0,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns one picture for every facet, started from the facet's mean image.

    x* = argmin -s_c / s_top - log softmax(s)_c + centre C(x) from x = mean, s of random
    windows, scales and tints of x, s_top the score of the best image.

    Args:
      net, params: the network.
      found: what `find_facets` returned.
      index, tap: as given there.
      steps: updates.
      learning_rate: Adam's, of the coefficients of `jaxvis.loss.canvas.Fourier`.
      centre: weight of `CentreWeighted`.
      key: a typed random key, or an integer seed.
      chunk, progress, on_chunk: see `jaxvis.optimize.solve`.

    Returns:
      Run with the facets' axis: image `[K, H, W, 3]` in [0, 1].

    Raises:
      ValueError: for an unknown tap.

    Source: Nguyen, Yosinski & Clune (2016), section 2.1 and Algorithm 1. Departures:
      the canvas and the views of `jaxvis.maximize`'s preset "robust" take the place of
      total variation and blur, which leave fine patterns everywhere.
    """
    tap = tap or net.scores
    net.named(tap)
    size = tuple(found.mean.shape[1:3])
    canvas = Fourier(size)
    view = in_order(
        Scale(0.82, 1.28, shift=0.1 * size[0]),
        ColourShift(shift=0.1, gain=0.2, fade=1.0),
    )
    priors = (Weighted("centre", centre, CentreWeighted()),)
    problem = Problem(
        compose(net, canvas, view=view, priors=priors),
        canvas,
        adam(learning_rate),
        steps,
    )
    share = 1 / max(abs(float(found.scores[0])), 1e-6)

    def wanted(index: Array) -> Algebra:
        return share * Excite(tap, index) + CrossEntropy(tap, index)

    items = jax.vmap(wanted)(jnp.full(len(found.mean), index))
    return solve(
        problem,
        params,
        items,
        as_key(key),
        chunk=chunk,
        progress=progress,
        start=jax.jit(jax.vmap(canvas.encode))(found.mean),
        on_chunk=on_chunk,
    )
