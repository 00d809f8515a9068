"""Class activation maps whose weights are gradients of the score at a layer.

All of them take the maps A `[h, w, c]` of a layer and the gradient G = dS/dA of the score S,
and differ in how they are combined. The forward pass runs once for an image, and of the
backward pass only what lies behind the layer, for many scores together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.cam.shared import (
    LayerMethod,
    Size,
    choose_all,
    explain_layer,
    finish_maps,
)
from jaxvis.attribution.subject import Index, read_score
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params, Taps

Weigh = Callable[[Array, Array], Array]
"""How the maps A and their gradient G, `[h, w, c]` both, become one map `[h, w]`."""


@dataclass(frozen=True)
class GradientMap(LayerMethod):
    """A map that a layer and its gradient give.

    Args:
      net, layer, alone: see `LayerMethod`.
      weigh: how they are combined.
    """

    weigh: Weigh | None = None

    def score(self, item: Algebra, taps: Taps) -> Array:
        """Reads the score from the taps, a scalar `[]`.

        Args:
          item: the objective.
          taps: those that it reads.
        """
        return read_score(item, taps)

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the map, `[h, w]`.

        Args:
          params, image, item, sample: see `Explanation`.
        """
        maps, leave = self.enter(params, image, item)
        gradient = jax.grad(lambda maps: self.score(item, leave(maps)))(maps)
        return (self.weigh or weigh_by_means)(maps, gradient)


def weigh_by_means(maps: Array, gradient: Array) -> Array:
    """Computes Grad-CAM: max(0, sum_k mean(G_k) A_k), `[h, w]`.

    Args:
      maps, gradient: A and G, `[h, w, c]`.
    """
    return jnp.maximum(maps @ jnp.mean(gradient, axis=(0, 1)), 0)


def weigh_by_cells(maps: Array, gradient: Array) -> Array:
    """Computes HiRes-CAM: max(0, sum_k G_k A_k), cell by cell, `[h, w]`.

    Args:
      maps, gradient: A and G, `[h, w, c]`.
    """
    return jnp.maximum(jnp.sum(maps * gradient, axis=-1), 0)


def weigh_by_positive_cells(maps: Array, gradient: Array) -> Array:
    """Computes Layer-CAM: max(0, sum_k max(0, G_k) A_k), cell by cell, `[h, w]`.

    Args:
      maps, gradient: A and G, `[h, w, c]`.
    """
    return weigh_by_cells(maps, jnp.maximum(gradient, 0))


def weigh_by_curvature(maps: Array, gradient: Array) -> Array:
    """Computes Grad-CAM++: max(0, sum_k w_k A_k) with w_k = sum alpha_k max(0, G_k), `[h, w]`.

    Here alpha = G^2 / (2 G^2 + G^3 sum(A_k)) = 1 / (2 + G sum(A_k)), the sum being over the
    map. In the second form nothing underflows where gradients are tiny.

    Args:
      maps, gradient: A and G, `[h, w, c]`.
    """
    positive = jnp.maximum(gradient, 0)
    below = 2 + gradient * jnp.sum(maps, axis=(0, 1))
    alpha = jnp.where(below == 0, 0, 1 / jnp.where(below == 0, 1, below))
    return jnp.maximum(maps @ jnp.sum(alpha * positive, axis=(0, 1)), 0)


def grad_cam(
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
    """Shows where a layer's maps speak for a score, each weighted by its mean gradient.

    M = max(0, sum_k a_k A_k) with a_k the mean of dS/dA_k over the map.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, one score or several; see
        `jaxvis.attribution.subject.choose_subject`. Left out, it is each image's best class.
      layer: the tap whose maps are weighted; None takes the last one before the head, which
        `jaxvis.attribution.cam.layers.choose_layer` names.
      size: "image" resizes the map bilinearly to the image; "layer" keeps its `[h, w]`.
      normalize: whether each map is stretched over [0, 1]; a flat map then becomes zeros.
      chunk: how many scores a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer, at least 0; the leading axes are
      those of the images and of the scores that were given as several.

    Raises:
      ValueError: as `choose_subject` and `choose_layer`, or for another size.

    Source: Selvaraju et al., Grad-CAM, 2017, Eq. 1-2; Lecture 21, 21.8.1.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.grad_cam(net, params, image, index=[0, 3]).shape
    (2, 64, 64)
    """
    what = {"tap": tap, "index": index, "position": position, "objective": objective}
    subject, layer = choose_all(net, params, image, layer=layer, size=size, **what)
    maps = explain_layer(GradientMap(net, layer), params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)


def grad_cam_plus_plus(
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
    """Shows where a layer speaks for a score, with several objects of a class told apart.

    M = max(0, sum_k w_k A_k) with w_k = sum_ij alpha_ij max(0, G_ij) and
    alpha_ij = G_ij^2 / (2 G_ij^2 + G_ij^3 sum_ab A_ab). The factor exp(S) of the paper's
    gradients, one number for the whole map, is left out.

    Args:
      net, params, image: see `grad_cam`.
      tap, index, position, objective: what is explained, see `grad_cam`.
      layer, size, normalize, chunk: see `grad_cam`.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer, at least 0.

    Raises:
      ValueError: as `grad_cam`.

    Source: Chattopadhay et al., Grad-CAM++, 2018, Eq. 5, 7 and 19.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.grad_cam_plus_plus(net, params, image, size="layer").shape
    (8, 8)
    """
    what = {"tap": tap, "index": index, "position": position, "objective": objective}
    subject, layer = choose_all(net, params, image, layer=layer, size=size, **what)
    method = GradientMap(net, layer, weigh=weigh_by_curvature)
    maps = explain_layer(method, params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)


def hires_cam(
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
    """Shows where a layer's cells speak for a score: max(0, sum_k G_k A_k), cell by cell.

    Where one fully connected layer follows, the cells with both signs add up to the score
    without its bias.

    Args:
      net, params, image: see `grad_cam`.
      tap, index, position, objective: what is explained, see `grad_cam`.
      layer, size, normalize, chunk: see `grad_cam`.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer, at least 0.

    Raises:
      ValueError: as `grad_cam`.

    Source: Draelos & Carin, Use HiResCAM instead of Grad-CAM, 2020, Eq. 6.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.hires_cam(net, params, image, layer="relu3_2", index=2).shape
    (64, 64)
    """
    what = {"tap": tap, "index": index, "position": position, "objective": objective}
    subject, layer = choose_all(net, params, image, layer=layer, size=size, **what)
    method = GradientMap(net, layer, weigh=weigh_by_cells)
    maps = explain_layer(method, params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)


def layer_cam(
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
    """Shows where a layer speaks for a score: max(0, sum_k max(0, G_k) A_k), cell by cell.

    It stays sharp at early layers, where the mean gradient of a map says little.

    Args:
      net, params, image: see `grad_cam`.
      tap, index, position, objective: what is explained, see `grad_cam`.
      layer, size, normalize, chunk: see `grad_cam`.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer, at least 0.

    Raises:
      ValueError: as `grad_cam`.

    Source: Jiang et al., LayerCAM, 2021, Eq. 5-7.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.layer_cam(net, params, image, layer="relu2_2", index=2).shape
    (64, 64)
    """
    what = {"tap": tap, "index": index, "position": position, "objective": objective}
    subject, layer = choose_all(net, params, image, layer=layer, size=size, **what)
    method = GradientMap(net, layer, weigh=weigh_by_positive_cells)
    maps = explain_layer(method, params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)
