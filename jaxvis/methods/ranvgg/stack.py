"""Stacked random networks (ranVGG), and inversion as their paper has it: no prior."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jaxvis.images import checked_image
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Match
from jaxvis.loss.priors import TotalVariation
from jaxvis.methods.ranvgg.candidates import (
    chosen_layers,
    drawn,
    joined,
    needed,
    normalised,
    nth,
)
from jaxvis.network import Network
from jaxvis.optimize import Problem, lbfgs, solve
from jaxvis.types import Image, Key, Params, Run, Status, as_key

NOISE = 0.2
"""Standard deviation of the first image, about that of photographs."""
_STARTS = 2**31  # folded into a network's key for its noise, far from the candidates


class Stack(NamedTuple):
    """Random networks whose layers were chosen one after the other.

    Attributes:
      params: leaves `[networks, ...]`; rows not chosen yet are their first candidates.
      losses: relu tap -> `[networks, candidates]`, |F - F0|^2 / |F0|^2 at the end.
      chosen: relu tap -> `[networks]`, the candidate with the smallest loss.
    """

    params: Params
    losses: dict[str, np.ndarray]
    chosen: dict[str, np.ndarray]


def reconstruct(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str,
    seeds: int = 1,
    params_axis: int | None = None,
    key: Key | int = 0,
    start: np.ndarray | None = None,
    steps: int = 300,
    noise: float = NOISE,
    total_variation: float = 0.0,
    boxed: bool = False,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns images with the code of `image` at `tap`, by L-BFGS from white noise.

    x* = argmin |F(x) - F(x0)|^2 / |F(x0)|^2: no factor on a layer's weights matters.

    Args:
      net, params: the network; with `params_axis` many, leaves `[networks, ...]`.
      image: x0, `[H, W, 3]` in [0, 1].
      tap: the layer.
      seeds: reconstructions from different noise; of many networks one each.
      params_axis: 0 where `params` hold many networks; None for one.
      key: a typed random key, or an integer seed; start i draws from `fold_in(key, i)`.
      start: first images `[N, H, W, 3]` instead of noise.
      steps: evaluations of the loss and its gradient.
      noise: standard deviation of the start around ImageNet's mean colour.
      total_variation: weight of a total variation prior; the paper has none.
      boxed: whether the image must stay in [0, 1]; else it is clipped in the end.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the axis of networks or seeds: image, trace["loss"] `[N, steps]`;
      trace["distance"] `[N]`, |F(x) - F0| / |F0| before clipping;
      trace["image_error"] `[N]`, the root mean square of x - x0.

    Raises:
      ValueError: for an unknown tap, an image that the network cannot take, a code that
        is zero or not finite, or seeds of many networks.

    Source: He, Wang & Hopcroft (2016), Eq. 1. Departures: divided by |F0|^2 instead of
      weighted by omega / (2 N M), constants both; the paper's layers are rectified.
    """
    if seeds < 1 or (seeds > 1 and params_axis == 0):
        raise ValueError(
            f"seeds must be at least 1, and 1 for many networks, got {seeds}: repeat "
            "the networks instead"
        )
    image = checked_image(image, "the image")
    net.named(tap)
    targets = _targets(net, params, image, tap, params_axis)
    count = len(targets) if params_axis == 0 else seeds
    targets = np.broadcast_to(targets, (count, *targets.shape[1:]))
    canvas = Pixels(image.shape[:2], noise=noise)
    low, high = _box(canvas) if boxed else (None, None)
    prior = Weighted("total_variation", total_variation, TotalVariation())
    loss = compose(net, canvas, priors=(prior,) if total_variation else ())
    problem = Problem(loss, canvas, lbfgs(lower=low, upper=high), steps)
    run = solve(
        problem,
        params,
        Match(tap, targets, mask=np.ones(count, np.float32)),
        as_key(key),
        params_axis=params_axis,
        chunk=chunk,
        progress=progress,
        start=None if start is None else np.asarray(start) - _center(canvas),
    )
    square = np.mean((run.image - np.asarray(image)) ** 2, axis=(1, 2, 3))
    run.trace["distance"] = np.sqrt(run.trace["objective"][:, -1])
    run.trace["image_error"] = np.sqrt(square)
    return run


def _center(canvas: Pixels) -> np.ndarray:
    return np.asarray(canvas.center, np.float32)


