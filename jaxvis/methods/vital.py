"""Pictures with the features of real images: sorted activations are matched, not maximised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_images
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.compose import Weighted
from jaxvis.loss.objectives import MatchSorted, average_positions
from jaxvis.loss.sorting import sort_positions
from jaxvis.network import Network
from jaxvis.optimize import solve
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.watch import Progress
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.recipes.targets import Target, choose_target
from jaxvis.types import Array, ArrayLike, Canvas, Image, Key, Params, Run, View, as_key


@dataclass(frozen=True)
class RealFeatures:
    """Which features of which real images a picture shall have.

    Args:
      most: images whose features are averaged: those that excite the unit most.
      taps: the layers; None takes the last map of every size before the unit's, and that.
      relevance: whether a channel counts by what it adds to the unit in these images
        (activation times gradient, where that is positive); otherwise all count the same.

    Raises:
      ValueError: for no image.
    """

    most: int = 10
    taps: tuple[str, ...] | None = None
    relevance: bool = False

    def __post_init__(self) -> None:
        """Checks the number."""
        if self.most < 1:
            raise ValueError(f"at least 1 image has features, not {self.most}")


FEATURES = RealFeatures()
"""The default."""


def vital(
    net: Network,
    params: Params,
    images: ArrayLike | Sequence[ArrayLike],
    *,
    tap: str | None = None,
    index: int = 0,
    features: RealFeatures = FEATURES,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | Recipe = "vital",
    size: Size | None = None,
    steps: int | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes pictures whose layers hold what they hold of real images that excite a unit.

    x* = argmin sum_l D_l(x), D_l the squared distance of layer l's sorted activations,
    channel by channel, to their mean in real images, see
    `jaxvis.objectives.MatchSorted`.

    Args:
      net, params: the network.
      images: `[N, H, W, 3]` in [0, 1], of a size that the network takes: photographs of a
        class, or patches that excite a channel (`jaxvis.patches` finds some), enlarged to
        one size.
      tap: the layer of the unit; None takes the class scores.
      index: the class or channel.
      features: a `jaxvis.methods.vital.RealFeatures`: how many images, which layers, and
        how their channels count.
      seeds: pictures, from different random starts.
      key: a typed random key, or an integer seed.
      recipe, size, steps, canvas, view, priors: see `jaxvis.maximize`. The size is that of
        the images, if left out.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]`; trace["objective"] `[seeds, steps]`
      is the mean of the layers' distances, 1 for layers that are 0.

    Raises:
      ValueError: as `jaxvis.maximize`, or for what are no images.

    Source: Görgün, Schiele & Fischer, VITAL (2025). Departures: a Fourier canvas takes the
      place of pixels with total variation and a norm; every layer's distance is relative to
      its target, where the paper has weights for each layer of each network; the images are
      those of the given ones that excite the unit most; relevance is activation times
      gradient, where the paper has LRP.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> from jaxvis.output.io import read_sample_photo
    >>> photos = [read_sample_photo(name, size=(64, 64)) for name in ("chelsea", "coffee")]
    >>> jaxvis.vital(net, params, photos, index=3, steps=2).image.shape
    (1, 64, 64, 3)
    """
    unit = choose_target(net, params, tap=tap, index=index)
    assert unit.tap is not None
    photos = check_images(images, "the images", channels=net.channels)
    best = photos[find_exciting(net, params, photos, unit.tap, index, most=features.most)]
    shown = (photos.shape[1], photos.shape[2])
    taps = features.taps or list_ends(net, params, unit.tap, shown)
    item = match_features(net, params, best, net.check_taps(tuple(taps)), unit, features.relevance)
    target, chosen = choose_recipe(
        net,
        params,
        Target(jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], item), None, np.zeros(1, int)),
        recipe,
        size=shown if size is None and canvas is None and isinstance(recipe, str) else size,
        steps=steps,
        canvas=canvas,
        view=view,
        priors=priors,
    )
    return solve(
        chosen.problem(net),
        params,
        jax.tree.map(lambda leaf: jnp.repeat(leaf, seeds, 0), target.items),
        item_keys(as_key(key), seeds=seeds, indices=(index,), name=unit.tap),
        chunk=chunk,
        progress=progress,
    )


