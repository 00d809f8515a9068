"""Layers that say nothing: not finite, all zero, constant, or at the ends of their range."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.types import Array, Params

FULL = 0.9
"""Part of a layer's values at the ends of its range, from which it counts as saturated."""
NEAR = 1e-3
"""Distance from an end, in parts of the range, that counts as being there."""


class TapFacts(NamedTuple):
    """What is known of an activation, a number each.

    Attributes:
      finite: whether every value is.
      low, high: its smallest and largest value.
      ends: part of its values at the largest value, or at the smallest one if that is below
        zero: at the zeros of a ReLU no unit is saturated.
    """

    finite: Array
    low: Array
    high: Array
    ends: Array


@jit(static_argnums=0)
def describe_taps(net: Network, params: Params, image: Array) -> dict[str, TapFacts]:
    """Computes what is known of every activation but the input.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1].
    """
    taps = net.apply(params, image)
    # Under jit a dict comes back sorted; the caller has the order of net.taps.
    return {tap: _describe(value) for tap, value in taps.items() if tap != "input"}


def _describe(value: Array) -> TapFacts:
    low, high = jnp.min(value), jnp.max(value)
    near = NEAR * (high - low)
    ends = (value >= high - near) | ((value <= low + near) & (low < 0))
    return TapFacts(jnp.all(jnp.isfinite(value)), low, high, jnp.mean(ends.astype(jnp.float32)))


FAULTS: dict[str, Callable[[TapFacts], bool]] = {
    "not finite (NaN or infinite)": lambda facts: not facts.finite,
    "all zero": lambda facts: bool(facts.low == facts.high == 0),
    "constant": lambda facts: bool(facts.low == facts.high != 0),
    "saturated: nearly all values lie at the ends of its range": lambda f: bool(f.ends > FULL),
}
"""A fault of a layer, in words -> whether it has it; the first that holds counts."""


def find_faults(net: Network, params: Params, image: Array) -> list[str]:
    """Finds the layers that say nothing, a sentence for each kind of fault.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1].
    """
    found = jax.device_get(describe_taps(net, params, image))
    size = image.shape[0], image.shape[1]
    names: dict[str, list[str]] = {}
    for tap in net.taps:
        # A tap of one value is constant whatever it is.
        if tap in found and net.shape(params, tap, size=size) not in ((), (1,)):
            fault = next((words for words, holds in FAULTS.items() if holds(found[tap])), None)
            if fault:
                names.setdefault(fault, []).append(tap)
    count = len(found)
    return [
        f"the activation of {taps[0]} is {fault}"
        + (f", and so are {len(taps) - 1} further layers of {count}" if len(taps) > 1 else "")
        for fault, taps in names.items()
    ]
