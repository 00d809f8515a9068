"""Weights that balance layers: omega for contents, mu for Gram matrices.

The loss of one layer can move the image a billion times more than that of another. The
weight of a layer is therefore the reciprocal of the mean gradient that its loss would send
to the image if the layer's code were zero. A factor on the kernels of any layer (with zero
biases) then changes no weighted loss.
"""

import jax
import jax.numpy as jnp

from jaxvis.compiler import jit
from jaxvis.loss.matching.statistics import flatten, gram
from jaxvis.network import Network
from jaxvis.types import Array, Image, Params, Taps

FLOOR = 0.1
"""The least mean activation that a filter counts with, as a part of its layer's mean."""
MEANS = ("mean_abs", "abs_mean")
"""How a gradient g is averaged: mean |g|; or |mean g| as printed, where signs cancel."""


def content_weights(
    net: Network,
    params: Params,
    image: Image,
    taps: tuple[str, ...],
    *,
    mean: str = "mean_abs",
) -> dict[str, float]:
    """Computes omega of each tap: 1 / omega = mean |dL/dx|, with L as if F were 0.

    The gradient of 1 / (2 N M) |F - F0|^2 at F = 0 is -F0 / (N M). It is sent back
    through the layers with their rectifiers as the image itself sets them.

    Args:
      net, params: the network.
      image: x0, `[H, W, 3]` in [0, 1].
      taps: the names of the taps.
      mean: one of `MEANS`.

    Returns:
      dict: tap -> omega.

    Raises:
      ValueError: for an unknown tap or mean, or a layer without a gradient.

    Source: He, Wang & Hopcroft (2016), Eq. 4. Departures: see `gram_weights`.
    """
    return _balance(net, params, image, taps, mean, "content")


def gram_weights(
    net: Network,
    params: Params,
    image: Image,
    taps: tuple[str, ...],
    *,
    mean: str = "mean_abs",
) -> dict[str, float]:
    """Computes mu of each tap: 1 / mu = mean |dE/dx|, with E as if G were 0.

    The gradient of 1 / (4 N^2) |G - G0|^2 with G := 0 is -F0 G0 / (N^2 M).

    Args:
      net, params: the network.
      image: x0, `[H, W, 3]` in [0, 1].
      taps: the names of the taps.
      mean: one of `MEANS`.

    Returns:
      dict: tap -> mu.

    Raises:
      ValueError: for an unknown tap or mean, or a layer without a gradient.

    Source: He, Wang & Hopcroft (2016), Eq. 8. Departures: read literally it is zero,
      since dE/dF has the factor F and the code is said to be zero; here G is zero and
      F is the image's own. No image has the code zero (its rectifiers would pass no
      gradient), so x0 sets the rectifiers. The mean is that of |g|: |mean g|, as printed,
      varies tenfold with the seed. Gradients are with respect to x in [0, 1].
    """
    return _balance(net, params, image, taps, mean, "gram")


def relative_weights(targets: Taps) -> dict[str, float]:
    """Computes 4 N^2 / |G0|^2 of each tap, so that its texture loss is 1 where G is 0.

    Args:
      targets: tap -> G0 `[c, c]`.

    Returns:
      dict: tap -> weight.

    Raises:
      ValueError: for a matrix that is zero or not finite.
    """
    return {
        tap: 4 * target.shape[0] ** 2 / _sum_squares(target, f"the Gram matrix of {tap!r}", "this")
        for tap, target in targets.items()
    }


def relative_content_weights(targets: Taps) -> dict[str, float]:
    """Computes 2 / mean F0^2 of each tap, so that its content loss is 1 where F is 0.

    The content is then in the same units as the style of `relative_weights`, whatever the
    network: a factor on the kernels of a layer changes neither.

    Args:
      targets: tap -> F0 `[h, w, c]` or `[d]`.

    Returns:
      dict: tap -> weight.

    Raises:
      ValueError: for a code that is zero or not finite.
    """
    return {
        tap: 2 * target.size / _sum_squares(target, repr(tap), "the content")
        for tap, target in targets.items()
    }


def _sum_squares(target: Array, what: str, image: str) -> float:
    """Sums the squares of a target, by which its loss is divided."""
    total = float(jnp.sum(target**2))
    if not 0 < total < float("inf"):
        raise ValueError(
            f"{what} is zero or not finite for {image} image: leave the layer out, or use "
            "another image"
        )
    return total


def entry_weights(means: Taps) -> Taps:
    """Computes 1 / (m_i m_j)^2 of each tap, as if the mean of every filter were 1.

    A Gram distance with these weights is that of the activation-normalised network.

    Args:
      means: tap -> mean activations m `[c]`, see `jaxvis.loss.matching.statistics.energy`.
        A filter that hardly fires counts with `FLOOR` times the mean of its layer.

    Returns:
      dict: tap -> weights of the entries, `[c, c]`.

    Raises:
      ValueError: for a layer that never fires, or whose values are not finite.

    Source: Gatys, Ecker & Bethge (2015), section 2. Departures: the means may be those
      of the source image instead of many photographs.
    """
    found = {}
    for tap, mean in means.items():
        level = float(jnp.mean(jnp.abs(mean)))
        if not 0 < level < float("inf"):
            raise ValueError(
                f"{tap!r} is zero or not finite for this image: leave the layer out, or "
                "use another image"
            )
        inverse = 1 / jnp.maximum(jnp.abs(mean), FLOOR * level)
        found[tap] = jnp.outer(inverse, inverse) ** 2
    return found


def _balance(
    net: Network, params: Params, image: Image, taps: tuple[str, ...], mean: str, kind: str
) -> dict[str, float]:
    """Computes the weight of each tap, for its content or its Gram matrix."""
    if mean not in MEANS:
        raise ValueError(f"mean is one of {', '.join(MEANS)}, not {mean!r}")
    image = jnp.asarray(image, jnp.float32)
    found = {}
    for tap in net.check_taps(taps):
        # In double precision, since the cube of small activations underflows in single.
        unit, top = map(float, _mean_gradient(net, tap, mean, kind, params, image))
        size = unit * (top if kind == "content" else top**3)
        if not 0 < size < float("inf"):
            raise ValueError(
                f"{tap!r} sends no finite gradient to this image, so it cannot be "
                "balanced: leave it out, or use another image"
            )
        found[tap] = 1 / size
    return found


@jit(static_argnums=(0, 1, 2, 3))
def _mean_gradient(
    net: Network, tap: str, mean: str, kind: str, params: Params, image: Image
) -> tuple[Array, Array]:
    """Computes the mean gradient of the code scaled to a maximum of 1, and the maximum."""
    values, send_back = jax.vjp(lambda x: net.apply(params, x, stop=tap)[tap], image)
    found = flatten(values)
    count, channels = found.shape
    top = jnp.maximum(jnp.max(jnp.abs(found)), jnp.finfo(found.dtype).tiny)
    unit = found / top
    if kind == "content":
        sent = unit / (count * channels)
    else:
        sent = unit @ gram(unit) / (channels**2 * count)
    (gradient,) = send_back(sent.reshape(values.shape))
    whole = jnp.mean(jnp.abs(gradient) if mean == "mean_abs" else gradient)
    return jnp.abs(whole), top
