"""What all masking methods share: an image is hidden in part, and the score is read.

A method says which mask a sample is, and `score_masks` gives the scores of all masks. The
masks are made on the device, so that none is ever kept; all scores of an image share the
forward pass of a masked image.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline, make_fill
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Subject, read_score
from jaxvis.compiler import jit
from jaxvis.types import Array, Key, Params


class Scene(NamedTuple):
    """An image, and what is seen where a mask hides it; the leaves may have leading axes.

    Attributes:
      image: `[H, W, C]`.
      fill: `[H, W, C]`, what stands in the place of the image where that is hidden.
      cells: `[H, W]` int32, the number of the cell that a pixel belongs to; None where a
        method needs no cells.
    """

    image: Array
    fill: Array
    cells: Array | None = None


def hide(scene: Scene, mask: Array) -> Array:
    """Hides a part of an image.

    Args:
      scene: the image and what is seen instead.
      mask: `[H, W]` from 0 to 1: 1 shows the image, 0 hides it.

    Returns:
      Array: `[H, W, C]`.
    """
    # Exactly the image where the mask is 1, and exactly the fill where it is 0.
    return mask[..., None] * scene.image + (1 - mask[..., None]) * scene.fill


@dataclass(frozen=True)
class Masking(Explanation):
    """The score of an image that a mask hides in part, `[]`; a sample is a value a cell."""

    def __call__(self, params: Params, image: Any, item: Any, sample: Any) -> Array:
        """Computes the score.

        Args:
          params, item, sample: see `Explanation`.
          image: a `Scene`.
        """
        shown = hide(image, self.make_mask(image, item, sample))
        return self.read(item, self.net.apply(params, shown, stop=self.find_taps(item)))

    def make_mask(self, scene: Scene, item: Any, sample: Any) -> Array:
        """Makes the mask of a sample, `[H, W]`, 1 where the image is seen.

        Args:
          scene, item, sample: see `__call__`.
        """
        del item
        return sample[scene.cells]

    def find_taps(self, item: Any) -> tuple[str, ...] | None:
        """Finds the taps that an item reads.

        Args:
          item: see `__call__`.
        """
        return item.taps

    def read(self, item: Any, taps: Any) -> Array:
        """Reads what an item asks for from the taps, `[]`.

        Args:
          item, taps: see `__call__`.
        """
        return read_score(item, taps)


def score_masks(
    method: Masking,
    params: Params,
    subject: Subject,
    samples: Any,
    *,
    baseline: Baseline,
    key: Key | int = 0,
    cells: Array | np.ndarray | None = None,
    chunk: int | None = None,
) -> np.ndarray:
    """Computes the scores of every image behind every mask, `[N, K, S]`.

    Args:
      method: which masks, and what is read.
      params: the network's parameters.
      subject: the images and scores.
      samples: a pytree, leaves `[S, ...]`, of which `method` makes the masks.
      baseline: what is seen where an image is hidden, see `make_fill`.
      key: of the baseline "noise".
      cells: `[H, W]`, or `[N, H, W]` where each image has its own; see `Scene`.
      chunk: how many masks (or scores, whichever are more) a device takes together.
    """
    images = subject.images
    if cells is not None:
        cells = jnp.broadcast_to(jnp.asarray(cells, jnp.int32), images.shape[:3])
    scene: Any = Scene(images, make_fill(images, baseline, key), cells)
    # Many forward passes: kernels are transformed once, and not in each of them.
    ready = method.net.prepare(params, size=subject.size)
    whole = subject._replace(images=scene)
    return explain(method, ready, whole, samples=samples, keep=True, chunk=chunk)


def number_cells(size: tuple[int, int], grid: int) -> np.ndarray:
    """Numbers the cells of a square grid over an image, `[H, W]`, row by row.

    Args:
      size: (H, W) of the image in pixels.
      grid: how many cells a side.

    Raises:
      ValueError: for a grid below 1, or of more cells a side than the image has pixels.
    """
    if not 1 <= grid <= min(size):
        raise ValueError(
            f"grid is from 1 to {min(size)} cells a side for an image of {size[0]}x{size[1]} "
            f"pixels, not {grid}"
        )
    rows, columns = (np.arange(side) * grid // side for side in size)
    return rows[:, None] * grid + columns


def enlarge_cells(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarges the values of a grid's cells to pixels bicubically, `[N, K, H, W]` float32.

    Args:
      values: `[N, K, grid, grid]`.
      size: (H, W) in pixels.
    """
    return np.asarray(_enlarge(size, jnp.asarray(values, jnp.float32)))


@jit(static_argnums=0)
def _enlarge(size: tuple[int, int], values: Array) -> Array:
    return jax.image.resize(values, (*values.shape[:2], *size), "cubic")
