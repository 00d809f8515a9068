"""Gradients of a score at noisy copies of an image: their mean and their variance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.gradients import Combine, arrange, combine_channels, differentiate
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, Subject, choose_subject
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Key, Params, as_key

SAMPLES, SIGMA = 50, 0.15
"""How many noisy copies are taken, and how noisy they are, in the middle of the paper's 10 to
20 % of the range of the values."""


@dataclass(frozen=True)
class NoisyGradient(Explanation):
    """Gradients at noisy copies of the image; or each less that at the image, and its square.

    Args:
      net: the network.
      sigma: the noise's standard deviation, a share of the range of the image's values.
      spread: whether squares are wanted too.
    """

    sigma: float
    spread: bool = False

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> dict:
        """Computes the gradient of one sample; or its difference from the one at the image.

        Args:
          params, image, item: see `Explanation`.
          sample: the key of the sample's noise.
        """
        noise = jax.random.normal(sample, image.shape) * self.sigma * jnp.ptp(image)
        gradient = differentiate(self.net, params, image + noise, item)
        if not self.spread:
            return {"gradient": gradient}
        # Of differences from one gradient, so that no digits are lost where it is large. It
        # depends on no sample, so it is computed once for all of a chunk.
        difference = gradient - differentiate(self.net, params, image, item)
        return {"difference": difference, "square": difference**2}


def smooth_grad(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    sigma: float = SIGMA,
    samples: int = SAMPLES,
    key: Key | int = 0,
    combine: Combine = "max",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows the mean gradient of noisy copies of an image: saliency with less noise.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      sigma: the noise's standard deviation, a share of the range of the image's values.
      samples: how many noisy copies.
      key: of the noise, the same for all images and scores; more samples begin with those
        that fewer have.
      combine: how the channels of the mean become one map, see `combine_channels`.
      chunk: how many samples or scores a device takes together; None fits the memory.

    Returns:
      np.ndarray: `[..., H, W]`.

    Raises:
      ValueError: as `choose_subject`, and for a sigma below 0 or no sample.

    Source: Smilkov et al., SmoothGrad: removing noise by adding noise, 2017.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.smooth_grad(net, params, red[:32, :32], index=[0, 3], samples=4).shape
    (2, 32, 32)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    found = _average(NoisyGradient(net, sigma), params, subject, samples, key, chunk)
    return combine_channels(arrange(found["gradient"], subject), combine)


def var_grad(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    sigma: float = SIGMA,
    samples: int = SAMPLES,
    key: Key | int = 0,
    combine: Combine = "max",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows the variance of the gradient over noisy copies of an image.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      sigma, samples, key: of the noise, as for `smooth_grad`.
      combine: how the channels of the variance become one map, see `combine_channels`.
      chunk: how many samples or scores a device takes together; None fits the memory.

    Returns:
      np.ndarray: `[..., H, W]`, at least 0; the mean square less the squared mean.

    Raises:
      ValueError: as `smooth_grad`.

    Source: Adebayo et al., Local explanation methods for deep neural networks lack
      sensitivity to parameter values, 2018.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.var_grad(net, params, red[:32, :32], index=0, samples=4).shape
    (32, 32)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    method = NoisyGradient(net, sigma, spread=True)
    found = _average(method, params, subject, samples, key, chunk)
    variance = np.maximum(found["square"] - found["difference"] ** 2, 0)
    return combine_channels(arrange(variance, subject), combine)


def _average(
    method: NoisyGradient,
    params: Params,
    subject: Subject,
    samples: int,
    key: Key | int,
    chunk: int | None,
) -> dict[str, np.ndarray]:
    """Returns the means over samples of what `NoisyGradient` computes."""
    if method.sigma < 0 or samples < 1:
        raise ValueError(
            f"sigma is at least 0 and samples at least 1, not {method.sigma:g} and {samples}"
        )
    keys = jax.vmap(lambda number: jax.random.fold_in(as_key(key), number))(jnp.arange(samples))
    sums = explain(method, params, subject, samples=keys, chunk=chunk)
    return {name: total / samples for name, total in sums.items()}
