"""Texture: a new picture with the Gram matrices of a given one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.images import checked_image, noisy
from jaxvis.loss.compose import compose
from jaxvis.loss.matching.statistics import weighted_sum
from jaxvis.loss.matching.terms import statistic_terms
from jaxvis.methods.style.pixel_optimizers import painting
from jaxvis.methods.style.recolour import match_histogram
from jaxvis.nets.table.fields import check_field
from jaxvis.nets.wrappers.framed import periodic, ranged, stretched
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.runs import repeated
from jaxvis.types import Array, Image, Key, Params, Run, as_key


@dataclass(frozen=True)
class Preset:
    """Returns which layers are matched, and how they are weighed.

    Args:
      taps: the layers.
      weights: see `jaxvis.loss.matching.terms`.
    """

    taps: tuple[str, ...]
    weights: str


PRESETS = {
    "gatys": Preset(("relu1_1", "pool1", "pool2", "pool3", "pool4"), "relative"),
    "ranvgg": Preset(("relu1_1", "relu2_1", "relu3_1", "relu4_1"), "balanced"),
}
"""Preset name -> layers and weights, for VGG-19 and ranVGG."""
BOUNDS = ("source", "unit", "none")
_LEAST = 1 / 255  # a flat channel still has a range to move in


def rows(count: int) -> tuple[str, ...]:
    """Returns the taps relu1_1 ... reluk_1 of VGG's first k blocks.

    Args:
      count: k, 1 to 5.

    Raises:
      ValueError: for another k.

    Source: He, Wang & Hopcroft (2016), Fig. 8; Gatys et al. (2015), Fig. 2.
    """
    if not 1 <= count <= 5:
        raise ValueError(f"VGG has blocks 1 to 5, not {count}")
    return tuple(f"relu{block}_1" for block in range(1, count + 1))


def texture(
    net: Network,
    params: Params,
    image: Image,
    *,
    preset: str = "gatys",
    taps: Sequence[str] | None = None,
    weights: str | Mapping[str, float] | None = None,
    size: tuple[int, int] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    steps: int = 500,
    optimizer: str | optax.GradientTransformation = "lbfgs",
    start: Image | None = None,
    bounds: str = "source",
    histogram: bool = False,
    tileable: bool = False,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns textures like `image`: pictures whose layers have its Gram matrices.

    x* = argmin sum_l w_l / (4 N_l^2) |G_l(x) - G_l(x0)|^2, G_l = F_l^T F_l / M_l, from
    noise. G does not know the size, so the texture may have any.

    Args:
      net, params: the network; VGG-19 with average pooling in the papers.
      image: x0, `[H, W, 3]` in [0, 1].
      preset: a key of `PRESETS`.
      taps: the layers instead of the preset's; see `rows`.
      weights: a name of `jaxvis.loss.matching.terms` instead of the preset's, or tap -> weight.
      size: (H, W) of the texture in pixels; None takes the source's.
      seeds: textures, from different noise.
      key: a typed random key, or an integer seed.
      steps: updates; of "lbfgs", evaluations of the loss and its gradient.
      optimizer: "lbfgs", "adam", or an optax transformation.
      start: `[H, W, 3]` instead of noise.
      bounds: "source" keeps every channel within the source's least and greatest value,
        "unit" within [0, 1], "none" leaves it free.
      histogram: whether the texture gets the source's histograms in the end.
      tileable: whether its opposite edges fit: the network sees it on a torus. The
        sides must then be multiples of the taps' strides.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1], trace["loss"]
      `[seeds, steps]`; z is 0 and 1 at the bounds.

    Raises:
      ValueError: for an unknown preset, tap, weight or bound, an image that is none or
        is too small for the taps, or a size that the network cannot take.

    Source: Gatys, Ecker & Bethge (2015); He, Wang & Hopcroft (2016), Eq. 5-8; Lecture
      21, 21.11.2. Departures: bounds of each channel's own; see `Preset` for weights.
    """
    image = checked_image(image, "the source image")
    taps = net.named(tuple(taps) if taps else _preset(preset).taps)
    check_field(net, taps, image.shape[:2], "a source image")
    item = weighted_sum(
        statistic_terms(net, params, image, taps, weights=weights or _preset(preset).weights)
    )
    size = tuple(size or image.shape[:2])
    seen = _seen(periodic(net, taps) if tileable else net, params, image, bounds)
    canvas, optimizer, projection = painting(optimizer, size, boxed=bounds != "none")
    problem = Problem(compose(seen.net, canvas), canvas, optimizer, steps, projection=projection)
    run = solve(
        problem,
        seen.params,
        repeated(item, seeds),
        as_key(key),
        start=canvas.encode(_noise(image, start, size, seeds, as_key(key), seen)),
        chunk=chunk,
        progress=progress,
    )
    return run._replace(image=_shown(image, run.image, seen, histogram))


class _Seen(NamedTuple):
    """The network whose image runs from 0 at `low` to 1 at `high`."""

    net: Network
    params: Params
    low: Array
    high: Array


def _seen(net: Network, params: Params, image: Array, bounds: str) -> _Seen:
    if bounds not in BOUNDS:
        raise ValueError(f"bounds is one of {', '.join(BOUNDS)}, not {bounds!r}")
    low, high = jnp.zeros(3), jnp.ones(3)
    if bounds == "source":
        low = jnp.min(image, axis=(0, 1))
        high = jnp.maximum(jnp.max(image, axis=(0, 1)), low + _LEAST)
    return _Seen(*ranged(net, params, low, high), low, high)


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise ValueError(f"preset is one of {', '.join(PRESETS)}, not {name!r}")
    return PRESETS[name]


def _noise(
    image: Array,
    start: Array | None,
    size: tuple[int, int],
    seeds: int,
    key: Key,
    seen: _Seen,
) -> Array:
    """Returns the first z, `[seeds, H, W, 3]`, between the bounds."""
    if start is not None:
        start = checked_image(start, "the start")
        if start.shape[:2] != size:
            raise ValueError(f"the start is {start.shape[:2]}, the texture {size}")
        begin = repeated(start, seeds)
    else:
        mean = jnp.broadcast_to(jnp.mean(image, axis=(0, 1)), (*size, 3))
        begin = noisy(key, mean, seeds=seeds)
    return jnp.clip((begin - seen.low) / (seen.high - seen.low), 0, 1)


def _shown(image: Array, found: np.ndarray, seen: _Seen, histogram: bool) -> np.ndarray:
    found = jnp.clip(stretched(found, low=seen.low, high=seen.high), 0, 1)
    if histogram:
        found = jax.vmap(match_histogram, (0, None))(found, image)
    return np.asarray(found)
