"""The rows of a table that are affine, y = W x + b, as functions of whole batches.

Bounds need them in two forms: as they are, and with |W| in place of W and without b, which
says how far y moves at most when every x moves by a given distance.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxvis.convolution.kernels import raw_kernel
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.table.ops import OPS
from jaxvis.types import Array

KERNELS = frozenset({"input", "conv", "fc", "bn", "gain", "up"})
"""Ops with weights of their own, which may be negative."""
AFFINE = KERNELS | {"avg", "gap", "add", "concat", "same", "reflect", "crop", "repeat"}
"""Ops that are affine; those without weights of their own never decrease either."""
NHWC = ("NHWC", "HWIO", "NHWC")


def apply_affine(
    row: Layer, leaves: Mapping[str, Any], given: list[Array], *, absolute: bool = False
) -> Array:
    """Computes an affine row, or with `absolute` what |W| makes of its inputs.

    Convolutions are those of XLA, since bounds that are trained on are differentiated twice.

    Args:
      row: a row whose op is one of `AFFINE`.
      leaves: the row's parameters; nothing for ops without any.
      given: what the row reads, `[N, ...]` each.
      absolute: whether weights are replaced by their absolute values and b by 0.
    """
    x = given[0]
    if row.op not in KERNELS:
        return OPS[row.op](*given, row=row)
    weights, bias = _read_weights(row, leaves)
    if absolute:
        weights, bias = jnp.abs(weights), None
    if row.op == "conv":
        pads = [(pad, pad) for pad in row.pads]
        y = lax.conv_general_dilated(
            x,
            weights,
            (row.stride, row.stride),
            pads,
            dimension_numbers=NHWC,
            feature_group_count=row.groups,
        )
    elif row.op == "up":
        pads = [(row.pads[0], row.window[0] - row.pads[0])] * 2
        y = lax.conv_general_dilated(
            x, weights, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=NHWC
        )
    elif row.op == "fc":
        # Maps are flattened in H, W, C order.
        y = x.reshape(len(x), -1) @ weights
    else:
        y = x * weights
    return y if bias is None else y + bias


def _read_weights(row: Layer, leaves: Mapping[str, Any]) -> tuple[Array, Array | None]:
    """Reads (W, b) of a row; b is None where it has none."""
    if row.op in ("conv", "fc", "up"):
        return raw_kernel(leaves["kernel"]), leaves.get("bias")
    if row.op == "bn":
        factor = leaves["scale"] * lax.rsqrt(leaves["var"] + row.epsilon)
        return factor, leaves["bias"] - leaves["mean"] * factor
    return leaves["scale"], leaves.get("shift")
