"""LIME: the weights of a linear model of which superpixels are seen."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import Masking, score_masks
from jaxvis.attribution.masks.superpixels import Segments, find_segments
from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Key, Params, as_key

WIDTH = 0.25
"""Width of the kernel that weighs masks by their distance to the whole image."""
PENALTY = 1.0
"""Weight of the squared coefficients beside the weighted squared errors."""


def lime(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    samples: int = 1000,
    segments: Segments = "slic",
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what each superpixel adds to a score, in a linear model of the score.

    Masks show each superpixel with probability 1/2. A ridge regression from what is shown to
    the score counts a mask by its nearness to the whole image, exp(-d^2 / (2 WIDTH^2)), d
    the cosine distance.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, one score or several; see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is each image's best class.
      samples: how many masks; the first shows the whole image.
      segments: how superpixels are found, "slic" or "quickshift"; or their numbers from 0,
        `[H, W]`, or `[N, H, W]` for several images.
      baseline: what hidden pixels show, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the masks, and of the baseline "noise".
      chunk: how many masks a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, the coefficient of each pixel's superpixel; the leading axes
      are those of the images and of the scores that were given as several.

    Raises:
      ValueError: as `choose_subject`; where scikit-image is missing and superpixels are not
        given.

    Source: Ribeiro, Singh & Guestrin (2016), with the kernel of the authors' code.

    >>> import jax
    >>> import jaxvis
    >>> import numpy as np
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> halves = np.repeat(np.arange(2), 32 * 64).reshape(64, 64)
    >>> jaxvis.lime(net, params, red, index=3, segments=halves, samples=20).shape
    (64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    check_counts(samples=samples)
    cells = find_segments(subject.images, segments)
    masks = np.asarray(_draw_bits(as_key(key), samples, int(cells.max()) + 1))
    scores = score_masks(
        Masking(net), params, subject, masks, baseline=baseline, key=key, cells=cells, chunk=chunk
    )
    maps = [
        fit_weights(masks[:, : one.max() + 1], each)[:, one] for one, each in zip(cells, scores)
    ]
    return np.stack(maps).astype(np.float32).reshape(*subject.lead, *subject.size)


@jit(static_argnums=(1, 2))
def _draw_bits(key: Key, samples: int, dimensions: int) -> Array:
    """Draws masks of 0 and 1, `[samples, dimensions]`; the first is 1."""
    # A superpixel has the same bits however many superpixels there are.
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(dimensions))
    bits = jax.vmap(lambda one: jax.random.bernoulli(one, shape=(samples,)), out_axes=1)(keys)
    return bits.at[0].set(True).astype(jnp.float32)


def fit_weights(masks: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Fits the linear models, `[K, D]`: ridge regression with an intercept that is free.

    Args:
      masks: `[S, D]`, of 0 and 1.
      scores: `[K, S]`.
    """
    masks, scores = np.asarray(masks, np.float64), np.asarray(scores, np.float64)
    nearness = np.sqrt(masks.mean(1))  # the cosine between a mask and the whole
    weights = np.exp(-((1 - nearness) ** 2) / (2 * WIDTH**2))
    share = weights / weights.sum()
    centred = masks - share @ masks
    products = (centred * weights[:, None]).T
    matrix = products @ centred + PENALTY * np.eye(masks.shape[1])
    return np.linalg.solve(matrix, products @ (scores - scores @ share[:, None]).T).T
