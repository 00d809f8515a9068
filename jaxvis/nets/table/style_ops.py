"""The ops that only style transfer networks have, whose output is an image.

These are instance norm, reflected borders, doubling of the map, and the range of the
output. A checkpoint that was trained on several styles has a scale and a bias for each
style in every norm.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxvis.nets.table.compute import CONVOLUTIONS, Compute
from jaxvis.nets.table.layers import Layer, same_pads
from jaxvis.types import Array


class InstanceNorm(nnx.Module):
    """Instance norm: scale * (x - mean) / sqrt(var + epsilon) + bias over the pixels.

    Source: Ulyanov, Vedaldi & Lempitsky (2016); Dumoulin, Shlens & Kudlur (2017),
      Eq. 5, for a scale and a bias of every style.
    """

    def __init__(self, channels: int, *, styles: int, epsilon: float) -> None:
        shape = (styles, channels) if styles else (channels,)
        self.scale = nnx.Param(jnp.ones(shape))
        self.bias = nnx.Param(jnp.zeros(shape))
        self.epsilon = epsilon

    def __call__(self, x: Array) -> Array:
        """Returns the normalised map `[1, h, w, c]`.

        Raises:
          ValueError: if the parameters are still those of several styles.
        """
        scale, bias = self.scale[...], self.bias[...]
        if scale.ndim == 2:
            raise ValueError(
                f"these parameters hold {scale.shape[0]} styles: choose one or mix "
                "them first, params = mix_styles(params, weights)"
            )
        dtype, x = x.dtype, x.astype(jnp.float32)
        mean = jnp.mean(x, axis=(1, 2), keepdims=True)
        var = jnp.mean((x - mean) ** 2, axis=(1, 2), keepdims=True)
        factor = scale * lax.rsqrt(var + self.epsilon)
        return ((x - mean) * factor + bias).astype(dtype)


class TransposedConv(nnx.Module):
    """A transposed convolution of stride 2, which doubles height and width.

    y = conv(x with a zero between neighbours). The row's `pad` is the padding in front: 2
    for TensorFlow's "SAME" (with 1 behind), 1 for torch's padding=1, output_padding=1.
    """

    def __init__(self, shape: tuple[int, ...], row: Layer, compute: Compute) -> None:
        size, pad = row.window[0], row.pads[0]
        self.kernel = nnx.Param(jnp.zeros((size, size, shape[-1], row.width)))
        self.pads = (pad, size - pad)
        self.compute = nnx.static(compute)

    def __call__(self, x: Array) -> Array:
        """Returns the map `[1, 2 h, 2 w, width]`."""
        options = self.compute.options()
        if options["dtype"] is not None:
            x = x.astype(options["dtype"])
        return CONVOLUTIONS[self.compute.convolution](
            x,
            self.kernel[...].astype(x.dtype),
            (1, 1),
            (self.pads, self.pads),
            lhs_dilation=(2, 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=options["precision"],
        )


def _pad_same(x: Array, row: Layer) -> Array:
    """Returns x with the zeros around it that TensorFlow's "SAME" adds."""
    pads = [same_pads(n, row) for n in x.shape[1:3]]
    return jnp.pad(x, ((0, 0), *pads, (0, 0)))


def _reflect(x: Array, row: Layer) -> Array:
    pad = row.pads[0]
    pads = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    return jnp.pad(x, pads, mode="reflect")


def _crop(x: Array, row: Layer) -> Array:
    pad = row.pads[0]
    return x[:, pad : x.shape[1] - pad, pad : x.shape[2] - pad]


MODULES: dict[str, Callable[[Layer, tuple[int, ...], Compute], nnx.Module]] = {
    "inorm": lambda row, shape, compute: InstanceNorm(
        shape[-1], styles=row.styles, epsilon=row.epsilon
    ),
    "up": lambda row, shape, compute: TransposedConv(shape, row, compute),
}
"""Op -> its Flax module, for ops that have parameters."""

OPS: dict[str, Callable[..., Any]] = {
    "same": _pad_same,
    "reflect": lambda x, row: _reflect(x, row),
    "crop": lambda x, row: _crop(x, row),
    "repeat": lambda x, row: x.repeat(2, axis=1).repeat(2, axis=2),
    "tanh": lambda x, row: row.kappa + row.alpha * jnp.tanh(x.astype(jnp.float32)),
}
"""Op -> its function of `[1, h, w, c]`, for ops without parameters."""
