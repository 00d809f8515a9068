"""Feature maps: what one filter, or another balance of filters, makes of an image."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.images import MEAN, checked_image, noisy, resized
from jaxvis.loss.chambolle import Chambolle
from jaxvis.loss.compose import compose
from jaxvis.loss.matching.statistics import Code, SingleMap, measured
from jaxvis.loss.objectives import Algebra
from jaxvis.methods.style.codes import random_rates, rank_permuted, reallocated
from jaxvis.methods.style.pixel_optimizers import painting
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.runs import repeated
from jaxvis.optimize.solve import OnChunk
from jaxvis.types import Array, Image, Key, Params, Run, as_key

STEPS = 200
DENOISE = 0.2
LEAST = 30.0
"""First gradients' least root mean square, three times the clip. VGG-19's were 35 to
40,000 at relu1_2 to relu5_2 (two filters each, one photograph): the paper's descent
there is what it was."""


def feature_maps(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str,
    index: int | Sequence[int] | range | None = None,
    key: Key | int = 0,
    steps: int = STEPS,
    optimizer: str | optax.GradientTransformation = "clipped",
    denoise: float = DENOISE,
    chunk: int | None = None,
    progress: bool = False,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns what filters extract: inversions of codes with one channel left.

    x*_l = argmin |Phi(x) - Psi_l|^2 / 2, Psi_l zero but for channel l, which holds the
    sum of all channels of Phi(image) at every position.

    Args:
      net, params: the network; VGG-19 with average pooling in the paper.
      image: `[H, W, 3]` in [0, 1], where the filter is to see its texture.
      tap: the layer, `[h, w, c]`, after its rectifier.
      index: the filters, one or several together; None takes the whole layer.
      key: a typed random key, or an integer seed.
      steps: updates.
      optimizer: "clipped" as the paper, "lbfgs", "adam", or an optax transformation.
      denoise: weight of the total variation filter that all published images went
        through; 0 leaves it out.
      chunk, progress, on_chunk: see `jaxvis.optimize.solve`.

    Returns:
      Run with the filters' axis: image `[n, H, W, 3]` in [0, 1], trace `[n, steps]`.

    Raises:
      ValueError: for an unknown tap or one that is no map, a filter that the layer
        does not have, an image that is none, or a code that is zero everywhere.

    Source: Xia et al. (2017), Eq. 1-2; the authors' code for optimizer and filter.
    Departures: a given number of updates instead of a test of convergence; gradients
      of networks with small activations are raised to what VGG-19's are (`LEAST`).
    """
    image = checked_image(image, "the image")
    code = _map(net, params, image, tap)
    chosen = _chosen(index, code.shape[-1], tap)
    total = jnp.sum(code, axis=-1)
    items = SingleMap(tap, jnp.asarray(chosen), repeated(total, len(chosen)))
    return _inverted(
        net,
        params,
        image,
        items,
        as_key(key),
        steps,
        optimizer,
        denoise,
        chunk=chunk,
        progress=progress,
        on_chunk=on_chunk,
    )


