"""Random parameters for a network built from a table."""

from itertools import accumulate
from math import prod, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.jax_internals import is_traced
from jaxvis.nets.table.forward import parameter_shapes
from jaxvis.nets.table.layers import rows_between
from jaxvis.network import Network
from jaxvis.types import Array, ArrayLike, Key, Params

PREPROCESSING = {
    "caffe_vgg": ((255.0,) * 3, (-123.68, -116.779, -103.939)),
    "imagenet": (
        (1 / 0.229, 1 / 0.224, 1 / 0.225),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    "unit": ((1.0,) * 3, (0.0,) * 3),
}
"""Name -> scale and shift of RGB in [0, 1]; `weights_convert` has the same names. The first
subtracts ImageNet's mean in 8-bit units, the second takes out ImageNet's mean and standard
deviation, the third does nothing."""

SCHEMES = ("he", "gaussian")

# The values that biases and norms start with, which make a norm the identity.
_CONSTANTS = {"bias": 0.0, "scale": 1.0, "mean": 0.0, "var": 1.0}
# What is drawn. The class token and the positions of transformers are as small as timm's.
_DRAWN = ("kernel", "cls_token", "pos_embed")
_SMALL = 0.02


def random_params(
    net: Network,
    key: Key,
    *,
    scheme: str = "he",
    sigma: float | Array = 0.015,
    preprocess: str = "caffe_vgg",
    stop: str | tuple[str, ...] | None = None,
) -> Params:
    """Returns random parameters: Gaussian kernels, zero biases, and identity norms.

    With the scheme "gaussian" a kernel is N(0, sigma^2). With "he" it is N(0, 2 / fan_in),
    which keeps the mean square of rectified activations at that of the input; with
    `preprocess="imagenet"` that is one. As biases are zero, both schemes give the same
    network up to one factor a layer. But sigma = 0.015 shrinks VGG-19's activations to
    1e-4, and the gradients of their Gram matrices below float32, so prefer "he". The class
    token and the positions of a transformer are N(0, 0.02^2) with both.

    Args:
      net: a network built from a table.
      key: one typed key. To draw N networks, vmap this function over keys, with `net`
        closed over; it can be jitted in the same way.
      scheme: "he" or "gaussian".
      sigma: `[]`, the standard deviation of "gaussian".
      preprocess: what the input row does to RGB in [0, 1]. "caffe_vgg" is 255 * x minus
        ImageNet's mean (123.68, 116.779, 103.939), as the papers have it; "imagenet"
        takes out the mean and standard deviation; "unit" does nothing. Where an image
        has not three channels, every one gets the mean of the three numbers.
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
    if stop is not None:
        rows &= rows_between(net.rows, frozenset({"input"}), net.check_taps(stop))
    normal = _draw_kernels(key, spec, rows)
    params: dict[str, dict[str, Any]] = {}
    for row in (row for row in spec if row in rows):
        params[row] = {
            leaf: np.full(shape, _CONSTANTS[leaf], np.float32)
            for leaf, shape in spec[row].items()
            if leaf in _CONSTANTS
        }
        for leaf in (leaf for leaf in spec[row] if leaf in _DRAWN):
            fan_in = prod(spec[row][leaf][:-1])
            spread = sqrt(2 / fan_in) if scheme == "he" else sigma
            params[row][leaf] = normal[row, leaf] * (spread if leaf == "kernel" else _SMALL)
    params["input"] = _as_affine(preprocess, net.channels)
    return jax.tree.map(jnp.asarray, params)


def _as_affine(preprocess: str, channels: int) -> dict[str, Any]:
    """Returns the input row's parameters; other than three channels share their mean."""
    scale, shift = (np.asarray(numbers, np.float32) for numbers in PREPROCESSING[preprocess])
    if channels != 3:
        scale, shift = (np.full(channels, each.mean(), np.float32) for each in (scale, shift))
    return {"scale": scale, "shift": shift}


def _draw_kernels(
    key: Key, spec: dict[str, dict[str, tuple[int, ...]]], rows: frozenset[str]
) -> dict[tuple[str, str], ArrayLike]:
    """Returns (row, leaf) -> N(0, 1), for some rows; all are cut from one draw.

    Separate draws, one for every shape, take a minute to compile for GoogLeNet. As the
    draw ends with the last row that is wanted, a row has the same kernel whatever follows.
    """
    shapes = {
        (row, leaf): leaves[leaf]
        for row, leaves in spec.items()
        for leaf in _DRAWN
        if leaf in leaves
    }
    ends = dict(zip(shapes, accumulate(map(prod, shapes.values()))))
    total = max((end for (row, _), end in ends.items() if row in rows), default=0)
    numbers: ArrayLike = jax.random.normal(key, (total,))
    if is_traced(numbers):
        # Without the barrier the draw is compiled again into every cut.
        numbers = lax.optimization_barrier(numbers)
    else:
        # NumPy cuts without compiling a program for every shape.
        numbers = np.asarray(numbers)
    return {
        place: numbers[ends[place] - prod(shape) : ends[place]].reshape(shape)
        for place, shape in shapes.items()
        if place[0] in rows
    }