def _box(canvas: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns z where the image is 0, and where it is 1, channel by channel."""
    return tuple(-c for c in canvas.center), tuple(1 - c for c in canvas.center)


def _targets(net, params, image, tap, params_axis) -> np.ndarray:
    """Returns the codes of the image, `[networks, ...]`, `[1, ...]` of one."""
    if params_axis == 0:
        count = len(jax.tree.leaves(params)[0])
        each = [nth(params, i) for i in range(count)]
    else:
        each = [params]
    codes = np.stack([np.asarray(net.code(one, image, tap)) for one in each])
    norms = np.sum(codes.reshape(len(codes), -1).astype(np.float64) ** 2, axis=1)
    if not np.all((norms > 0) & np.isfinite(norms)):
        raise ValueError(
            f"this image's code at {tap!r} is zero or not finite: there is nothing to "
            "invert; choose an earlier tap, another image or other weights"
        )
    return codes


def stack(
    net: Network,
    image: Image,
    *,
    networks: int = 1,
    candidates: int = 5,
    key: Key | int = 0,
    scheme: str = "he",
    sigma: float = 0.015,
    stop: str | None = None,
    steps: int = 100,
    starts: int = 1,
    noise: float = NOISE,
    start: Stack | None = None,
    on_layer: Callable[[Stack], None] | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Stack:
    """Returns random networks built greedily: of each layer the best of K candidates.

    For every rectified convolution in forward order, K kernels are drawn, the reference
    image is reconstructed through each of them, and the one that leaves the smallest
    loss is kept. Candidates start from the same noise; those of all networks are
    optimised side by side. Fully connected layers stay random.

    Args:
      net: VGG-19 with average pooling in the paper.
      image: the reference image, `[H, W, 3]` in [0, 1].
      networks: how many are built, independently; host memory holds
        networks * candidates sets of parameters, twice if there is more than one.
      candidates: K, kernels drawn for each layer.
      key: a typed random key, or an integer seed; candidate k of network n draws from
        `fold_in(fold_in(key, n), k)`, whatever their numbers.
      scheme: one of `jaxvis.methods.ranvgg.candidates.SCHEMES`; biases are zero.
      sigma: standard deviation of "gaussian".
      stop: the last tap that needs parameters; None draws all.
      steps: evaluations of every reconstruction.
      starts: noise images that a candidate's loss is the mean over.
      noise: see `reconstruct`.
      start: what `on_layer` was given earlier, to go on with; all else must be equal.
      on_layer: called after every layer.
      chunk, progress: see `jaxvis.optimize.solve`.

    Raises:
      ValueError: for an unknown scheme or tap, a number below 1, a `start` that does
        not fit, or a layer without a candidate of finite loss.

    Source: He, Wang & Hopcroft (2016), section 3. Departures: the loss is relative,
      see `reconstruct`; the number of candidates, of evaluations and the noise, which
      the paper does not say, are parameters.
    """
    image, key = checked_image(image, "the reference image"), as_key(key)
    _check(networks=networks, candidates=candidates, starts=starts)
    layers = chosen_layers(net, stop=stop)
    sets = [
        drawn(net, key, n, candidates, scheme=scheme, sigma=sigma, stop=stop)
        for n in range(networks)
    ]
    params, losses, chosen = _resumed(sets, start, layers)
    begin = np.concatenate(
        [_noise(key, n, image, starts, candidates, noise) for n in range(networks)]
    )
    for row, tap in layers:
        if tap in chosen:
            continue
        trials = [{**params[n], row: one[row]} for n in range(networks) for one in sets[n]]
        for trial in trials if scheme == "unit" else ():
            trial[row] = normalised(net, trial, image, row=row, tap=tap)
        each = [needed(net, trial, tap) for trial in trials for _ in range(starts)]
        run = reconstruct(
            net,
            joined(each),
            image,
            tap=tap,
            params_axis=0,
            key=key,
            start=begin,
            steps=steps,
            chunk=chunk,
            progress=progress,
        )
        if np.any(run.trace["status"] == Status.UNFINISHED):
            raise KeyboardInterrupt  # the layers before were handed to on_layer
        found = run.trace["loss"][:, -1].reshape(networks, candidates, starts)
        losses[tap], chosen[tap] = found.mean(-1), _best(found.mean(-1), tap)
        for n, k in enumerate(chosen[tap]):
            params[n] = {**params[n], row: trials[n * candidates + k][row]}
        if on_layer is not None:
            on_layer(Stack(joined(params), dict(losses), dict(chosen)))
    return Stack(joined(params), losses, chosen)


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")


def _noise(key, n, image, starts, candidates, noise) -> np.ndarray:
    """Returns network n's first images, `[candidates * starts, H, W, 3]`."""
    own = jax.random.fold_in(jax.random.fold_in(key, n), _STARTS)
    canvas = Pixels(image.shape[:2], noise=noise)
    first = [canvas.init(jax.random.fold_in(own, s)) for s in range(starts)]
    return np.tile(np.stack(first) + _center(canvas), (candidates, 1, 1, 1))


def _best(losses: np.ndarray, tap: str) -> np.ndarray:
    """Returns the smallest finite loss's candidate, `[networks]`."""
    finite = np.where(np.isfinite(losses), losses, np.inf)
    if not np.all(np.isfinite(finite.min(axis=1))):
        raise ValueError(
            f"no candidate of {tap!r} has a finite loss: try scheme he, or more starts"
        )
    return finite.argmin(axis=1)


def _resumed(sets, start: Stack | None, layers) -> tuple[list, dict, dict]:
    """Returns every network's parameters, and the losses and choices so far."""
    params = [dict(own[0]) for own in sets]
    if start is None:
        return params, {}, {}
    done, shape = list(start.chosen), (len(sets), len(sets[0]))
    fits = done == [tap for _, tap in layers][: len(done)]
    if not fits or any(np.shape(start.losses.get(tap)) != shape for tap in done):
        raise ValueError(
            f"start has the layers {', '.join(done)}: it must be of {shape[0]} "
            f"networks with {shape[1]} candidates, and of this network's first layers"
        )
    kept = {row: start.params[row] for row, _ in layers[: len(done)]}
    for n, own in enumerate(params):
        own |= jax.tree.map(np.asarray, nth(kept, n))
    return params, dict(start.losses), dict(start.chosen)
