"""HSIC: how strongly a score depends on whether a cell of the image is seen."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import Masking, enlarge_cells, number_cells, score_masks
from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ArrayLike, ImageLike, Key, Params, as_key


def hsic(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    samples: int = 500,
    grid: int = 8,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows each cell's dependence with the score, by the Hilbert-Schmidt criterion (HSIC).

    Half of the masks show a cell, drawn at random. The criterion is 0 where the score is
    independent of that, and finds any kind of dependence, not just a change of the mean.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, one score or several; see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is each image's best class.
      samples: how many masks, at least 2.
      grid: how many cells a side.
      baseline: what hidden pixels show, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the masks, and of the baseline "noise".
      chunk: how many masks a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, the criterion of each cell, enlarged bicubically; zeros where
      the score never changes. The leading axes are those of the images and of the scores
      that were given as several.

    Raises:
      ValueError: as `choose_subject`; for less than 2 samples.

    Source: Novello, Fel & Vigouroux, Making sense of dependence (2022), with its kernels: a
      Dirac kernel of a cell, a Gaussian one of the score.
    Departures: the Gaussian is as wide as the median distance between scores, not as the
      median score, which may be near 0.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.hsic(net, params, red, index=[0, 3], samples=20, grid=4).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    check_counts(samples=samples)
    if samples < 2:
        raise ValueError("samples is at least 2: one score has no spread")
    cells = number_cells(subject.size, grid)
    masks = np.asarray(_draw_halves(as_key(key), samples, grid * grid))
    scores = score_masks(
        Masking(net), params, subject, masks, baseline=baseline, key=key, cells=cells, chunk=chunk
    )
    flat = scores.reshape(-1, samples)
    traces = np.asarray(estimate_dependence(masks, flat, _find_widths(flat)))
    found = traces.reshape(*scores.shape[:2], grid, grid)
    return enlarge_cells(found, subject.size).reshape(*subject.lead, *subject.size)


@jit(static_argnums=(1, 2))
def _draw_halves(key: Key, samples: int, dimensions: int) -> Array:
    """Draws masks of 0 and 1, `[samples, dimensions]`: half of each column is 1."""
    # A Latin hypercube, of which every column is cut at its median.
    order = jnp.argsort(jax.random.uniform(key, (samples, dimensions)), axis=0)
    return (order < samples // 2).astype(jnp.float32)


def _find_widths(scores: np.ndarray) -> np.ndarray:
    """Finds the median distance between the scores of different masks, `[M]`."""
    pairs = np.triu_indices(scores.shape[1], 1)
    return np.array([np.median(np.abs(one[pairs[0]] - one[pairs[1]])) for one in scores])


@jit
def estimate_dependence(masks: ArrayLike, scores: ArrayLike, widths: ArrayLike) -> Array:
    """Estimates the criterion of every score and cell, trace(K H L H) / (n - 1)^2, `[M, D]`.

    K is 1/2 where two masks agree in the cell and -1/2 where not, and L is
    exp(-(s - s')^2 / (2 width^2)).

    Args:
      masks: `[n, D]`, of 0 and 1.
      scores: `[M, n]`.
      widths: `[M]`; where the width is 0 so is the criterion.
    """
    # K is s s' / 2 with signs s, so that the trace is a quadratic form in centred signs.
    signs = 2 * masks - 1
    signs = signs - jnp.mean(signs, axis=0)

    def estimate_one(given: tuple[Array, Array]) -> Array:
        score, width = given
        square = (score[:, None] - score) ** 2
        kernel = jnp.exp(-square / (2 * jnp.where(width > 0, width, 1) ** 2))
        trace = jnp.sum(signs * (kernel @ signs), axis=0) / 2
        return jnp.where(width > 0, trace, 0) / (len(score) - 1) ** 2

    return lax.map(estimate_one, (scores, widths))
