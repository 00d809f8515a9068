"""Random parameters: the same table, untrained."""

from math import prod, sqrt

import jax
import jax.numpy as jnp

from jaxvis.nets.layers import Table, parameter_shapes
from jaxvis.types import Array, Key, Network, Params

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

# What every leaf but a kernel starts as; batch norm is then the identity.
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
        raise ValueError(
            f"preprocess is one of {', '.join(PREPROCESSING)}, not {preprocess!r}"
        )
    spec = parameter_shapes(net)
    needed = frozenset(spec)
    if stop is not None and isinstance(net.forward, Table):
        needed = net.forward.needed(frozenset({"input"}), net.named(stop))
    params: dict[str, dict[str, Array]] = {}
    for number, (name, leaves) in enumerate(spec.items()):
        if name == "input":
            params[name] = _input(preprocess)
        elif name in needed:
            row_key = jax.random.fold_in(key, number)
            params[name] = _row(leaves, row_key, scheme, sigma)
    return params


def _input(preprocess: str) -> dict[str, Array]:
    scale, shift = PREPROCESSING[preprocess]
    return {"scale": jnp.array(scale), "shift": jnp.array(shift)}


def _row(
    leaves: dict[str, tuple[int, ...]], key: Key, scheme: str, sigma: float | Array
) -> dict[str, Array]:
    row = {}
    for leaf, shape in leaves.items():
        if leaf == "kernel":
            spread = sqrt(2 / prod(shape[:-1])) if scheme == "he" else sigma
            row[leaf] = spread * jax.random.normal(key, shape)
        else:
            row[leaf] = jnp.full(shape, _CONSTANTS[leaf])
    return row
