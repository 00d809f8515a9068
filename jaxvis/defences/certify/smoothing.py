"""Randomised smoothing: the class that a network gives most often under Gaussian noise.

Whatever the network, that class does not change within a radius that follows from how often
it is given. The guarantee is statistical: it fails for a part alpha of the images at most.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import beta, norm

from jaxvis.compiler import jit
from jaxvis.images import check_image, check_images
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Key, Params, as_key

ABSTAIN = -1
"""In the place of a class: no class was given often enough."""
CHUNK = 64
"""Noises of one run of the program."""


class Smooth(NamedTuple):
    """What a smoothed network says of images.

    Attributes:
      label: `[...]` int32, the class, or -1 where it abstains.
      radius: `[...]`, in Euclidean length of the image in [0, 1], within which the class
        does not change; 0 where it abstains.
      probability: `[...]`, a lower bound of how often the class is given.
      counts: `[..., classes]`, how often each class was given.
    """

    label: np.ndarray
    radius: np.ndarray
    probability: np.ndarray
    counts: np.ndarray


def smooth(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    sigma: float,
    samples: int = 1000,
    trials: int = 100,
    alpha: float = 0.001,
    key: Key | int = 0,
    chunk: int = CHUNK,
) -> Smooth:
    """Classifies images by a network under Gaussian noise, with a certified radius.

    The class is the most frequent one of `trials` noises. Of `samples` further noises a
    confidence bound (Clopper & Pearson) says how often it is given at least, p. If p is above
    1/2 the class holds within sigma * Phi^-1(p), Phi the normal distribution; otherwise the
    smoothed network abstains. Noise is not clipped to [0, 1].

    Args:
      net, params: any network with class scores; it should be trained on noisy images.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      sigma: standard deviation of the noise, in values of the image.
      samples: noises that estimate how often the class is given.
      trials: noises that choose it.
      alpha: the probability with which a radius may be wrong.
      key: of the noise; an image's own noise depends on its number alone.
      chunk: noises that are computed together.

    Raises:
      ValueError: for a sigma that is not above 0, an alpha outside (0, 1), fewer than one
        sample, trial or chunk, a network without class scores, or images that are none.

    Source: Cohen, Rosenfeld & Kolter, Certified adversarial robustness via randomized
      smoothing, 2019, Theorem 1 and CERTIFY.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> grey = jnp.full((16, 16, 3), 0.5)
    >>> found = jaxvis.smooth(net, params, grey, sigma=0.05, samples=64, trials=16, chunk=16)
    >>> int(found.counts.sum()), bool(found.radius >= 0)
    (64, True)
    """
    _check(net, sigma, alpha, min(samples, trials, chunk))
    several = isinstance(image, list | tuple) or np.ndim(image) == 4
    if several:
        images = check_images(image, "the images", channels=net.channels)
    else:
        images = check_image(image, "the image", channels=net.channels)[None]
    first, index, counts = as_key(key), [], []
    for number, one in enumerate(images):
        own = jax.random.split(jax.random.fold_in(first, number))
        tried = _count(net, params, one, sigma, own[0], trials, chunk)
        index.append(int(np.argmax(tried)))
        counts.append(_count(net, params, one, sigma, own[1], samples, chunk))
    found = certify_counts(np.stack(counts), np.array(index), sigma=sigma, alpha=alpha)
    return found if several else Smooth(*(field[0] for field in found))


def certify_counts(
    counts: np.ndarray, index: np.ndarray, *, sigma: float, alpha: float = 0.001
) -> Smooth:
    """Computes radii from how often each class was given.

    Args:
      counts: `[N, classes]`, of noises that did not choose the class.
      index: `[N]`, the class that was chosen.
      sigma: standard deviation of the noise.
      alpha: the probability with which a radius may be wrong.
    """
    total = counts.sum(-1)
    hits = np.take_along_axis(counts, index[:, None], -1)[:, 0]
    # Clopper & Pearson: the p whose probability of so many hits or more is alpha.
    lowest = np.where(hits > 0, beta.ppf(alpha, np.maximum(hits, 1), total - hits + 1), 0.0)
    sure = lowest > 0.5
    radius = np.where(sure, sigma * norm.ppf(np.where(sure, lowest, 0.5)), 0.0)
    return Smooth(np.where(sure, index, ABSTAIN).astype(np.int32), radius, lowest, counts)


def _check(net: Network, sigma: float, alpha: float, least: int) -> None:
    if not 0 < sigma < np.inf:
        raise ValueError(f"sigma is above 0, not {sigma}: without noise nothing is certified")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is above 0 and below 1, not {alpha}")
    if least < 1:
        raise ValueError(f"samples, trials and chunk are at least 1, not {least}")
    if net.scores is None:
        raise ValueError(f"{net.name} names no class scores, which smoothing counts")


def _count(
    net: Network, params: Params, image: Array, sigma: float, key: Key, total: int, chunk: int
) -> np.ndarray:
    """Returns how often each class is given, `[classes]`, whatever the chunk."""
    counts: np.ndarray | int = 0
    for first in range(0, total, chunk):
        numbers = first + np.arange(chunk)
        found = _classify(net, params, image, jnp.float32(sigma), key, numbers, numbers < total)
        counts = counts + np.asarray(found)
    return np.asarray(counts)


@jit(static_argnums=0)
def _classify(
    net: Network, params: Params, image: Array, sigma: Array, key: Key, numbers: Array, kept: Array
) -> Array:
    """Counts the classes of an image under the noises with these numbers."""
    name = net.scores or ""

    def give(number: Array) -> Array:
        noise = jax.random.normal(jax.random.fold_in(key, number), image.shape)
        scores = net.apply(params, image + sigma * noise, stop=name)[name].ravel()
        return jax.nn.one_hot(jnp.argmax(scores), scores.size, dtype=jnp.int32)

    return jnp.sum(jax.vmap(give)(numbers) * kept[:, None], axis=0)
