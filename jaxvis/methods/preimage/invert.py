"""Inversion: the image whose code at one layer is a given image's."""

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image, check_images
from jaxvis.loss.objectives import Match
from jaxvis.methods.preimage.codes import compute_codes, relative_errors
from jaxvis.methods.preimage.schedule import fidelity_of
from jaxvis.nets.registry import FIXED
from jaxvis.nets.table.fields import refuse_probabilities
from jaxvis.nets.table.geometry import stride_of
from jaxvis.network import Network
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.runs import change_when_interrupted, split_axis
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.recipes.named import look_up
from jaxvis.recipes.natural import NATURALS, Natural, natural_stages, solve_stages
from jaxvis.types import Array, ArrayLike, ImageLike, Key, Params, Run, as_key


def invert(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str,
    recipe: str | Natural = "short",
    seeds: int = 1,
    key: Key | int = 0,
    fidelity: float | Sequence[float] | None = None,
    mask: ArrayLike | float = 1.0,
    steps: int = 300,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes images whose code at `tap` is that of `image`, from random starts.

    x* = argmin C |M (Phi(x) - Phi0)|^2 / |M Phi0|^2 + R_alpha(x) + R_TV(x), inside the
    ball |x| <= B+, by Algorithm 1 with jitter of a quarter of the tap's stride.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1], the image whose code is inverted; or several of one
        size, `[N, H, W, 3]`.
      tap: the layer.
      recipe: "short", one stage; "mahendran", the authors' two; "lbfgs", which comes
        closer to the codes of deep layers with as many gradients; or a
        `jaxvis.recipes.Natural`: all constants, the optimizer, and the departures from
        the paper's print.
      seeds: reconstructions, from different random starts.
      key: a typed random key, or an integer seed.
      fidelity: C, one or several; None takes the paper's for the net and layer.
      mask: M, broadcastable to the tap's shape; 0 leaves entries free (see
        `jaxvis.methods.preimage.code_masks`).
      steps: how many updates of the first stage; the second has the recipe's `second`.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with axes for images and fidelities where there are several, and one for
      seeds: image `[(N,) (C,) seeds, H, W, 3]` in [0, 1]; trace["loss"] and its terms
      with steps behind; facts["error"], |M (Phi - Phi0)| / |M Phi0| of the image
      returned; facts["code_error"], the same of the last iterate, unclipped, as in the
      paper's tables.

    Raises:
      ValueError: for an unknown tap or recipe, the softmax, an image that the network
        cannot take, or a code that is zero everywhere.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 1-3, 5, Algorithm 1, sections 3, 5.
    Departures: those of `Natural`, each an option; HOG and dense SIFT paint grey.

    >>> import jaxvis
    >>> from jaxvis.output.io import read_sample_photo
    >>> net, params = jaxvis.load("demo")
    >>> photo = read_sample_photo("chelsea", size=64)
    >>> run = jaxvis.invert(net, params, photo, tap="relu2_1", steps=3)
    >>> run.image.shape, run.facts["error"].shape
    ((1, 64, 64, 3), (1,))
    """
    refuse_probabilities(net, tap)
    natural = look_up(recipe, NATURALS, Natural)
    natural = replace(natural, grey=True) if net.name in FIXED else natural
    several = isinstance(image, list | tuple) or np.ndim(image) == 4
    if several:
        images = check_images(image, "the images", channels=net.channels)
    else:
        images = check_image(image, "the image", channels=net.channels)[None]
    mask = np.asarray(mask, np.float32)
    codes = _codes_to_invert(net, params, images, tap, mask)
    if fidelity is None:
        fidelity = fidelity_of(net, params, tap)
    weights = np.atleast_1d(np.asarray(fidelity, np.float32))
    keys = item_keys(as_key(key), seeds=seeds, name=tap)  # the same for every image
    which, how, seed = np.indices((len(images), len(weights), seeds)).reshape(3, -1)
    masks = jnp.broadcast_to(mask, (len(which), *codes.shape[1:]))
    items = jnp.asarray(weights[how]) * Match(tap, jnp.asarray(codes)[which], mask=masks)
    size, stride = (images.shape[1], images.shape[2]), stride_of(net, params, tap)
    recipes = natural_stages(natural, size=size, stride=stride, steps=steps, channels=net.channels)
    lead = ((len(images),) if several else ()) + (weights.shape if np.ndim(fidelity) else ())

    def add_errors(run: Run) -> Run:
        ends = run.trace["objective"][:, -1]
        found = compute_codes(net, params, run.image, tap)
        facts = {
            **run.facts,
            "code_error": np.sqrt(ends / weights[how]),
            "error": relative_errors(found, codes[which], mask),
        }
        return split_axis(run._replace(facts=facts), *lead, seeds)

    look = change_looks(progress, add_errors)
    with change_when_interrupted(add_errors):
        run = solve_stages(net, recipes, params, items, keys[seed], chunk=chunk, progress=look)
    return add_errors(run)


def _codes_to_invert(
    net: Network, params: Params, images: Array, tap: str, mask: np.ndarray
) -> np.ndarray:
    """Computes Phi0 of every image, which must not be zero under the mask."""
    codes = compute_codes(net, params, images, tap)
    squares = np.sum((mask * codes) ** 2, axis=tuple(range(1, codes.ndim)))
    if not np.all(squares > 0):
        raise ValueError(
            f"this image's code at {tap!r} is zero or not finite (under the mask): "
            "there is nothing to invert; choose an earlier tap or another image"
        )
    return codes
