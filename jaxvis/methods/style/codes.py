"""Codes that are changed on purpose, and inverted to see what filters are for.

A code is the activation of a layer `[h, w, c]`, which is not negative after a rectifier.
"""

import jax
import jax.numpy as jnp

from jaxvis.types import Array, Key

RATES = ("dirichlet", "normal")
"""The distributions that `draw_rates` draws from."""


def draw_rates(
    key: Key, code: Array, *, kind: str = "dirichlet", concentration: float = 1.0
) -> Array:
    """Draws a share for every channel in the sum of a code, `[c]`; the shares sum to 1.

    A channel that is zero everywhere gets none.

    Args:
      key: a typed random key.
      code: `[h, w, c]`.
      kind: "dirichlet" draws shares that are not negative, as Eq. 3 demands; "normal"
        draws from N(3, 1000^2) and divides by the sum, as the authors' code does, which
        gives shares of either sign.
      concentration: of the Dirichlet distribution: large values give even shares, small
        ones a few large shares.

    Raises:
      ValueError: for an unknown kind, or a concentration that is not above 0.

    Source: Xia et al., 2.2, Eq. 3, and the authors' code.
    """
    check_rates(kind, concentration)
    channels = code.shape[-1]
    if kind == "dirichlet":
        rates = jax.random.gamma(key, concentration, (channels,))
    else:
        rates = 3 + 1000 * jax.random.normal(key, (channels,))
    rates = jnp.where(jnp.sum(code, axis=(0, 1)) > 0, rates, 0.0)
    total = jnp.sum(rates)
    return rates / jnp.where(total == 0, 1.0, total)


def check_rates(kind: str, concentration: float) -> None:
    """Checks the options of `draw_rates`.

    Args:
      kind, concentration: see `draw_rates`.

    Raises:
      ValueError: as `draw_rates`.
    """
    if kind not in RATES:
        raise ValueError(f"rates are {' or '.join(RATES)}, not {kind!r}")
    if not 0 < concentration < float("inf"):
        raise ValueError(f"concentration must be above 0 and finite, got {concentration}")


def reallocate(code: Array, rates: Array) -> Array:
    """Scales the channels of a code so that they have the given shares of its whole sum.

    Psi_c = rates_c F_c / sum F_c * sum F: zeros stay zero, and the grand total stays.

    Args:
      code: `[h, w, c]`.
      rates: `[c]`, which sum to 1 and are 0 where a channel is.

    Source: Xia et al., Eq. 3. Departures: channels whose sum is 0 stay zero.
    """
    sums = jnp.sum(code, axis=(0, 1))
    factors = jnp.where(sums > 0, rates / jnp.where(sums > 0, sums, 1.0), 0.0)
    return code * (factors * jnp.sum(sums))


def permute_by_rank(code: Array, style: Array) -> Array:
    """Permutes the channels of a code so that they have a style's order of energy.

    The content's channel of rank r takes the place of the style's channel of rank r,
    and gets the mean of that channel.

    Args:
      code: of the content, `[h, w, c]`.
      style: of the style, `[h', w', c]`.

    Source: the code of Xia et al. (not in the paper). Departures: means are compared
      instead of sums, so that the two images may differ in size.
    """
    own, other = jnp.mean(code, axis=(0, 1)), jnp.mean(style, axis=(0, 1))
    source = jnp.argsort(own)[jnp.argsort(jnp.argsort(other))]
    return code[..., source] + (other - own[source])
