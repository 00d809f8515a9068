"""RISE: what is seen, on average, when a score is high."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import Masking, Scene, score_masks
from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Key, Params, as_key

MASK_BYTES = 2**25
"""Bytes of masks that are made again at once when the heatmap is put together."""


@dataclass(frozen=True)
class SmoothCells(Masking):
    """The score of an image behind a smooth random mask; a sample is the mask's key.

    Args:
      net: the network.
      cells: how many cells the mask has a side.
      probability: of a cell to show the image.
    """

    cells: int
    probability: float

    def make_mask(self, scene: Scene, item: Any, sample: Any) -> Array:
        """Makes a mask, `[H, W]`.

        Args:
          scene, item, sample: see `Masking`.
        """
        del item
        return self.draw_mask(sample, (scene.image.shape[0], scene.image.shape[1]))

    def draw_mask(self, key: Key, size: tuple[int, int]) -> Array:
        """Draws a mask, `[H, W]`: random cells, enlarged bilinearly and shifted at random.

        Args:
          key: of the mask.
          size: (H, W) of the image in pixels.
        """
        # One draw of all numbers: each further one takes seconds to compile.
        numbers = jax.random.uniform(key, (self.cells**2 + 2,))
        bits = numbers[2:].reshape(self.cells, self.cells) < self.probability
        rows, columns = (self._weigh(one, side) for one, side in zip(numbers[:2], size))
        return rows @ bits.astype(jnp.float32) @ columns.T

    def _weigh(self, number: Array, side: int) -> Array:
        """Gives the weight of every cell in every pixel along one axis, `[side, cells]`."""
        width = -(-side // self.cells)
        shift = jnp.floor(number * width)
        # The cells, enlarged to cells + 1 widths, of which `side` pixels from `shift` are cut.
        scale = self.cells / ((self.cells + 1) * width)
        places = (jnp.arange(side) + shift + 0.5) * scale - 0.5
        places = jnp.clip(places, 0, self.cells - 1)
        return jnp.maximum(0, 1 - jnp.abs(places[:, None] - jnp.arange(self.cells)))


def rise(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    samples: int = 4000,
    cells: int = 7,
    probability: float = 0.5,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows the mean score of the random masks that show a pixel: sum S M / sum M.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, one score or several; see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is each image's best class.
      samples: how many masks.
      cells: how many cells a mask has a side.
      probability: of a cell to be shown, between 0 and 1.
      baseline: what hidden pixels show, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the masks, and of the baseline "noise".
      chunk: how many masks a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, in the units of the score; the leading axes are those of the
      images and of the scores that were given as several.

    Raises:
      ValueError: as `choose_subject`; for a probability outside (0, 1), or more cells than
        pixels.

    Source: Petsiuk, Das & Saenko (2018), Eq. 6 and section 3.2.
    Departures: the sum is divided by how often each pixel was really shown, and not by the
      number that is expected, so that a score that never changes gives a flat map.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.rise(net, params, red, index=[0, 3], samples=20).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    check_counts(samples=samples, cells=cells)
    if not 0 < probability < 1:
        raise ValueError(f"probability is between 0 and 1, not {probability}")
    if cells > min(subject.size):
        raise ValueError(f"{cells} cells are more than the image has pixels a side: lower cells=")
    method = SmoothCells(net, cells, float(probability))
    keys = _split(as_key(key), samples)
    scores = score_masks(method, params, subject, keys, baseline=baseline, key=key, chunk=chunk)
    maps = add_masks(method, keys, scores.reshape(-1, samples), subject.size)
    return maps.reshape(*subject.lead, *subject.size)


@jit(static_argnums=1)
def _split(key: Key, count: int) -> Key:
    # Mask i is the same however many there are.
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(count))


def add_masks(
    method: SmoothCells, keys: Key, scores: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Averages scores over the masks that show each pixel, `[M, H, W]`.

    The masks are made once more, some at a time, as all of them would fill the memory.

    Args:
      method: draws the masks.
      keys: `[S]`, of the masks.
      scores: `[M, S]`.
      size: (H, W) of the masks in pixels.
    """
    count = len(keys)
    most = min(count, max(1, MASK_BYTES // (4 * size[0] * size[1])))
    # One row more counts how often pixels are shown; copies that fill up have the weight 0.
    weights = np.concatenate([scores, np.ones((1, count), np.float32)])
    total: Any = 0
    for start in range(0, count, most):
        places = np.minimum(np.arange(start, start + most), count - 1)
        part = np.where(np.arange(start, start + most) < count, weights[:, places], 0)
        total = total + _add(method, size, keys[places], part)
    shown = np.asarray(total)
    return np.divide(shown[:-1], shown[-1], out=np.zeros_like(shown[:-1]), where=shown[-1] > 0)


@jit(static_argnums=(0, 1))
def _add(method: SmoothCells, size: tuple[int, int], keys: Key, weights: Array) -> Array:
    masks = jax.vmap(lambda key: method.draw_mask(key, size))(keys)
    return jnp.einsum("ms,shw->mhw", weights, masks)
