"""Codes changed on purpose: what is inverted to see what filters are for.

A code is a layer's activation `[h, w, c]`, not negative after a rectifier.
"""

import jax
import jax.numpy as jnp

from jaxvis.types import Array, Key

RATES = ("dirichlet", "normal")
"""How `random_rates` draws."""


def single_map(code: Array, index: Array | int) -> Array:
    """Returns the code in which channel `index` is the sum of all, the others zero.

    Args:
      code: `[h, w, c]`.
      index: l, the channel.

    Source: Xia et al., Eq. 2.
    """
    own = jax.nn.one_hot(index, code.shape[-1], dtype=code.dtype)
    return jnp.sum(code, axis=-1, keepdims=True) * own


def random_rates(
    key: Key, code: Array, *, kind: str = "dirichlet", concentration: float = 1.0
) -> Array:
    """Returns the share of every channel in the code's sum, `[c]`; they sum to 1.

    A channel that is zero everywhere gets none.

    Args:
      key: a typed random key.
      code: `[h, w, c]`.
      kind: "dirichlet", not negative as Eq. 3 demands; "normal" draws N(3, 1000^2) and
        divides by the sum, as the authors' code does: rates of either sign.
      concentration: of the Dirichlet distribution; large is even, small is spiky.

    Raises:
      ValueError: for an unknown kind, or a concentration that is not above 0.

    Source: Xia et al., 2.2, Eq. 3, and the authors' code.
    """
    if kind not in RATES:
        raise ValueError(f"rates are {' or '.join(RATES)}, not {kind!r}")
    if not concentration > 0:
        raise ValueError(f"concentration must be above 0, got {concentration}")
    channels = code.shape[-1]
    if kind == "dirichlet":
        drawn = jax.random.gamma(key, concentration, (channels,))
    else:
        drawn = 3 + 1000 * jax.random.normal(key, (channels,))
    drawn = jnp.where(jnp.sum(code, axis=(0, 1)) > 0, drawn, 0.0)
    total = jnp.sum(drawn)
    return drawn / jnp.where(total == 0, 1.0, total)


def reallocated(code: Array, rates: Array) -> Array:
    """Returns the code whose channels have the given shares of its whole sum.

    Psi_c = rates_c F_c / sum F_c * sum F: zeros stay zero, the grand total is kept.

    Args:
      code: `[h, w, c]`.
      rates: `[c]`, which sum to 1 and are 0 where a channel is.

    Source: Xia et al., Eq. 3. Departures: channels whose sum is 0 stay zero.
    """
    sums = jnp.sum(code, axis=(0, 1))
    factors = jnp.where(sums > 0, rates / jnp.where(sums > 0, sums, 1.0), 0.0)
    return code * (factors * jnp.sum(sums))


def rank_permuted(code: Array, style: Array) -> Array:
    """Returns the code with its channels permuted to the style's order of energy.

    The content's channel of rank r takes the place of the style's channel of rank r,
    and its mean becomes that channel's.

    Args:
      code: of the content, `[h, w, c]`.
      style: of the style, `[h', w', c]`.

    Source: the code of Xia et al. (not in the paper). Departures: means, not sums, are
      compared, so that the two images may differ in size.
    """
    own, other = jnp.mean(code, axis=(0, 1)), jnp.mean(style, axis=(0, 1))
    source = jnp.argsort(own)[jnp.argsort(jnp.argsort(other))]
    return code[..., source] + (other - own[source])
