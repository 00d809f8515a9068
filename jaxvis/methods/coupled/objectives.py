"""Objectives of generators coupled to a network: what a drawing should make it say."""

from collections.abc import Sequence
from dataclasses import field
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.algebra import OneTap, register_objective
from jaxvis.network import Network
from jaxvis.types import Array, Params, Taps

Targets = int | Sequence[int | Sequence[int]] | range
"""One class or channel, or several; a tuple among them is wanted in one picture."""


@register_objective(("wanted", "others"), ("tap", "rectified"))
class Couple(OneTap):
    """The objective 1 - mean of the wanted activations + others * sum of all the others.

    The activations are a tap `[d]`, or the means over positions of a tap `[h, w, c]`.
    The others count rectified, as a ReLU in the softmax's place has it.

    Args:
      tap: the tap's name.
      wanted: `[d]` or `[c]`, 1 for every class or filter wanted and 0 for the others.
      others: lambda.
      rectified: whether the wanted ones are rectified too, as in the original. A class
        whose score is negative then has no gradient.

    Source: Despraz et al., Eq. 2, and the authors' code for "1 -" and lambda. For
      several classes the mean of theirs takes the place of a(c_i).
    Departures: the wanted activation is not rectified unless asked for, which is the
      same as soon as it is positive.
    """

    tap: str
    wanted: Array
    others: Array | float = field(default=0.01, kw_only=True)
    rectified: bool = field(default=False, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, `[]`."""
        values = taps[self.tap]
        positive = jax.nn.relu(values)
        wanted = positive if self.rectified else values
        if values.ndim == 3:
            wanted, positive = (jnp.mean(v, axis=(0, 1)) for v in (wanted, positive))
        own = wanted @ self.wanted
        rest = positive @ (1 - self.wanted)
        return 1 - own / jnp.sum(self.wanted) + self.others * rest


@register_objective(("wanted",), ("tap",))
class Likelihood(OneTap):
    """The objective minus the mean of log softmax(s) over the wanted classes.

    What it asks for never runs away: it is 0 once the network is sure.

    Args:
      tap: the tap of the scores s, `[d]`, or `[h, w, c]` (means over positions).
      wanted: `[d]` or `[c]`, 1 for every class wanted and 0 for the others.

    Source: Nguyen, Clune, Bengio, Dosovitskiy & Yosinski, Plug & play generative
      networks (2017), 3.1: the gradient of log p(y = c | x).
    """

    tap: str
    wanted: Array

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, `[]`."""
        values = taps[self.tap]
        scores = jnp.mean(values, axis=(0, 1)) if values.ndim == 3 else values
        return -(jax.nn.log_softmax(scores) @ self.wanted) / jnp.sum(self.wanted)


def group_targets(index: Targets) -> tuple[tuple[int, ...], ...]:
    """Gives the classes or channels that each picture asks for.

    Args:
      index: one, or several; a tuple among them is one group.
    """
    listed = [index] if isinstance(index, int | float | np.generic) else list(index)
    return tuple(tuple(map(int, np.atleast_1d(one))) for one in listed)


def number_groups(groups: Sequence[tuple[int, ...]]) -> list[int]:
    """Gives every group a number that its random key is made of.

    That of a single class or channel is its index, whatever else is asked for.

    Args:
      groups: as `group_targets` gives them.
    """
    return [
        group[0] if len(group) == 1 else crc32("+".join(map(str, sorted(group))).encode())
        for group in groups
    ]


def build_objectives(
    net: Network,
    params: Params,
    groups: Sequence[tuple[int, ...]],
    *,
    tap: str,
    others: float | None = 0.01,
    rectified: bool = False,
) -> Couple | Likelihood:
    """Builds the objectives of a sweep, leaves `[n, ...]`.

    Args:
      net, params: the network.
      groups: the classes or channels of each picture, as `group_targets` gives them.
      tap: whose activations.
      others, rectified: see `Couple`; others None asks for `Likelihood` instead.

    Raises:
      ValueError: for an unknown tap, or an index outside it.
    """
    net.check_taps(tap)
    width = net.shape(params, tap)[-1]
    flat = [number for group in groups for number in group]
    if not groups or not all(groups) or min(flat) < 0 or max(flat) >= width:
        raise ValueError(
            f"{tap!r} of {net.name} has {width} channels, 0..{width - 1}; got index {groups!r}"
        )
    wanted = np.zeros((len(groups), width), np.float32)
    for row, group in zip(wanted, groups):
        row[list(group)] = 1
    if others is None:
        return Likelihood(tap, jnp.asarray(wanted))
    weights = jnp.full(len(groups), others, jnp.float32)
    return Couple(tap, jnp.asarray(wanted), others=weights, rectified=rectified)


def scores_tap(net: Network, tap: str | None) -> str:
    """Gives the tap to maximise at: the one asked for, or the network's class scores.

    Args:
      net: the network.
      tap: a name, or None.

    Raises:
      ValueError: if none is named and the network has no class scores.
    """
    tap = tap or net.scores or net.classes
    if tap is None:
        raise ValueError(
            f"{net.name} names no class scores: pass tap=, one of {', '.join(net.taps)}"
        )
    return tap
