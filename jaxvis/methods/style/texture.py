"""Texture: a new picture with the Gram matrices of a given one."""

from collections.abc import Collection
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image
from jaxvis.loss.compose import compose
from jaxvis.loss.matching.statistics import add_weighted
from jaxvis.loss.matching.terms import match_statistics
from jaxvis.methods.style.pixel_optimizers import build_painting
from jaxvis.methods.style.recolour import match_histogram
from jaxvis.methods.style.starts import draw_starts
from jaxvis.nets.table.fields import check_field
from jaxvis.nets.wrappers.periodic import with_periodic_edges
from jaxvis.nets.wrappers.ranged import to_range, with_range
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.runs import change_when_interrupted, repeat_item
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.recipes.styles import TextureRecipe, choose_texture
from jaxvis.types import Array, ImageLike, Key, Params, Run, as_key

LEAST = 1 / 255
"""The least range of a channel, so that a flat one still has room to move in."""


def texture(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    recipe: str | TextureRecipe = "gatys",
    steps: int | None = None,
    size: tuple[int, int] | None = None,
    start: ImageLike | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    skip: Collection[int] = (),
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes textures like `image`: pictures whose layers have its Gram matrices.

    x* = argmin sum_l w_l / (4 N_l^2) |G_l(x) - G_l(x0)|^2, G_l = F_l^T F_l / M_l, from
    noise. G does not depend on the size, so the texture may have any size.

    Args:
      net, params: the network; VGG-19 with average pooling in the papers.
      image: x0, `[H, W, 3]` in [0, 1].
      recipe: "gatys" or "ranvgg" (`jaxvis.recipes.TEXTURES`), or a
        `jaxvis.recipes.TextureRecipe`: the layers, their weights, the optimizer, the
        bounds, whether opposite edges fit together.
      steps: how many updates, instead of the recipe's; of "lbfgs", evaluations of the
        loss and its gradient.
      size: (H, W) of the texture in pixels; None takes the source's.
      start: `[H, W, 3]` in [0, 1], the image that all textures begin from instead of noise.
      seeds: textures, from different noise.
      key: a typed random key, or an integer seed.
      skip: numbers of seeds that are left out: they are NaN and UNFINISHED.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1], trace["loss"]
      `[seeds, steps]`; z is 0 and 1 at the bounds.

    Raises:
      ValueError: for an unknown recipe, tap, weight or bound, an image that is none or
        is too small for the taps, or a size that the network cannot take.

    Source: Gatys, Ecker & Bethge (2015); He, Wang & Hopcroft (2016), Eq. 5-8; Lecture
      21, 21.11.2. Departures: every channel has bounds of its own; see `TextureRecipe`
      for the weights.

    >>> import jaxvis
    >>> from jaxvis.output.io import read_sample_photo
    >>> net, params = jaxvis.load("demo")
    >>> own = jaxvis.recipes.TextureRecipe(("relu1_1", "relu2_1"), "equal", "adam", steps=3)
    >>> photo = read_sample_photo("coffee", size=48)
    >>> jaxvis.texture(net, params, photo, recipe=own, size=(32, 64)).image.shape
    (1, 32, 64, 3)
    """
    how = choose_texture(net, recipe, steps=steps)
    image = check_image(image, "the source image", channels=net.channels)
    height, width, _ = image.shape
    check_field(net, how.taps, (height, width), "a source image")
    terms = match_statistics(net, params, image, how.taps, weights=how.weights)
    height, width = size or (height, width)
    seen = _bound(
        with_periodic_edges(net, how.taps) if how.tileable else net, params, image, how.bounds
    )
    keys = item_keys(as_key(key), seeds=seeds)
    painting = build_painting(
        how.optimizer, (height, width), bounded=how.bounds != "none", channels=net.channels
    )
    problem = Problem(
        compose(seen.net, painting.canvas),
        painting.canvas,
        painting.optimizer,
        how.steps,
        projection=painting.projection,
    )

    def show(run: Run) -> Run:
        return run._replace(image=_show(run.image, seen, image if how.histogram else None))

    with change_when_interrupted(show):
        run = solve(
            problem,
            seen.params,
            repeat_item(add_weighted(terms), seeds),
            keys,
            start=painting.canvas.encode(_begin(image, start, (height, width), keys, seen)),
            skip=skip,
            chunk=chunk,
            progress=change_looks(progress, show),
        )
    return show(run)


class _Seen(NamedTuple):
    """A network for which an image value of 0 means `low`, and 1 means `high`."""

    net: Network
    params: Params
    low: Array
    high: Array


def _bound(net: Network, params: Params, image: Array, bounds: str) -> _Seen:
    low, high = jnp.zeros(net.channels), jnp.ones(net.channels)
    if bounds == "source":
        low = jnp.min(image, axis=(0, 1))
        high = jnp.maximum(jnp.max(image, axis=(0, 1)), low + LEAST)
    return _Seen(*with_range(net, params, low, high), low, high)


def _begin(
    image: Array, start: ImageLike | None, size: tuple[int, int], keys: Key, seen: _Seen
) -> Array:
    """Makes the first z of every texture, `[seeds, H, W, 3]`, between the bounds."""
    if start is not None:
        start = check_image(start, "the start", channels=image.shape[-1])
        if start.shape[:2] != size:
            raise ValueError(
                f"the start is {start.shape[:2]}, the texture {size}: resize the start, or "
                "pass its size as size="
            )
        begin = repeat_item(start, len(keys))
    else:
        mean = jnp.broadcast_to(jnp.mean(image, axis=(0, 1)), (*size, image.shape[-1]))
        begin = draw_starts(keys, mean)
    return jnp.clip((begin - seen.low) / (seen.high - seen.low), 0, 1)


def _show(found: np.ndarray, seen: _Seen, source: Array | None) -> np.ndarray:
    """Gives textures the colours that the network saw, and the histograms of a source."""
    images = jnp.clip(to_range(jnp.asarray(found), low=seen.low, high=seen.high), 0, 1)
    if source is not None:
        images = jax.vmap(match_histogram, (0, None))(images, source)
    return np.asarray(images)
