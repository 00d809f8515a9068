"""Finer-CAM: Grad-CAM of what sets a class apart from those that are most like it."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.cam.gradient_based import GradientMap
from jaxvis.attribution.cam.shared import Size, choose_all, explain_layer, finish_maps
from jaxvis.attribution.subject import Index
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.objectives import Excite, average_positions
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params, Taps


@dataclass(frozen=True)
class ContrastMap(GradientMap):
    """Grad-CAM of a score minus the mean score of similar classes.

    Args:
      net, layer, alone, weigh: see `GradientMap`.
      similar: how many classes are subtracted.
      strength: the factor of their mean.
    """

    similar: int = 3
    strength: float = 0.6

    def score(self, item: Algebra, taps: Taps) -> Array:
        """Computes the score minus that of the classes whose scores are nearest to it, `[]`.

        Args:
          item: the objective of the class, an `Excite`.
          taps: those that it reads.

        Raises:
          ValueError: for another objective.
        """
        if not isinstance(item, Excite):
            raise ValueError("Finer-CAM explains classes: pass index=, and tap= for other scores")
        scores = average_positions(taps[item.tap])
        own = jax.nn.one_hot(item.index, scores.shape[-1])
        fixed = jax.lax.stop_gradient(scores)
        distance = jnp.where(own > 0, jnp.inf, jnp.abs(fixed - fixed @ own))
        _, others = jax.lax.top_k(-distance, self.similar)
        mean = jnp.sum(jax.nn.one_hot(others, scores.shape[-1]), axis=0) / self.similar
        return scores @ (own - self.strength * mean)


def finer_cam(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    similar: int = 3,
    strength: float = 0.6,
    layer: str | None = None,
    size: Size = "image",
    normalize: bool = False,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what sets a class apart from similar ones: Grad-CAM of s_c - strength mean(s_d).

    The similar classes d are those whose scores for the image are nearest to that of class c.

    Args:
      net, params, image: see `jaxvis.grad_cam`.
      tap, index: the scores and the classes, see `jaxvis.grad_cam`.
      similar: how many classes are compared with, at least 1.
      strength: how much of their mean score is subtracted; 0 gives Grad-CAM.
      layer, size, normalize, chunk: see `jaxvis.grad_cam`.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer, at least 0.

    Raises:
      ValueError: if there are not so many other classes; as `jaxvis.grad_cam`.

    Source: Zhang et al., Finer-CAM, 2025, Eq. 4-6.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.finer_cam(net, params, image, index=[0, 3]).shape
    (2, 64, 64)
    """
    subject, layer = choose_all(net, params, image, tap=tap, index=index, layer=layer, size=size)
    classes = net.shape(params, tap or net.scores or "", size=subject.size)[-1]
    if not 0 < similar < classes:
        raise ValueError(f"similar is from 1 to {classes - 1}, the other classes; got {similar}")
    method = ContrastMap(net, layer, similar=similar, strength=strength)
    maps = explain_layer(method, params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)