def random_codes(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str,
    seeds: int = 2,
    rates: str = "dirichlet",
    concentration: float = 1.0,
    key: Key | int = 0,
    steps: int = STEPS,
    optimizer: str | optax.GradientTransformation = "clipped",
    denoise: float = DENOISE,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns inversions of an image's code with its energy dealt out anew.

    x* = argmin |Phi(x) - Psi|^2 / 2, Psi_c = v_c Phi_c / sum Phi_c * sum Phi, v random
    shares of the channels that are not zero everywhere.

    Args:
      net, params, image, tap, key, steps, optimizer, denoise: as for `feature_maps`.
      seeds: codes, from different shares.
      rates, concentration: how the shares are drawn, see
        `jaxvis.methods.style.codes.random_rates`.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1].

    Raises:
      ValueError: as `feature_maps`, and for unknown rates.

    Source: Xia et al. (2017), Eq. 3-4. Departures: dead channels get no share.
    """
    image = checked_image(image, "the image")
    code = _map(net, params, image, tap)
    keys = jax.vmap(partial(jax.random.fold_in, as_key(key)))(jnp.arange(seeds))

    def target(one: Key) -> Array:
        shares = random_rates(one, code, kind=rates, concentration=concentration)
        return reallocated(code, shares)

    return _inverted(
        net,
        params,
        image,
        _codes(tap, jax.vmap(target)(keys)),
        as_key(key),
        steps,
        optimizer,
        denoise,
        chunk=chunk,
        progress=progress,
    )


def ranked_codes(
    net: Network,
    params: Params,
    image: Image,
    styles: Sequence[Image],
    *,
    tap: str,
    key: Key | int = 0,
    steps: int = STEPS,
    optimizer: str | optax.GradientTransformation = "clipped",
    denoise: float = DENOISE,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns inversions of an image's code, its channels in styles' order of energy.

    Args:
      net, params, image, tap, key, steps, optimizer, denoise: as for `feature_maps`.
      styles: images `[H', W', 3]` in [0, 1]; see `jaxvis.methods.style.codes.rank_permuted`.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the styles' axis: image `[n, H, W, 3]` in [0, 1].

    Raises:
      ValueError: as `feature_maps`, and if there is no style.

    Source: the code of Xia et al. (not in the paper). Departures: styles are resized to
      the image's size, as there; means instead of sums.
    """
    image = checked_image(image, "the image")
    code = _map(net, params, image, tap)
    shown = [
        resized(checked_image(one, f"style image {i}"), image.shape[:2])
        for i, one in enumerate(styles)
    ]
    if not shown:
        raise ValueError("pass at least one style image")
    targets = [rank_permuted(code, _map(net, params, one, tap)) for one in shown]
    return _inverted(
        net,
        params,
        image,
        _codes(tap, jnp.stack(targets)),
        as_key(key),
        steps,
        optimizer,
        denoise,
        chunk=chunk,
        progress=progress,
    )


def _map(net: Network, params: Params, image: Array, tap: str) -> Array:
    """Returns a code `[h, w, c]`, checked."""
    code = measured(net, params, image, (tap,))[tap]
    if code.ndim != 3:
        raise ValueError(f"{tap!r} has no feature maps: its shape is {code.shape}")
    if not float(jnp.sum(jnp.abs(code))) > 0:
        raise ValueError(
            f"this image's code at {tap!r} is zero or not finite: choose an earlier "
            "tap or another image"
        )
    return code


def _chosen(index: int | Sequence[int] | range | None, count: int, tap: str) -> np.ndarray:
    found = np.atleast_1d(np.arange(count) if index is None else np.asarray(index))
    if not found.size or found.ndim > 1 or found.dtype.kind not in "iu":
        raise ValueError("index is a filter's number, or a list of at least one")
    if found.min() < 0 or found.max() >= count:
        raise ValueError(f"{tap!r} has {count} filters, 0 to {count - 1}: not {index}")
    return found.astype(np.int32)


def _codes(tap: str, targets: Array) -> Code:
    """Returns a batch of |Phi - target|^2 / 2 of targets `[n, h, w, c]`."""
    whole = jnp.full(len(targets), float(targets[0].size))
    return Code(tap, targets, weight=whole)


def _inverted(
    net: Network,
    params: Params,
    image: Array,
    items: Algebra,
    key: Key,
    steps: int,
    optimizer: str | optax.GradientTransformation,
    denoise: float,
    **rest: object,
) -> Run:
    if denoise < 0:
        raise ValueError(f"denoise must not be negative, got {denoise}")
    canvas, optimizer, projection = painting(optimizer, image.shape[:2], least=LEAST)
    problem = Problem(
        compose(net, canvas),
        canvas,
        optimizer,
        steps,
        projection=projection,
        finish=Chambolle(denoise) if denoise else None,
    )
    count = len(jax.tree.leaves(items)[0])
    grey = jnp.broadcast_to(jnp.asarray(MEAN), image.shape)
    begin = noisy(key, grey, seeds=count)
    return solve(problem, params, items, key, start=canvas.encode(begin), **rest)
