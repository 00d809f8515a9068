"""Caricature: an image exaggerated towards what a layer already sees in it."""

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image, check_images
from jaxvis.loss.objectives import Align
from jaxvis.methods.preimage.codes import compute_codes
from jaxvis.nets.table.fields import refuse_probabilities
from jaxvis.nets.table.geometry import stride_of
from jaxvis.network import Network
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.runs import change_when_interrupted, split_axis
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.recipes.named import look_up
from jaxvis.recipes.natural import NATURALS, Natural, natural_stages, solve_stages
from jaxvis.types import Array, ImageLike, Key, Params, Run, as_key


def caricature(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str,
    recipe: str | Natural = "mahendran",
    seeds: int = 1,
    key: Key | int = 0,
    fidelity: float = 1.0,
    steps: int = 300,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes `image` changed to excite the pattern that `tap` finds in it.

    x* = argmin -C <Phi(x), r> / Z + R_alpha(x) + R_TV(x), r = max(Phi(x0), 0),
    Z = |r|^2, started at x0: the data term begins at -C.

    Args:
      net, params: the network.
      image: x0, `[H, W, 3]` in [0, 1]; or several of one size, `[N, H, W, 3]`.
      tap: the layer.
      recipe: "mahendran", the authors' code, or a `jaxvis.recipes.Natural`: the constants
        and departures. There is one stage here.
      seeds: pictures, which differ by their jitter.
      key: a typed random key, or an integer seed.
      fidelity: C.
      steps: how many updates.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with an axis for images where there are several, and one for seeds: image
      `[(N,) seeds, H, W, 3]` in [0, 1], trace with steps behind.

    Raises:
      ValueError: for an unknown tap or recipe, the softmax, an image that the network
        cannot take, or a code that is nowhere positive.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 4, section 7. Departures: 1/Z is
    1/|r|^2 as in the authors' code; x0's code is taken on the same image that the
    start shows.

    >>> import jaxvis
    >>> from jaxvis.output.io import read_sample_photo
    >>> net, params = jaxvis.load("demo")
    >>> photo = read_sample_photo("chelsea", size=64)
    >>> jaxvis.caricature(net, params, photo, tap="relu3_1", steps=3).image.shape
    (1, 64, 64, 3)
    """
    refuse_probabilities(net, tap)
    natural = replace(look_up(recipe, NATURALS, Natural), second=0)
    several = isinstance(image, list | tuple) or np.ndim(image) == 4
    if several:
        images = check_images(image, "the images", channels=net.channels)
    else:
        images = check_image(image, "the image", channels=net.channels)[None]
    targets = _targets(net, params, images, tap, natural)
    size, stride = (images.shape[1], images.shape[2]), stride_of(net, params, tap)
    recipes = natural_stages(natural, size=size, stride=stride, steps=steps, channels=net.channels)
    keys = item_keys(as_key(key), seeds=seeds, name=tap)  # the same for every image
    start = jnp.stack([recipes[0].encode(one) for one in images])
    which, seed = np.indices((len(images), seeds)).reshape(2, -1)
    weights = jnp.full(len(which), fidelity, jnp.float32)
    items = weights * Align(tap, jnp.asarray(targets)[which])
    lead = (len(images), seeds) if several else (seeds,)

    def split(run: Run) -> Run:
        return split_axis(run, *lead)

    with change_when_interrupted(split):
        run = solve_stages(
            net,
            recipes,
            params,
            items,
            keys[seed],
            start=start[which],
            chunk=chunk,
            progress=change_looks(progress, split),
        )
    return split(run)


def _targets(net: Network, params: Params, images: Array, tap: str, natural: Natural) -> np.ndarray:
    """Computes what each image's code shall align with, for -<Phi, r> / Z."""
    codes = compute_codes(net, params, images, tap)
    axes = tuple(range(1, codes.ndim))
    if not np.all(np.max(codes, axis=axes) > 0):
        raise ValueError(
            f"nothing is positive at {tap!r} for this image: choose an earlier tap or another image"
        )
    if natural.norm == "code":
        return codes
    # Align divides by |r|^2: a target that is shorter by |Phi0| / |r|^2 has |Phi0|.
    square = np.sum(np.maximum(codes, 0) ** 2, axis=axes, keepdims=True)
    return codes * np.sqrt(np.sum(codes**2, axis=axes, keepdims=True)) / square
