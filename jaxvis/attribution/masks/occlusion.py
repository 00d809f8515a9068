"""Occlusion: how far a score falls where a patch of the image is covered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import Masking, Scene, score_masks
from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Key, Params


@dataclass(frozen=True)
class Patches(Masking):
    """The score of an image with a patch covered; a sample is the patch's corner (y, x).

    Args:
      net: the network.
      patch: (height, width) of the patch in pixels.
    """

    patch: tuple[int, int]

    def make_mask(self, scene: Scene, item: Any, sample: Any) -> Array:
        """Makes the mask of a patch, `[H, W]`.

        Args:
          scene, item, sample: see `Masking`.
        """
        del item
        inside = [
            (places >= corner) & (places < corner + side)
            for places, corner, side in zip(map(jnp.arange, scene.image.shape), sample, self.patch)
        ]
        return 1.0 - (inside[0][:, None] & inside[1])


def occlusion(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    patch: int | tuple[int, int] = 32,
    stride: int | tuple[int, int] | None = None,
    baseline: Baseline = "grey",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows how far a score falls where a patch covers the image: S(x) - S(x covered).

    A pixel has the mean over all patches that cover it. Patches begin at multiples of the
    stride; the last ones of a row or column may reach beyond the image.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, one score or several; see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is each image's best class.
      patch: the patch's side in pixels, or (height, width).
      stride: pixels from patch to patch, or (down, right); None is a quarter of the patch.
      baseline: what the patch shows, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the baseline "noise".
      chunk: how many patches a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, positive where the score needs the pixel; the leading axes
      are those of the images and of the scores that were given as several.

    Raises:
      ValueError: as `choose_subject`; for a patch larger than the image, or a stride that
        leaves pixels uncovered.

    Source: Zeiler & Fergus (2014); Lecture 21, 21.4.1. The averages are those of Captum.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.occlusion(net, params, red, index=[0, 3], patch=32).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    sides = _check_pair("patch", patch)
    quarters = (max(1, sides[0] // 4), max(1, sides[1] // 4))
    steps = quarters if stride is None else _check_pair("stride", stride)
    corners = [_place(*places) for places in zip(subject.size, sides, steps)]
    grid = np.stack(np.meshgrid(*corners, indexing="ij"), -1).reshape(-1, 2)
    # The last patch lies outside: it gives the score of the whole image.
    samples = np.concatenate([grid, [subject.size]]).astype(np.int32)
    method = Patches(net, sides)
    scores = score_masks(method, params, subject, samples, baseline=baseline, key=key, chunk=chunk)
    drops = (scores[..., -1:] - scores[..., :-1]).reshape(-1, *map(len, corners))
    covers = [_cover(*places) for places in zip(subject.size, sides, corners)]
    total = covers[0].T @ drops @ covers[1]
    counts = np.outer(covers[0].sum(0), covers[1].sum(0))
    return (total / counts).astype(np.float32).reshape(*subject.lead, *subject.size)


def _check_pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int | np.integer) else tuple(value)
    if len(pair) != 2:
        raise ValueError(f"{name} is one number or (vertical, horizontal), not {value!r}")
    check_counts(**{name: pair[0]})
    check_counts(**{name: pair[1]})
    return int(pair[0]), int(pair[1])


def _place(size: int, side: int, step: int) -> np.ndarray:
    """Gives the places at which patches begin along one axis."""
    if side > size:
        raise ValueError(
            f"a patch of {side} pixels is larger than the image, {size}: shrink patch="
        )
    if step > side and side < size:
        raise ValueError(
            f"a stride of {step} skips pixels between patches of {side}: lower stride="
        )
    return step * np.arange(-(-(size - side) // step) + 1)


def _cover(size: int, side: int, corners: np.ndarray) -> np.ndarray:
    """Marks the pixels that each patch covers along one axis, `[patches, size]`."""
    places = np.arange(size) - corners[:, None]
    return ((places >= 0) & (places < side)).astype(np.float32)
