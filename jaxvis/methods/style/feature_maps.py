"""Feature maps: what one filter, or another balance of filters, makes of an image."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image, mean_colour, resize
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.chambolle import build_filter
from jaxvis.loss.compose import compose
from jaxvis.loss.matching.statistics import Code, measure
from jaxvis.methods.style.codes import check_rates, draw_rates, permute_by_rank, reallocate
from jaxvis.methods.style.pixel_optimizers import build_painting
from jaxvis.methods.style.single_map import SingleMap
from jaxvis.methods.style.starts import draw_starts
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.keys import fold_name, item_keys
from jaxvis.optimize.runs import repeat_item
from jaxvis.optimize.watch import Progress
from jaxvis.recipes.named import look_up
from jaxvis.recipes.styles import MAPS, MapRecipe
from jaxvis.types import Array, ImageLike, Key, Params, Run, as_key

LEAST = 30.0
"""The least root mean square of the first gradient, three times the clip. VGG-19's were 35
to 40,000 at relu1_2 to relu5_2 (two filters each, one photograph), so its results are
unchanged."""


def feature_maps(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    tap: str,
    index: int | Sequence[int] | range | None = None,
    recipe: str | MapRecipe = "paper",
    steps: int | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Shows what filters extract: inverts codes in which one channel is left.

    x*_l = argmin |Phi(x) - Psi_l|^2 / 2, where Psi_l is zero except in channel l, which
    holds the sum over all channels of Phi(image) at every position.

    Args:
      net, params: the network; VGG-19 with average pooling in the paper.
      image: `[H, W, 3]` in [0, 1], in which the filter finds its texture.
      tap: the layer, `[h, w, c]`, after its rectifier.
      index: the filters, one or several together; None takes the whole layer.
      recipe: "paper", or a `jaxvis.recipes.MapRecipe`: the optimizer and the filter.
      steps: how many updates, instead of the recipe's.
      key: a typed random key, or an integer seed.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the filters' axis: image `[n, H, W, 3]` in [0, 1], trace `[n, steps]`.

    Raises:
      ValueError: for an unknown tap or one that is no map, a filter that the layer
        does not have, an image that is none, or a code that is zero everywhere.

    Source: Xia et al. (2017), Eq. 1-2; the authors' code for optimizer and filter.
    Departures: a given number of updates instead of a test of convergence; gradients of
      networks with small activations are scaled up to those of VGG-19 (`LEAST`).

    >>> import jaxvis
    >>> from jaxvis.output.io import read_sample_photo
    >>> net, params = jaxvis.load("demo")
    >>> photo = read_sample_photo("chelsea", size=32)
    >>> jaxvis.feature_maps(net, params, photo, tap="relu1_1", index=[0, 5], steps=2).image.shape
    (2, 32, 32, 3)
    """
    image = check_image(image, "the image", channels=net.channels)
    code = _compute_map(net, params, image, tap)
    filters = _check_filters(index, code.shape[-1], tap)
    total = jnp.sum(code, axis=-1)
    items = SingleMap(tap, jnp.asarray(filters), repeat_item(total, len(filters)))
    keys = item_keys(as_key(key), seeds=1, indices=filters, name=tap)
    invert = partial(_invert, net, params, image, items, keys)
    return invert(recipe, steps, chunk=chunk, progress=progress)


