"""Inversion: the image whose code at one layer is a given image's."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.jitter import jittered
from jaxvis.loss.objectives import Match
from jaxvis.loss.priors import BoundedRange, TotalVariation
from jaxvis.nets.geometry import stride_of
from jaxvis.optimize import Ball, Problem, learning_rate, preimage_sgd, solve
from jaxvis.types import Array, Image, Key, Network, Params, Run, as_key

FIDELITY = ((8, 300.0), (16, 20.0), (np.inf, 1.0))
"""Largest stride of a tap -> C: shallow codes are followed closely, deep ones less."""


def invert(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str,
    seeds: int = 1,
    key: Key | int = 0,
    fidelity: float | None = None,
    mask: Array | float = 1.0,
    steps: int = 300,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns images whose code at `tap` is that of `image`, from random starts.

    x* = argmin C |M (Phi(x) - Phi0)|^2 / |M Phi0|^2 + R_alpha(x) + R_TV(x), inside the
    ball |x| <= B+, by Algorithm 1 with jitter of a quarter of the tap's stride.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1], the image whose code is inverted.
      tap: the layer.
      seeds: reconstructions, from different random starts.
      key: a typed random key, or an integer seed.
      fidelity: C; None takes 300 for strides up to 8, 20 at 16, 1 beyond.
      mask: M, broadcastable to the tap's shape; 0 leaves entries free.
      steps: how many updates.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1]; trace["loss"] and
      its terms `[seeds, steps]`; trace["error"] `[seeds]`, |M (Phi - Phi0)| / |M Phi0|
      of the image returned.

    Raises:
      ValueError: for an unknown tap, an image that the network cannot take, or a code
        that is zero everywhere.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 1-3, 5, Algorithm 1, sections 3, 5.
    Departures: the learning rate includes H W as in the authors' code; one stage.
    """
    image = jnp.asarray(image, jnp.float32)
    target = net.code(params, image, tap)
    wanted = float(jnp.sum((mask * target) ** 2))
    if not wanted > 0:
        raise ValueError(
            f"this image's code at {tap!r} is zero or not finite (under the mask): "
            "there is nothing to invert; choose an earlier tap or another image"
        )
    stride = stride_of(net, params, tap)
    if fidelity is None:
        fidelity = next(c for limit, c in FIDELITY if stride <= limit)
    size = image.shape[:2]
    canvas, view, finish = jittered(size, stride)
    priors = (
        Weighted("bounded_range", 1.0, BoundedRange()),
        Weighted("total_variation", 1.0, TotalVariation()),
    )
    problem = Problem(
        compose(net, canvas, view=view, priors=priors), canvas,
        preimage_sgd(learning_rate(size)), steps, projection=Ball(160.0), finish=finish,
    )  # fmt: skip
    mask = jnp.broadcast_to(jnp.asarray(mask, jnp.float32), target.shape)
    item = fidelity * Match(tap, target, mask=mask)
    items = jax.tree.map(
        lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], seeds, 0), item
    )
    run = solve(problem, params, items, as_key(key), chunk=chunk, progress=progress)
    run.trace["error"] = np.asarray(
        [_error(net, params, x, tap, target, mask) for x in run.image]
    )
    return run


def _error(net, params, image, tap, target, mask) -> float:
    found = net.code(params, image, tap)
    return float(
        jnp.linalg.norm((mask * (found - target)).ravel())
        / jnp.linalg.norm((mask * target).ravel())
    )
