"""Gradients along a path from a baseline to an image: integrated and expected gradients."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.completeness import add_baseline, check_baselines, check_completeness
from jaxvis.attribution.gradients import Combine, arrange, combine_channels, differentiate
from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.quadrature import Rule, list_places
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, choose_subject
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Key, Params, as_key


class PathStep(Explanation):
    """The gradient at one place of the path, times the path and the place's weight."""

    def __call__(self, params: Params, image: Any, item: Algebra, sample: Any) -> Array:
        """Computes what one place adds, `[H, W, C]`.

        Args:
          params, item: see `Explanation`.
          image: a `Scene`.
          sample: the "place" in [0, 1] and its "weight".
        """
        path = image.image - image.baseline
        there = image.baseline + sample["place"] * path
        return sample["weight"] * differentiate(self.net, params, there, item) * path


class PathSample(Explanation):
    """The gradient at one place of a path from one of many baselines, times the path."""

    def __call__(self, params: Any, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes what one sample adds, `[H, W, C]`.

        Args:
          image, item: see `Explanation`.
          params: those of the "net", and the "baselines" `[B, H, W, C]`.
          sample: the "place" in [0, 1], and the "number" of the baseline.
        """
        baseline = params["baselines"][sample["number"]]
        path = image - baseline
        there = baseline + sample["place"] * path
        return differentiate(self.net, params["net"], there, item) * path


def integrated_gradients(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    baseline: Baseline = "zero",
    steps: int = 50,
    rule: Rule = "gauss-legendre",
    combine: Combine = "sum",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what each pixel adds to a score on the way from a baseline to the image.

    The heatmap adds up to S(image) - S(baseline), but for the error of the sum over steps:
    `jaxvis.measure_completeness` gives it, and one beyond 5 % is told by `logging`.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      baseline: where the path begins: "zero" is black; see
        `jaxvis.attribution.masks.baselines.Baseline`.
      steps, rule: how many gradients, and how they are added up, see `Rule`.
      combine: how the channels become one map, see `combine_channels`.
      chunk: how many steps or scores a device takes together; None fits the memory.

    Returns:
      np.ndarray: `[..., H, W]`, of either sign.

    Raises:
      ValueError: as `choose_subject`, and for a wrong baseline, rule or number of steps.

    Source: Sundararajan, Taly & Yan, Axiomatic attribution for deep networks, 2017.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.integrated_gradients(net, params, red, index=[0, 3]).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    places, weights = list_places(rule, steps)
    samples = {"place": places.astype(np.float32), "weight": weights.astype(np.float32)}
    ready = net.prepare(params, size=subject.size)
    whole = add_baseline(subject, baseline)
    maps = explain(PathStep(net), ready, whole, samples=samples, chunk=chunk)
    check_completeness(
        net, params, subject, maps, baseline, "integrated_gradients", cure=f"steps={4 * steps}"
    )
    return combine_channels(arrange(maps, subject), combine)


def expected_gradients(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    baselines: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    samples: int = 200,
    key: Key | int = 0,
    combine: Combine = "sum",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what each pixel adds to a score, on the average over many baselines.

    It is the mean of integrated gradients, one random place of one random path a sample. The
    baselines come in turn, so that each counts the same.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      baselines: `[B, H, W, C]`, other images such as those the network was trained with.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      samples: how many gradients.
      key: of the places; more samples begin with those that fewer have.
      combine: how the channels become one map, see `combine_channels`.
      chunk: how many samples or scores a device takes together; None fits the memory.

    Returns:
      np.ndarray: `[..., H, W]`, of either sign; it adds up to S(image) less the mean score of
      the baselines, the better the more samples.

    Raises:
      ValueError: as `choose_subject`, for baselines of another size, or no sample.

    Source: Erion et al., Improving performance of deep learning models with axiomatic
      attribution priors and expected gradients, 2021. Captum has it as GradientShap.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.expected_gradients(net, params, red, red[None] / 2, index=0).shape
    (64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    if samples < 1:
        raise ValueError(f"samples is at least 1, not {samples}")
    checked = check_baselines(baselines, subject.size, net.channels)
    keys = jax.vmap(lambda number: jax.random.fold_in(as_key(key), number))(jnp.arange(samples))
    chosen = {
        "place": jax.vmap(jax.random.uniform)(keys),
        "number": np.arange(samples) % len(checked),
    }
    # The baselines are given once, and each sample picks its own.
    known: Any = {"net": net.prepare(params, size=subject.size), "baselines": checked}
    sums = explain(PathSample(net), known, subject, samples=chosen, chunk=chunk)
    return combine_channels(arrange(sums / samples, subject), combine)
