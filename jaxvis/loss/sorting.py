"""Matching of distributions: what a layer's channels shall hold, wherever they hold it."""

from dataclasses import field

import jax.numpy as jnp

from jaxvis.loss.algebra import OneTap, register_objective
from jaxvis.types import Array, ArrayLike, Taps


def sort_positions(values: Array) -> Array:
    """Sorts every channel of a tap over its positions, `[p, c]` with the smallest first.

    Args:
      values: `[h, w, c]`, or `[c]`, which has one position.
    """
    return jnp.sort(values.reshape(-1, values.shape[-1]), axis=0)


def resample_quantiles(sorted_values: Array, count: int) -> Array:
    """Gives sorted values at other quantiles, `[count, c]`, by linear interpolation.

    Args:
      sorted_values: `[p, c]`, the smallest first.
      count: how many positions are wanted.
    """
    length = sorted_values.shape[0]
    if length == count:
        return sorted_values
    # The quantile of position i of p is (i + 1/2) / p; beyond the ends the ends count.
    at = (jnp.arange(count) + 0.5) / count * length - 0.5
    at = jnp.clip(at, 0, length - 1)
    low = jnp.floor(at).astype(int)
    high = jnp.minimum(low + 1, length - 1)
    share = (at - low)[:, None]
    return (1 - share) * sorted_values[low] + share * sorted_values[high]


@register_objective(("target", "channels"), ("tap",))
class MatchSorted(OneTap):
    """The squared distance of sorted activations to those of real images.

    sum over channels c of w_c mean over ranks r of (sort(F_c)_r - T_cr)^2, divided by the
    same sum of T^2: 0 where every channel has the distribution of the target, and 1 where it
    is 0 everywhere. Where in the image a value stands is free.

    Args:
      tap: the tap's name, `[h, w, c]` or `[c]`.
      target: T, sorted activations `[p, c]`, the smallest first, such as
        `jaxvis.methods.vital.collect_sorted` gives them; p may be another number of
        positions than the tap has.
      channels: w, weights `[c]`, or one number for all.

    Source: Görgün, Schiele & Fischer, VITAL (2025), sort matching. Departures: relative to
      the size of the target, so that layers can be added without weights of their own.
    """

    tap: str
    target: ArrayLike
    channels: ArrayLike | float = field(default=1.0, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        found = sort_positions(taps[self.tap])
        wanted = resample_quantiles(jnp.asarray(self.target), found.shape[0])
        scale = jnp.sum(self.channels * wanted**2)
        distance = jnp.sum(self.channels * (found - wanted) ** 2)
        return distance / jnp.maximum(scale, jnp.finfo(found.dtype).tiny)
