"""Random parameters: the same table, untrained."""

from itertools import accumulate
from math import prod, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.nets.table.forward import Table, parameter_shapes
from jaxvis.network import Network
from jaxvis.types import Array, Key, Params

PREPROCESSING = {
    "caffe_vgg": ((255.0,) * 3, (-123.68, -116.779, -103.939)),
    "imagenet": (
        (1 / 0.229, 1 / 0.224, 1 / 0.225),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    "unit": ((1.0,) * 3, (0.0,) * 3),
}
"""Name -> scale and shift of RGB in [0, 1], by the names that `weights_convert` has:
ImageNet's mean in 8-bit units subtracted, ImageNet's mean and standard deviation taken
out, or nothing done."""

SCHEMES = ("he", "gaussian")

# What batch norm and biases start as; the norm is then the identity.
_CONSTANTS = {"bias": 0.0, "scale": 1.0, "mean": 0.0, "var": 1.0}


def random_params(
    net: Network,
    key: Key,
    *,
    scheme: str = "he",
    sigma: float | Array = 0.015,
    preprocess: str = "caffe_vgg",
    stop: str | tuple[str, ...] | None = None,
) -> Params:
    """Returns random parameters: Gaussian kernels, zero biases, batch norm identity.

    Under "gaussian" a kernel is N(0, sigma^2). Under "he" it is N(0, 2 / fan_in), which
    keeps the mean square of rectified activations that of the input: one throughout
    with `preprocess="imagenet"`. With zero biases both give the same network up to one
    factor per layer, but sigma = 0.015 shrinks VGG-19's activations to 1e-4 and their
    Gram matrices' gradients below float32; prefer "he".

    Args:
      net: a network built from a table.
      key: one typed key; jit this function with `net` closed over, and vmap it over
        keys to draw N networks.
      scheme: "he" or "gaussian".
      sigma: `[]`, standard deviation of "gaussian".
      preprocess: what the input row does to RGB in [0, 1]: "caffe_vgg" is 255 * x
        minus ImageNet's mean (123.68, 116.779, 103.939), as the papers have it;
        "imagenet" takes out its mean and standard deviation; "unit" does nothing.
      stop: tap(s) after which no parameters are drawn; None draws all. The fully
        connected layers are most of AlexNet and VGG.

    Returns:
      Params: `{row: {"kernel": [h, w, in / groups, out], "bias": [out], ...}}` float32.

    Raises:
      ValueError: for an unknown scheme, preprocessing or tap, or an adapted network.

    Source: He, Wang & Hopcroft, A powerful generative model using random weights for
      the deep image representation, 2016 (gaussian, sigma 0.015); He et al., Delving
      deep into rectifiers, 2015 (he).
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is one of {', '.join(SCHEMES)}, not {scheme!r}")
    if preprocess not in PREPROCESSING:
        raise ValueError(f"preprocess is one of {', '.join(PREPROCESSING)}, not {preprocess!r}")
    spec = parameter_shapes(net)
    rows = frozenset(spec)
    if stop is not None and isinstance(net.forward, Table):
        rows &= net.forward.needed(frozenset({"input"}), net.named(stop))
    normal = _normal(key, spec, rows)
    params: dict[str, dict[str, Any]] = {}
    for row in (row for row in spec if row in rows):
        params[row] = {
            leaf: np.full(shape, _CONSTANTS[leaf], np.float32)
            for leaf, shape in spec[row].items()
            if leaf in _CONSTANTS
        }
        if row in normal:
            fan_in = prod(spec[row]["kernel"][:-1])
            spread = sqrt(2 / fan_in) if scheme == "he" else sigma
            params[row]["kernel"] = normal[row] * spread
    scale, shift = PREPROCESSING[preprocess]
    params["input"] = {"scale": np.float32(scale), "shift": np.float32(shift)}
    return jax.tree.map(jnp.asarray, params)


def _normal(
    key: Key, spec: dict[str, dict[str, tuple[int, ...]]], rows: frozenset[str]
) -> dict[str, Array | np.ndarray]:
    """Returns N(0, 1) kernels of `rows`, all cut from one draw.

    A draw of its own for every shape takes a minute to compile for GoogLeNet. One draw
    up to the last row wanted also gives a row the same kernel whatever follows it.
    """
    shapes = {row: leaves["kernel"] for row, leaves in spec.items() if "kernel" in leaves}
    ends = dict(zip(shapes, accumulate(map(prod, shapes.values()))))
    total = max((end for row, end in ends.items() if row in rows), default=0)
    numbers = jax.random.normal(key, (total,))
    if isinstance(numbers, jax.core.Tracer):
        # Without the barrier the draw would be compiled again into every cut.
        numbers = lax.optimization_barrier(numbers)
    else:
        # numpy cuts without compiling once for every shape.
        numbers = np.asarray(numbers)
    return {
        row: numbers[ends[row] - prod(shape) : ends[row]].reshape(shape)
        for row, shape in shapes.items()
        if row in rows
    }