def match_features(
    net: Network,
    params: Params,
    images: Array,
    taps: tuple[str, ...],
    unit: Target,
    relevance: bool,
) -> Algebra:
    """Builds the objective of having the features of images: the mean of the layers' distances.

    Args:
      net, params: the network.
      images: `[n, H, W, C]`.
      taps: the layers.
      unit: what relevance is for.
      relevance: see `RealFeatures`.
    """
    targets = collect_sorted(net, params, images, taps)
    share = 1 / len(taps)
    parts = []
    for tap in taps:
        weights: Any = 1.0
        if relevance and tap != unit.tap:
            weights = weigh_channels(net, params, images, tap, unit)
        parts.append(share * MatchSorted(tap, targets[tap], channels=weights))
    return reduce(add, parts[1:], 1.0 * parts[0])


def collect_sorted(
    net: Network, params: Params, images: Array, taps: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Collects the sorted activations of images, averaged over them: tap -> `[p, c]`.

    Args:
      net, params: the network.
      images: `[n, H, W, C]`, of one size.
      taps: the layers.
    """
    found = [jax.device_get(_sort_taps(net, taps, params, image)) for image in images]
    return {tap: np.mean([one[tap] for one in found], axis=0) for tap in taps}


def weigh_channels(
    net: Network, params: Params, images: Array, tap: str, unit: Target
) -> np.ndarray:
    """Weighs the channels of a layer by what they add to a unit in images, `[c]`, mean 1.

    Args:
      net, params: the network.
      images: `[n, H, W, C]`.
      tap: the layer.
      unit: what they add to; its first objective counts.
    """
    item = jax.tree.map(lambda leaf: leaf[0], unit.items)
    found = np.mean([_relate(net, tap, params, image, item) for image in images], axis=0)
    positive = np.maximum(found, 0)
    mean = positive.mean()
    return np.asarray(positive / mean if mean > 0 else np.ones_like(positive), np.float32)


def find_exciting(
    net: Network, params: Params, images: Array, tap: str, index: int, *, most: int
) -> np.ndarray:
    """Finds the images that excite a unit most, by number, the best first.

    Args:
      net, params: the network.
      images: `[N, H, W, C]`.
      tap, index: the unit.
      most: how many at most.
    """
    scores = [float(average_positions(net.code(params, one, tap))[index]) for one in images]
    return np.argsort(-np.asarray(scores), kind="stable")[:most]


def list_ends(net: Network, params: Params, tap: str, size: Size) -> tuple[str, ...]:
    """Lists the last map of every other size before a tap, and the tap.

    Args:
      net, params: the network.
      tap: the last one.
      size: (H, W) of the images in pixels.
    """
    last: dict[tuple[int, ...], str] = {}
    own = net.shape(params, tap, size=size)[:2]
    for name in net.taps[1 : net.taps.index(tap)]:
        shape = net.shape(params, name, size=size)
        if len(shape) == 3 and shape[0] * shape[1] > 1 and shape[:2] != own:
            last[shape[:2]] = name
    return tuple(dict.fromkeys((*last.values(), tap)))


@jit(static_argnums=(0, 1))
def _sort_taps(net: Network, taps: tuple[str, ...], params: Params, image: Image) -> Any:
    found = net.apply(params, image, stop=taps)
    return {tap: sort_positions(found[tap]) for tap in taps}


@jit(static_argnums=(0, 1))
def _relate(net: Network, tap: str, params: Params, image: Image, item: Algebra) -> Array:
    """Computes activation times gradient of minus an objective, summed over positions, `[c]`."""
    values = net.apply(params, image, stop=tap)[tap]

    def score(values: Array) -> Array:
        # What the layer does not decide, beside a shortcut, comes from the image.
        return -item(net.apply(params, (image, values), start=("input", tap), stop=item.taps))

    products = values * jax.grad(score)(values)
    return jnp.sum(products.reshape(-1, products.shape[-1]), axis=0)
