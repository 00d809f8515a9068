"""Sobol indices: the share of a score's variance that a cell of the image takes part in."""

from collections.abc import Sequence

import jax
import numpy as np
from scipy.stats import qmc

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import Masking, enlarge_cells, number_cells, score_masks
from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import ImageLike, Key, Params, as_key


def sobol(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    samples: int = 32,
    grid: int = 8,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows each cell's total Sobol index: the share of the variance that involves the cell.

    Every cell of a grid fades between the image and the baseline. Besides the cell's own
    effect its index counts all effects that it has together with other cells.
    samples (grid^2 + 1) masks are shown to the network.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, one score or several; see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is each image's best class.
      samples: points of the design, a power of 2.
      grid: how many cells a side.
      baseline: what hidden pixels show, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the shift of the points, and of the baseline "noise".
      chunk: how many masks a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, the indices, enlarged bicubically; zeros where the score
      never changes. The leading axes are those of the images and of the scores that were
      given as several.

    Raises:
      ValueError: as `choose_subject`; for samples that are no power of 2.

    Source: Fel et al., Look at the variance! (2021); Jansen (1999).
    Departures: the points of the Sobol sequence are shifted at random, so that the first of
      them does not hide the whole image.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.sobol(net, params, red, index=[0, 3], samples=4, grid=3).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    check_counts(samples=samples)
    if samples < 2 or samples & (samples - 1):
        raise ValueError(f"samples is a power of 2, such as 32 or 64, not {samples}")
    cells = number_cells(subject.size, grid)
    masks = draw_design(as_key(key), samples, grid * grid)
    scores = score_masks(
        Masking(net), params, subject, masks, baseline=baseline, key=key, cells=cells, chunk=chunk
    )
    indices = estimate_total(scores, samples).reshape(*scores.shape[:2], grid, grid)
    return enlarge_cells(indices, subject.size).reshape(*subject.lead, *subject.size)


def draw_design(key: Key, samples: int, dimensions: int) -> np.ndarray:
    """Draws the masks of the design, `[samples * (dimensions + 1), dimensions]`.

    First come the points A. Then follow, for one dimension after the other, the points A in
    which that dimension is replaced by that of the points B.

    Args:
      key: of the shift.
      samples: points, a power of 2.
      dimensions: cells.
    """
    points = qmc.Sobol(2 * dimensions, scramble=False).random(samples)
    shift = np.asarray(jax.random.uniform(key, (2 * dimensions,)))
    first, second = np.split(((points + shift) % 1).astype(np.float32), 2, axis=1)
    mixed = np.repeat(first[None], dimensions, axis=0)
    each = np.arange(dimensions)
    mixed[each, :, each] = second.T
    return np.concatenate([first, mixed.reshape(-1, dimensions)])


def estimate_total(scores: np.ndarray, samples: int) -> np.ndarray:
    """Estimates total Sobol indices by Jansen's formula, `[..., dimensions]`.

    The index is sum (f(A) - f(C_i))^2 / (2 n Var f(A)), C_i as `draw_design` mixes it.

    Args:
      scores: `[..., samples * (dimensions + 1)]`, of the masks of `draw_design`.
      samples: points of the design.
    """
    each = np.asarray(scores, np.float64).reshape(*scores.shape[:-1], -1, samples)
    first, mixed = each[..., :1, :], each[..., 1:, :]
    variance = np.var(first, axis=-1, ddof=1)
    moved = np.mean((first - mixed) ** 2, axis=-1) / 2
    return np.divide(
        moved, variance, out=np.zeros_like(moved), where=np.broadcast_to(variance > 0, moved.shape)
    )
