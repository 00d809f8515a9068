"""Caricature: an image exaggerated towards what a layer already sees in it."""

import jax
import jax.numpy as jnp

from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.jitter import jittered
from jaxvis.loss.objectives import Align
from jaxvis.loss.priors import BoundedRange, TotalVariation
from jaxvis.nets.geometry import stride_of
from jaxvis.optimize import Ball, Problem, learning_rate, preimage_sgd, solve
from jaxvis.types import Image, Key, Network, Params, Run, as_key


def caricature(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str,
    seeds: int = 1,
    key: Key | int = 0,
    fidelity: float = 1.0,
    steps: int = 300,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns `image` changed to excite the pattern that `tap` finds in it.

    x* = argmin -C <Phi(x), r> / |r|^2 + R_alpha(x) + R_TV(x), r = max(Phi(x0), 0),
    started at x0: the data term begins at -C.

    Args:
      net, params: the network.
      image: x0, `[H, W, 3]` in [0, 1].
      tap: the layer.
      seeds: pictures, which differ by their jitter.
      key: a typed random key, or an integer seed.
      fidelity: C.
      steps: how many updates.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1], trace
      `[seeds, steps]`.

    Raises:
      ValueError: for an unknown tap, an image that the network cannot take, or a code
        that is nowhere positive.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 4, section 7. Departures: 1/Z is
    1/|r|^2 as in the authors' code; x0's code is taken on the same image that the
    start shows.
    """
    image = jnp.asarray(image, jnp.float32)
    target = net.code(params, image, tap)
    if not float(jnp.max(target)) > 0:
        raise ValueError(
            f"nothing is positive at {tap!r} for this image: choose an earlier tap or "
            "another image"
        )
    size = image.shape[:2]
    canvas, view, finish = jittered(size, stride_of(net, params, tap))
    priors = (
        Weighted("bounded_range", 1.0, BoundedRange()),
        Weighted("total_variation", 1.0, TotalVariation()),
    )
    problem = Problem(
        compose(net, canvas, view=view, priors=priors), canvas,
        preimage_sgd(learning_rate(size)), steps, projection=Ball(160.0), finish=finish,
    )  # fmt: skip
    item = fidelity * Align(tap, target)
    items, start = jax.tree.map(
        lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], seeds, 0),
        (item, _in_centre(canvas.encode(image), canvas.size)),
    )
    return solve(
        problem, params, items, as_key(key), start=start, chunk=chunk, progress=progress
    )


def _in_centre(z: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns z on a zero canvas of `size`, where `Centre` looks for it."""
    top, left = (size[0] - z.shape[0]) // 2, (size[1] - z.shape[1]) // 2
    bottom, right = size[0] - z.shape[0] - top, size[1] - z.shape[1] - left
    return jnp.pad(z, ((top, bottom), (left, right), (0, 0)))
