"""Caricature: an image exaggerated towards what a layer already sees in it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.objectives import Align
from jaxvis.nets.table.fields import refuse_probabilities
from jaxvis.nets.table.geometry import stride_of
from jaxvis.network import Network
from jaxvis.recipes.natural import Natural, pursue, stages
from jaxvis.types import Image, Key, Params, Run, as_key


def caricature(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str,
    natural: Natural | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    fidelity: float = 1.0,
    steps: int = 300,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns `image` changed to excite the pattern that `tap` finds in it.

    x* = argmin -C <Phi(x), r> / Z + R_alpha(x) + R_TV(x), r = max(Phi(x0), 0),
    Z = |r|^2, started at x0: the data term begins at -C.

    Args:
      net, params: the network.
      image: x0, `[H, W, 3]` in [0, 1]; or several of one size, `[N, H, W, 3]`.
      tap: the layer.
      natural: the constants and departures, see `jaxvis.recipes.natural.Natural`;
        None is the authors' code, which has one stage here.
      seeds: pictures, which differ by their jitter.
      key: a typed random key, or an integer seed.
      fidelity: C.
      steps: how many updates.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with an axis for images where there are several, and one for seeds: image
      `[(N,) seeds, H, W, 3]` in [0, 1], trace with steps behind.

    Raises:
      ValueError: for an unknown tap, the softmax, an image that the network
        cannot take, or a code that is nowhere positive.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 4, section 7. Departures: 1/Z is
    1/|r|^2 as in the authors' code; x0's code is taken on the same image that the
    start shows.
    """
    refuse_probabilities(net, tap)
    natural = replace(natural or Natural(), second=0)
    images = jnp.asarray(image, jnp.float32)
    lead = (*(images.shape[:1] if images.ndim == 4 else ()), seeds)
    images = images if images.ndim == 4 else images[None]
    items = [_item(net, params, one, tap, natural) for one in images]
    items = jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)
    items = jnp.full(len(images), fidelity, jnp.float32) * items
    problems = stages(
        net,
        natural,
        size=images.shape[1:3],
        stride=stride_of(net, params, tap),
        steps=steps,
    )
    canvas = problems[0].canvas
    start = jnp.stack([_in_centre(canvas.encode(one), canvas.size) for one in images])
    which, _ = np.indices((len(images), seeds)).reshape(2, -1)
    items, start = jax.tree.map(lambda leaf: leaf[which], (items, start))
    run = pursue(
        problems,
        params,
        items,
        as_key(key),
        start=start,
        chunk=chunk,
        progress=progress,
    )
    return jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]), run)


def _item(net, params, image, tap, natural):
    """Returns the objective of one image, -<Phi, r> / Z."""
    target = net.code(params, image, tap)
    if not float(jnp.max(target)) > 0:
        raise ValueError(
            f"nothing is positive at {tap!r} for this image: choose an earlier tap or another image"
        )
    if natural.norm == "code":
        return Align(tap, target)
    # Align divides by |r|^2: a target that is shorter by |Phi0| / |r|^2 has |Phi0|.
    square = jnp.sum(jnp.maximum(target, 0) ** 2)
    return Align(tap, target * jnp.linalg.norm(target.ravel()) / square)


def _in_centre(z: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns z on a zero canvas of `size`, where `Centre` looks for it."""
    top, left = (size[0] - z.shape[0]) // 2, (size[1] - z.shape[1]) // 2
    bottom, right = size[0] - z.shape[0] - top, size[1] - z.shape[1] - left
    return jnp.pad(z, ((top, bottom), (left, right), (0, 0)))
