"""Lipschitz bounds: how far scores can move when an image moves by one unit of length.

Lengths are Euclidean. A network's bound is the product of those of its layers where they
follow each other, their sum where branches are added, and the root of the sum of their
squares where branches are joined side by side.
"""

from collections.abc import Mapping
from math import ceil, sqrt
from typing import Any, NamedTuple

import numpy as np

from jaxvis.defences.certify.spectra import estimate_norm, kernel_norm, matrix_norm
from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import Layer, rows_between, shapes, sources
from jaxvis.network import Network
from jaxvis.types import Params

METHODS = ("fourier", "power")
"""How the norm of a convolution is found: a bound from its frequencies, or an estimate."""
SLOPES = {
    "relu": 1.0,
    "relu6": 1.0,
    "silu": 1.0999,
    "gelu": 1.1290,
    "hswish": 1.5,
    "sigmoid": 0.25,
    "hsigmoid": 1 / 6,
    "softmax": 0.5,
    "concat": 1.0,
    "add": 1.0,
    "crop": 1.0,
    "same": 1.0,
    "repeat": 2.0,
    "reflect": 3.0,
}
"""Op -> its own bound. A reflected border shows a pixel at most three times along an axis."""


class Lipschitz(NamedTuple):
    """Lipschitz bounds of a network.

    Attributes:
      layers: row -> the bound of what that row alone computes.
      network: the bound of the tap as a function of the image in [0, 1].
    """

    layers: dict[str, float]
    network: float


def lipschitz_bounds(
    net: Network,
    params: Params,
    *,
    size: tuple[int, int] | None = None,
    tap: str | None = None,
    method: str = "fourier",
    iterations: int = 100,
) -> Lipschitz:
    """Bounds how far a tap can move, in Euclidean length, for each unit that the image moves.

    An image whose best score leads by m keeps its class within m / (sqrt(2) L), where L is
    the bound of the scores. For deep networks that were not trained for it the bound is
    very far above what the network really does.

    Args:
      net, params: a network that was built from a table.
      size: (H, W) of the images in pixels; None takes the native one.
      tap: the layer; None takes the class scores.
      method: "fourier" takes the largest of a convolution's frequencies, which is never below
        its norm, and slow for wide layers; "power" iterates W^T W, which comes to the norm
        from below. Fully connected layers are exact with both.
      iterations: at most so many of "power".

    Raises:
      ValueError: for a network without a table, an unknown tap or method, fewer than one
        iteration, or a layer that has no bound, such as a product of two maps: it is named.

    Source: Szegedy et al., Intriguing properties of neural networks, 2014, section 4.3;
      Sedghi et al., The singular values of convolutional layers, 2019; Tsuzuku et al.,
      Lipschitz-margin training, 2018, for pooling.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> found = jaxvis.lipschitz_bounds(net, params, size=(16, 16))
    >>> found.layers["relu1_1"], found.layers["pool1"]
    (1.0, 0.5)
    """
    name = _check(net, tap, method, iterations)
    rows = net.forward.rows  # type: ignore[attr-defined]
    at, reads = shapes(rows, size or net.input_size), sources(rows)
    needed = rows_between(rows, frozenset({"input"}), (name,))
    layers, total = {}, {"": 1.0}
    for row in rows:
        if row.name not in needed:
            continue
        names = reads[row.name]
        shape = at[names[0]] if names else (*(size or net.input_size), net.channels)
        search = None if method == "fourier" else iterations
        layers[row.name] = _bound_row(row, params.get(row.name, {}), shape, search)
        before = [total[one] for one in names or ("",)]
        joined = sqrt(sum(one**2 for one in before)) if row.op == "concat" else sum(before)
        total[row.name] = layers[row.name] * joined
    return Lipschitz(layers, total[name])


def _check(net: Network, tap: str | None, method: str, iterations: int) -> str:
    if method not in METHODS:
        raise ValueError(f"method is {' or '.join(METHODS)}, not {method!r}")
    if iterations < 1:
        raise ValueError(f"iterations is at least 1, not {iterations}")
    name = net.scores if tap is None else tap
    if name is None:
        raise ValueError(f"{net.name} names no class scores: pass tap=, such as {net.taps[-1]!r}")
    net.check_taps(name)
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not built from a table, so its layers are not known")
    return name


def _bound_row(
    row: Layer, leaves: Mapping[str, Any], shape: tuple[int, ...], search: int | None
) -> float:
    """Returns the bound of one row for inputs of a shape; it iterates where `search` says so."""
    if row.op in SLOPES:
        return SLOPES[row.op]
    if row.op in ("input", "gain"):
        return float(np.max(np.abs(leaves["scale"])))
    if row.op == "bn":
        factor = np.asarray(leaves["scale"]) / np.sqrt(np.asarray(leaves["var"]) + row.epsilon)
        return float(np.max(np.abs(factor)))
    if row.op == "fc":
        return matrix_norm(np.asarray(leaves["kernel"]))
    if row.op in ("conv", "up"):
        if search is not None:
            return estimate_norm(row, leaves, shape, search)
        return kernel_norm(row, leaves, shape)
    if row.op in ("max", "window_max", "avg"):
        return _bound_pooling(row, shape)
    if row.op == "gap":
        return 1 / sqrt(shape[0] * shape[1])
    if row.op == "leaky":
        return max(1.0, abs(row.alpha))
    if row.op == "tanh":
        return abs(row.alpha)
    if row.op == "lrn":
        # |x_i x_j| alpha / n is at most half the sum, so no entry of the derivative
        # exceeds 1 on the diagonal and 3/4 beside it.
        return row.kappa**-0.75 * (1 + 0.75 * (row.window[0] - 1))
    raise ValueError(
        f"{row.name!r} has no Lipschitz bound, since its op is {row.op!r}: stop at a tap before it"
    )


def _bound_pooling(row: Layer, shape: tuple[int, ...]) -> float:
    """Returns the root of how many windows share a pixel, for averages over their pixels."""
    shared = least = 1
    for axis in (0, 1):
        side, pad = row.window[axis], row.pads[axis]
        shared *= ceil(min(side, shape[axis]) / row.stride)
        # A window at the edge may hold few pixels; half of it at the least, but for ceil.
        least *= 1 if row.ceil else max(side if row.count_pad else side - pad, 1)
    return sqrt(shared / least) if row.op == "avg" else sqrt(shared)
