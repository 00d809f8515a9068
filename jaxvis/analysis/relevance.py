"""How much channels matter to a score: gradient times activation, of several layers at once."""

from collections.abc import Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp

from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import Layer, sources
from jaxvis.network import Network
from jaxvis.types import Array, Params, Taps

GAIN = "/gain"
"""How the row behind a tap is called that multiplies it: its name with this ending."""


def weigh_taps(
    net: Network, params: Params, image: Array, taps: tuple[str, ...], index: Array
) -> tuple[Taps, Taps]:
    """Computes several layers, and the gradient of a class score times them: like the layers.

    Args:
      net, params: the network.
      image: `[H, W, C]`.
      taps: the layers.
      index: the class whose score before softmax is explained; -1 is the image's best class.
    """
    if isinstance(net.forward, Table):
        return _weigh_together(net, params, image, taps, index)
    found = net.apply(params, image, stop=(*taps, net.scores or ""))
    number = _choose(found[net.scores or ""], index)

    def read(tap: str, value: Array) -> Array:
        given = {"start": ("input", tap), "stop": net.scores}
        return net.apply(params, (image, value), **given)[net.scores or ""][number]

    slopes = {tap: jax.grad(lambda value, tap=tap: read(tap, value))(found[tap]) for tap in taps}
    return {tap: found[tap] for tap in taps}, {tap: slopes[tap] * found[tap] for tap in taps}


def _choose(scores: Array, index: Array) -> Array:
    return jnp.where(index < 0, jnp.argmax(scores), index)


def _weigh_together(
    net: Network, params: Params, image: Array, taps: tuple[str, ...], index: Array
) -> tuple[Taps, Taps]:
    """Computes `weigh_taps` of a table in one pass, however many layers there are.

    Behind every layer stands a factor of 1 for each of its values. The gradient with respect
    to the factors is gradient times activation.
    """
    factored = _add_gains(net, taps)
    scores = (net.scores or "") + GAIN * (net.scores in taps)
    size = (image.shape[0], image.shape[1])
    ones = {tap + GAIN: {"scale": jnp.ones(net.shape(params, tap, size=size))} for tap in taps}

    def read(gains: Mapping[str, Mapping[str, Array]]) -> tuple[Array, Taps]:
        found = factored.apply({**params, **gains}, image, stop=(*taps, scores))
        return found[scores][_choose(found[scores], index)], {tap: found[tap] for tap in taps}

    weighed, found = jax.grad(read, has_aux=True)(ones)
    return found, {tap: weighed[tap + GAIN]["scale"] for tap in taps}


def _add_gains(net: Network, taps: tuple[str, ...]) -> Network:
    """Returns a network with a row of factors behind each of the taps."""
    rows: list[Layer] = []
    reads = sources(net.rows)
    for row in net.rows:
        given = tuple(one + GAIN if one in taps else one for one in reads[row.name])
        rows.append(replace(row, inputs=given))
        if row.name in taps:
            rows.append(Layer(row.name + GAIN, "gain", inputs=(row.name,)))
    assert isinstance(net.forward, Table)
    forward = replace(net.forward, rows=tuple(rows))
    names = (*net.taps, *(tap + GAIN for tap in taps))
    return replace(net, forward=forward, taps=names, rows=tuple(rows))
