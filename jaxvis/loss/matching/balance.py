"""Weights that make layers pull alike: omega for contents, mu for Gram matrices.

A layer's loss can move the image a billion times more than another's. Its weight is
the reciprocal of the mean gradient that it would send to the image if its own code were
zero, so a factor on any layer's kernels (with zero biases) changes no weighted loss.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxvis.loss.matching.statistics import flat, gram
from jaxvis.network import Network
from jaxvis.types import Array, Image, Params, Taps

FLOOR = 0.1
"""Least mean activation of a filter, as a part of its layer's mean."""
MEANS = ("mean_abs", "abs_mean")
"""mean |g|, and |mean g|, a cancelling sum that the printed formulas have."""


def content_weights(
    net: Network,
    params: Params,
    image: Image,
    taps: tuple[str, ...],
    *,
    mean: str = "mean_abs",
) -> dict[str, float]:
    """Returns omega of each tap: 1 / omega = mean |dL/dx|, L as if F were 0.

    The gradient of 1 / (2 N M) |F - F0|^2 at F = 0 is -F0 / (N M); it goes back
    through the layers as the image itself sets them.

    Args:
      net, params: the network.
      image: x0, `[H, W, 3]` in [0, 1].
      taps: the layers.
      mean: one of `MEANS`.

    Raises:
      ValueError: for an unknown tap or mean, or a layer without a gradient.

    Source: He, Wang & Hopcroft (2016), Eq. 4. Departures: see `gram_weights`.
    """
    return _weights(net, params, image, taps, mean, "content")


def gram_weights(
    net: Network,
    params: Params,
    image: Image,
    taps: tuple[str, ...],
    *,
    mean: str = "mean_abs",
) -> dict[str, float]:
    """Returns mu of each tap: 1 / mu = mean |dE/dx|, E as if G were 0.

    The gradient of 1 / (4 N^2) |G - G0|^2 with G := 0 is -F0 G0 / (N^2 M).

    Args:
      net, params: the network.
      image: x0, `[H, W, 3]` in [0, 1].
      taps: the layers.
      mean: one of `MEANS`.

    Raises:
      ValueError: for an unknown tap or mean, or a layer without a gradient.

    Source: He, Wang & Hopcroft (2016), Eq. 8. Departures: read literally it is zero,
      since dE/dF has the factor F and the code is said to be zero; here G is zero and
      F is the image's own. No image has the code zero (its rectifiers would pass no
      gradient), so they are set by x0. The mean is that of |g|: |mean g|, as printed,
      varies tenfold with the seed. Gradients are with respect to x in [0, 1].
    """
    return _weights(net, params, image, taps, mean, "gram")


def relative_weights(targets: Taps) -> dict[str, float]:
    """Returns 4 N^2 / |G0|^2 of each tap: its texture loss is 1 where G is 0.

    Args:
      targets: tap -> G0 `[c, c]`.

    Raises:
      ValueError: for a matrix that is zero or not finite.
    """
    found = {}
    for tap, target in targets.items():
        square = float(jnp.sum(target**2))
        if not 0 < square < float("inf"):
            raise ValueError(
                f"the Gram matrix of {tap!r} is zero or not finite for this image: "
                "leave the layer out, or use another image"
            )
        found[tap] = 4 * target.shape[0] ** 2 / square
    return found


def entry_weights(means: Taps) -> Taps:
    """Returns 1 / (m_i m_j)^2 of each tap, `[c, c]`: as if every filter's mean were 1.

    A Gram distance with these weights is that of the activation-normalised network.

    Args:
      means: tap -> mean activations m `[c]`, see `jaxvis.loss.matching.statistics.energy`; a
        filter that hardly fires counts as one of `FLOOR` times its layer's mean.

    Raises:
      ValueError: for a layer that does not fire, or not finitely.

    Source: Gatys, Ecker & Bethge (2015), section 2. Departures: the means may be those
      of the source image instead of many photographs.
    """
    found = {}
    for tap, mean in means.items():
        level = float(jnp.mean(jnp.abs(mean)))
        if not 0 < level < float("inf"):
            raise ValueError(
                f"{tap!r} does not fire, or not finitely, for this image: leave the "
                "layer out, or use another image"
            )
        inverse = 1 / jnp.maximum(jnp.abs(mean), FLOOR * level)
        found[tap] = jnp.outer(inverse, inverse) ** 2
    return found


def _weights(net, params, image, taps, mean, kind) -> dict[str, float]:
    if mean not in MEANS:
        raise ValueError(f"mean is one of {', '.join(MEANS)}, not {mean!r}")
    image = jnp.asarray(image, jnp.float32)
    found = {}
    for tap in net.named(taps):
        # Multiplied in double precision: the cube of small activations underflows.
        unit, top = map(float, _impact(net, tap, mean, kind, params, image))
        size = unit * (top if kind == "content" else top**3)
        if not 0 < size < float("inf"):
            raise ValueError(
                f"{tap!r} sends no finite gradient to this image, so it cannot be "
                "balanced: leave it out, or use another image"
            )
        found[tap] = 1 / size
    return found


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _impact(
    net: Network, tap: str, mean: str, kind: str, params: Params, image: Image
) -> tuple[Array, Array]:
    """Returns the mean gradient of a code with maximum 1, and the maximum."""
    values, pull = jax.vjp(lambda x: net.apply(params, x, stop=tap)[tap], image)
    found = flat(values)
    count, channels = found.shape
    top = jnp.maximum(jnp.max(jnp.abs(found)), jnp.finfo(found.dtype).tiny)
    unit = found / top
    if kind == "content":
        sent = unit / (count * channels)
    else:
        sent = unit @ gram(unit) / (channels**2 * count)
    (gradient,) = pull(sent.reshape(values.shape))
    whole = jnp.mean(jnp.abs(gradient) if mean == "mean_abs" else gradient)
    return jnp.abs(whole), top