def random_codes(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    tap: str,
    rates: str = "dirichlet",
    concentration: float = 1.0,
    seeds: int = 2,
    recipe: str | MapRecipe = "paper",
    steps: int | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Inverts codes of an image in which the energy of the channels is reallocated.

    x* = argmin |Phi(x) - Psi|^2 / 2, Psi_c = v_c Phi_c / sum Phi_c * sum Phi, where v are
    random shares of the channels that are not zero everywhere.

    Args:
      net, params, image, tap, recipe, steps, key: as for `feature_maps`.
      rates, concentration: how the shares are drawn, see
        `jaxvis.methods.style.codes.draw_rates`.
      seeds: codes, from different shares.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1].

    Raises:
      ValueError: as `feature_maps`, and for unknown rates.

    Source: Xia et al. (2017), Eq. 3-4. Departures: dead channels get no share.
    """
    check_rates(rates, concentration)
    image = check_image(image, "the image", channels=net.channels)
    code = _compute_map(net, params, image, tap)
    keys = item_keys(as_key(key), seeds=seeds, name=tap)

    def draw_target(key: Key) -> Array:
        # A name of its own: the noise of the start comes from the same key.
        shares = draw_rates(fold_name(key, "rates"), code, kind=rates, concentration=concentration)
        return reallocate(code, shares)

    items = _match_codes(tap, jax.vmap(draw_target)(keys))
    invert = partial(_invert, net, params, image, items, keys)
    return invert(recipe, steps, chunk=chunk, progress=progress)


def rank_codes(
    net: Network,
    params: Params,
    image: ImageLike,
    styles: Sequence[ImageLike],
    *,
    tap: str,
    recipe: str | MapRecipe = "paper",
    steps: int | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Inverts codes of an image whose channels have the order of energy of styles.

    Args:
      net, params, image, tap, recipe, steps, key: as for `feature_maps`. All
        styles begin from the same noise.
      styles: images `[H', W', 3]` in [0, 1]; see
        `jaxvis.methods.style.codes.permute_by_rank`.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the styles' axis: image `[n, H, W, 3]` in [0, 1].

    Raises:
      ValueError: as `feature_maps`, and if there is no style.

    Source: the code of Xia et al. (not in the paper). Departures: styles are resized to
      the image's size, as there; means instead of sums.
    """
    image = check_image(image, "the image", channels=net.channels)
    code = _compute_map(net, params, image, tap)
    checked = [
        check_image(one, f"style image {i}", channels=net.channels) for i, one in enumerate(styles)
    ]
    if not checked:
        raise ValueError("pass at least one style image")
    size = (image.shape[0], image.shape[1])
    maps = [_compute_map(net, params, resize(one, size), tap) for one in checked]
    items = _match_codes(tap, jnp.stack([permute_by_rank(code, one) for one in maps]))
    keys = item_keys(as_key(key), seeds=1, name=tap)[np.zeros(len(checked), int)]
    invert = partial(_invert, net, params, image, items, keys)
    return invert(recipe, steps, chunk=chunk, progress=progress)


def _compute_map(net: Network, params: Params, image: Array, tap: str) -> Array:
    """Computes a code `[h, w, c]`, which must not be zero."""
    code = measure(net, params, image, (tap,))[tap]
    if code.ndim != 3:
        raise ValueError(
            f"{tap!r} has no feature maps, its shape is {code.shape}: choose a layer [h, w, c]"
        )
    if not 0 < float(jnp.sum(jnp.abs(code))) < float("inf"):
        raise ValueError(
            f"this image's code at {tap!r} is zero or not finite: choose an earlier "
            "tap or another image"
        )
    return code


def _check_filters(index: int | Sequence[int] | range | None, count: int, tap: str) -> np.ndarray:
    """Returns the numbers of filters as an array `[n]`, checked."""
    found = np.atleast_1d(np.arange(count) if index is None else np.asarray(index))
    if not found.size or found.ndim > 1 or found.dtype.kind not in "iu":
        raise ValueError("index must be a filter's number, or a list of at least one number")
    if found.min() < 0 or found.max() >= count:
        raise ValueError(f"{tap!r} has {count} filters, 0 to {count - 1}: not {index}")
    return found.astype(np.int32)


def _match_codes(tap: str, targets: Array) -> Code:
    """Builds the items |Phi - target|^2 / 2 of targets `[n, h, w, c]`."""
    return Code(tap, targets, weight=jnp.full(len(targets), float(targets[0].size)))


def _invert(
    net: Network,
    params: Params,
    image: Array,
    items: Algebra,
    keys: Key,
    recipe: str | MapRecipe,
    steps: int | None,
    *,
    chunk: int | None,
    progress: Progress,
) -> Run:
    """Finds the images whose codes the items ask for, from noise around mid-grey."""
    how = look_up(recipe, MAPS, MapRecipe)
    size = (image.shape[0], image.shape[1])
    painting = build_painting(how.optimizer, size, least=LEAST, channels=net.channels)
    problem = Problem(
        compose(net, painting.canvas),
        painting.canvas,
        painting.optimizer,
        how.steps if steps is None else steps,
        projection=painting.projection,
        finish=build_filter(how.denoise, size),
    )
    grey = jnp.broadcast_to(jnp.asarray(mean_colour(net.channels)), image.shape)
    start = painting.canvas.encode(draw_starts(keys, grey))
    return solve(problem, params, items, keys, start=start, chunk=chunk, progress=progress)
