"""Inversion: the image whose code at one layer is a given image's."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.loss.objectives import Match
from jaxvis.methods.preimage.schedule import fidelity_of
from jaxvis.nets.registry import FIXED
from jaxvis.nets.table.fields import refuse_probabilities
from jaxvis.nets.table.geometry import stride_of
from jaxvis.network import Network
from jaxvis.recipes.natural import Natural, pursue, stages
from jaxvis.types import Array, Image, Key, Params, Run, as_key

PRESETS = {"short": Natural(second=0), "mahendran": Natural()}
"""Name -> settings: one stage, and the authors' two."""


def invert(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str,
    preset: str = "short",
    natural: Natural | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    fidelity: float | Sequence[float] | None = None,
    mask: Array | float = 1.0,
    steps: int = 300,
    optimizer: optax.GradientTransformation | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns images whose code at `tap` is that of `image`, from random starts.

    x* = argmin C |M (Phi(x) - Phi0)|^2 / |M Phi0|^2 + R_alpha(x) + R_TV(x), inside the
    ball |x| <= B+, by Algorithm 1 with jitter of a quarter of the tap's stride.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1], the image whose code is inverted; or several of one
        size, `[N, H, W, 3]`.
      tap: the layer.
      preset: "short", one stage; "mahendran", the authors' two.
      natural: the preset's constants and departures instead, see
        `jaxvis.recipes.natural.Natural`.
      seeds: reconstructions, from different random starts.
      key: a typed random key, or an integer seed.
      fidelity: C, one or several; None takes the paper's for the net and layer.
      mask: M, broadcastable to the tap's shape; 0 leaves entries free (see
        `jaxvis.methods.preimage.code_masks`).
      steps: how many updates of the first stage; the second has `natural.second`.
      optimizer: an optax transformation of grey levels instead of Algorithm 1; build
        it once. There is no second stage then.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with axes for images and fidelities where there are several, and one for
      seeds: image `[(N,) (C,) seeds, H, W, 3]` in [0, 1]; trace["loss"] and its terms
      with steps behind; trace["error"], |M (Phi - Phi0)| / |M Phi0| of the image
      returned; trace["code_error"], the same of the last iterate, unclipped, as in the
      paper's tables; trace["status"].

    Raises:
      ValueError: for an unknown tap or preset, the softmax, an image that the network
        cannot take, or a code that is zero everywhere.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 1-3, 5, Algorithm 1, sections 3, 5.
    Departures: those of `Natural`, each an option; HOG and dense SIFT paint grey.
    """
    refuse_probabilities(net, tap)
    natural = _settings(net, preset, natural, optimizer)
    images = jnp.asarray(image, jnp.float32)
    lead = images.shape[:1] if images.ndim == 4 else ()
    images = images if lead else images[None]
    codes = jnp.stack([_code(net, params, one, tap, mask) for one in images])
    if fidelity is None:
        fidelity = fidelity_of(net, params, tap)
    weights = np.atleast_1d(np.asarray(fidelity, np.float32))
    lead = (*lead, *(weights.shape if np.ndim(fidelity) else ()), seeds)
    problems = stages(
        net,
        natural,
        size=images.shape[1:3],
        stride=stride_of(net, params, tap),
        steps=steps,
        optimizer=optimizer,
    )
    mask = jnp.broadcast_to(jnp.asarray(mask, jnp.float32), codes.shape[1:])
    which, how, _ = np.indices((len(images), len(weights), seeds)).reshape(3, -1)
    items = jnp.asarray(weights[how]) * Match(
        tap, codes[which], mask=jnp.broadcast_to(mask, (len(which), *mask.shape))
    )
    run = pursue(problems, params, items, as_key(key), chunk=chunk, progress=progress)
    run.trace["code_error"] = np.sqrt(run.trace["objective"][:, -1] / weights[how])
    run.trace["error"] = np.asarray(
        [_error(net, params, x, tap, codes[i], mask) for x, i in zip(run.image, which)]
    )
    return jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]), run)


def _settings(net, preset, natural, optimizer) -> Natural:
    if preset not in PRESETS:
        raise ValueError(f"preset is one of {', '.join(PRESETS)}, not {preset!r}")
    natural = natural or PRESETS[preset]
    if net.name in FIXED:
        natural = replace(natural, grey=True)
    return natural if optimizer is None else replace(natural, second=0)


def _code(net, params, image, tap, mask) -> Array:
    """Returns Phi0, which must not be zero under the mask."""
    code = net.code(params, image, tap)
    if not float(jnp.sum((mask * code) ** 2)) > 0:
        raise ValueError(
            f"this image's code at {tap!r} is zero or not finite (under the mask): "
            "there is nothing to invert; choose an earlier tap or another image"
        )
    return code


def _error(net, params, image, tap, target, mask) -> float:
    found = net.code(params, image, tap)
    return float(
        jnp.linalg.norm((mask * (found - target)).ravel())
        / jnp.linalg.norm((mask * target).ravel())
    )
