"""Class activation maps without gradients: each map of a layer is weighted by a trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.cam.layers import choose_layer
from jaxvis.attribution.cam.shared import (
    LayerMethod,
    ReadLayer,
    Size,
    choose_all,
    explain_layer,
    finish_maps,
    read_layer,
    resize_maps,
)
from jaxvis.attribution.stream import explain
from jaxvis.attribution.subject import Index, Subject, choose_subject, read_score
from jaxvis.images import mean_colour
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params


@dataclass(frozen=True)
class MaskedScore(LayerMethod):
    """The score of the image behind one of the layer's maps, as a mask."""

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Array) -> Array:
        """Computes the score, `[]`.

        Args:
          params, image, item: see `Explanation`.
          sample: the number of the map.
        """
        maps = self.net.apply(params, image, stop=self.layer)[self.layer]
        one = maps @ jax.nn.one_hot(sample, maps.shape[-1])
        mask = resize_maps(one[None], image.shape[:2])[0]
        low, high = jnp.min(mask), jnp.max(mask)
        mask = jnp.where(high > low, (mask - low) / jnp.where(high > low, high - low, 1), 0)
        behind = jnp.asarray(mean_colour(image.shape[-1]), image.dtype)
        shown = behind + mask[..., None] * (image - behind)
        return read_score(item, self.net.apply(params, shown, stop=item.taps))


@dataclass(frozen=True)
class AblatedScore(LayerMethod):
    """The score with one of the layer's maps set to 0."""

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Array) -> Array:
        """Computes the score, `[]`.

        Args:
          params, image, item: see `Explanation`.
          sample: the number of the map; -1 leaves all as they are.
        """
        maps, leave = self.enter(params, image, item)
        kept = 1 - jax.nn.one_hot(sample, maps.shape[-1])
        return read_score(item, leave(maps * kept))


@dataclass(frozen=True)
class FirstComponent(ReadLayer):
    """The layer's cells along the direction in which they differ most."""

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the map, `[h, w]`.

        Args:
          params, image, item, sample: see `Explanation`; the last two are not looked at.
        """
        maps = super().__call__(params, image, item, sample)
        cells = maps.reshape(-1, maps.shape[-1])
        cells = cells - jnp.mean(cells, axis=0)
        left, sizes, _ = jnp.linalg.svd(cells, full_matrices=False)
        along = left[:, 0] * sizes[0]
        # A direction has two signs: where more is active than elsewhere is positive.
        sign = jnp.where(along @ jnp.sum(cells, axis=1) < 0, -1, 1)
        return jnp.maximum(sign * along, 0).reshape(maps.shape[:2])


def _add_maps(
    net: Network, params: Params, subject: Subject, layer: str, weights: np.ndarray
) -> np.ndarray:
    """Returns max(0, sum_k w_k A_k), `[N, K, h, w]`, of weights `[N, K, c]`."""
    maps = read_layer(net, params, subject, layer)
    return np.maximum(np.einsum("nhwc,nkc->nkhw", maps, weights), 0)


def _number_maps(net: Network, params: Params, subject: Subject, layer: str) -> np.ndarray:
    count = net.shape(params, layer, size=subject.size)[-1]
    return np.arange(count, dtype=np.int32)


def score_cam(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    layer: str | None = None,
    size: Size = "image",
    normalize: bool = False,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows where a layer speaks for a score, each map weighted by what it lets through.

    M = max(0, sum_k a_k A_k) with a = softmax_k of the score S(X o H_k) - S(X), where H_k is
    map k, resized to the image and stretched over [0, 1]. Hidden pixels get the mean colour
    of photographs, which is what most networks see as 0. It costs one forward pass for every
    map of the layer, whatever the number of scores.

    Args:
      net, params, image: see `jaxvis.grad_cam`.
      tap, index, position, objective: what is explained, see `jaxvis.grad_cam`.
      layer, size, normalize: see `jaxvis.grad_cam`.
      chunk: how many masked images a device takes together.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer, at least 0.

    Raises:
      ValueError: as `jaxvis.grad_cam`.

    Source: Wang et al., Score-CAM, 2020, Eq. 6-10.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.score_cam(net, params, image[:32, :32], index=[0, 3]).shape
    (2, 32, 32)
    """
    what = {"tap": tap, "index": index, "position": position, "objective": objective}
    subject, layer = choose_all(net, params, image, layer=layer, size=size, **what)
    numbers = _number_maps(net, params, subject, layer)
    method = MaskedScore(net, layer)
    scores = explain(method, params, subject, samples=numbers, keep=True, chunk=chunk)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    maps = _add_maps(net, params, subject, layer, scores / scores.sum(-1, keepdims=True))
    return finish_maps(maps, subject, subject.lead, size, normalize)


def ablation_cam(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    layer: str | None = None,
    size: Size = "image",
    normalize: bool = False,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows where a layer speaks for a score, each map weighted by the drop without it.

    M = max(0, sum_k a_k A_k) with a_k = (S - S_k) / |S|, where S_k is the score with map k set
    to 0. What lies behind the layer is computed once for every map.

    Args:
      net, params, image: see `jaxvis.grad_cam`.
      tap, index, position, objective: what is explained, see `jaxvis.grad_cam`.
      layer, size, normalize: see `jaxvis.grad_cam`.
      chunk: how many trials a device takes together.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer, at least 0.

    Raises:
      ValueError: as `jaxvis.grad_cam`.

    Source: Desai & Ramaswamy, Ablation-CAM, 2020, Eq. 2-3.
    Departures: the drop is divided by |S|, so that it keeps its sign where S is negative; by
      1 where S is 0.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.ablation_cam(net, params, image, index=[0, 3]).shape
    (2, 64, 64)
    """
    what = {"tap": tap, "index": index, "position": position, "objective": objective}
    subject, layer = choose_all(net, params, image, layer=layer, size=size, **what)
    numbers = np.append(_number_maps(net, params, subject, layer), np.int32(-1))
    method = AblatedScore(net, layer)
    scores = explain_layer(method, params, subject, samples=numbers, chunk=chunk)
    whole, without = scores[..., -1:], scores[..., :-1]
    weights = (whole - without) / np.where(whole == 0, 1, np.abs(whole))
    maps = _add_maps(net, params, subject, layer, weights)
    return finish_maps(maps, subject, subject.lead, size, normalize)


def eigen_cam(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    layer: str | None = None,
    size: Size = "image",
    normalize: bool = False,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what a layer sees, whatever the class: its cells' first principal component.

    The cells `[h w, c]`, minus their mean, are projected on the direction in which they
    differ most; of the direction's two signs that is taken in which the activity grows.

    Args:
      net, params, image: see `jaxvis.grad_cam`.
      layer, size, normalize: see `jaxvis.grad_cam`.
      chunk: how many images a device takes together.

    Returns:
      np.ndarray: `[H, W]`, or `[h, w]` of the layer, at least 0; several images give
      `[N, ...]`.

    Raises:
      ValueError: as `jaxvis.grad_cam`.

    Source: Muhammad & Yeasin, Eigen-CAM, 2020, Eq. 4-6.
    Departures: the mean is taken out, as in pytorch-grad-cam; without that the direction is
      close to the mean.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.eigen_cam(net, params, image, size="layer").shape
    (8, 8)
    """
    if size not in ("image", "layer"):
        raise ValueError(f"size is 'image' or 'layer', not {size!r}")
    subject = choose_subject(net, params, image, tap=net.taps[-1], index=0)
    layer = choose_layer(net, params, layer=layer, size=subject.size)
    maps = explain(FirstComponent(net, layer), params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)
