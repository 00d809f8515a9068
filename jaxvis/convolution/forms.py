"""The forms of a convolution: XLA's own, Winograd's, a matrix product; NHWC, HWIO."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.convolution.rewrite import by_columns
from jaxvis.convolution.winograd import Pads, transform, winograd
from jaxvis.types import Array

Form = Callable[..., Array]

NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["kernel", "forward", "backward"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Prepared:
    """Returns a kernel with its Winograd transforms, in place of the kernel.

    Args:
      kernel: `[r, r, in, out]`, r 3 or 4.
      forward: U of the kernel, `[m + r - 1, m + r - 1, in, out]`.
      backward: U of the flipped kernel, `[m + r - 1, m + r - 1, out, in]`; None where
        `forward` holds it too (m = 2).
    """

    kernel: Array
    forward: Array
    backward: Array | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The kernel's shape."""
        return self.kernel.shape

    @property
    def dtype(self) -> Any:
        """The kernel's type."""
        return self.kernel.dtype

    @property
    def m(self) -> int:
        """The side of an output tile."""
        return self.forward.shape[-3] - self.kernel.shape[-3] + 1

    def __getitem__(self, index: Any) -> "Prepared":
        """Returns itself: Flax reads a parameter as `kernel[...]`."""
        if index is not Ellipsis:
            raise TypeError("a prepared kernel is read whole")
        return self


@dataclass(frozen=True)
class Shape:
    """Returns what of a convolution is static, as lax names it; NHWC and HWIO."""

    strides: tuple[int, int]
    pads: Pads
    lhs_dilation: tuple[int, int] = (1, 1)
    rhs_dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    precision: Any = None
    preferred: Any = None

    def plain(self) -> bool:
        """Returns whether nothing is strided, dilated or grouped."""
        ones = self.strides == self.lhs_dilation == self.rhs_dilation == (1, 1)
        return ones and self.groups == 1

    def backward_pads(self, kernel: tuple[int, ...]) -> Pads:
        """Returns the pads of the convolution that a plain one's gradient is.

        Args:
          kernel: the kernel's shape; its first two entries are its size.
        """
        return tuple(
            (size - 1 - before, size - 1 - after)
            for size, (before, after) in zip(kernel, self.pads)
        )


def direct(shape: Shape, x: Array, kernel: Array) -> Array:
    """Returns XLA's own convolution.

    Args:
      shape: what is static.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in / groups, out]`.
    """
    return lax.conv_general_dilated(
        x,
        kernel,
        shape.strides,
        shape.pads,
        shape.lhs_dilation,
        shape.rhs_dilation,
        NHWC,
        shape.groups,
        1,
        shape.precision,
        shape.preferred,
    )


def dot(shape: Shape, x: Array, kernel: Array) -> Array:
    """Returns the convolution as one matrix product, whose batch axis `vmap` may take.

    Args:
      shape: what is static; `has_dot` says whether this form has it.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in, out]`.
    """
    x = jnp.pad(x, ((0, 0), *shape.pads, (0, 0)))
    columns = [
        _elements(row, 2, kernel.shape[1], shape) for row in _elements(x, 1, kernel.shape[0], shape)
    ]
    patches = jnp.concatenate([part for row in columns for part in row], axis=-1)
    return jnp.einsum(
        "nhwk,ko->nhwo",
        patches,
        kernel.reshape(-1, kernel.shape[-1]),
        precision=shape.precision,
        preferred_element_type=shape.preferred,
    )


def _elements(x: Array, axis: int, size: int, shape: Shape) -> list[Array]:
    """Returns element k of every window along an axis, for k in 0 .. size - 1."""
    stride, dilation = shape.strides[axis - 1], shape.rhs_dilation[axis - 1]
    reach = (x.shape[axis] - (size - 1) * dilation - 1) // stride * stride + 1
    return [
        lax.slice_in_dim(x, k * dilation, k * dilation + reach, stride, axis) for k in range(size)
    ]


def has_dot(shape: Shape) -> bool:
    """Returns whether `dot` can do a convolution.

    Args:
      shape: what is static.
    """
    whole = shape.groups == 1 and shape.lhs_dilation == (1, 1)
    return whole and min(min(pad) for pad in shape.pads) >= 0


def forward(shape: Shape, x: Array, kernel: Array | Prepared, *, form: Form = direct) -> Array:
    """Returns the convolution, by Winograd's form where the kernel is prepared.

    Args:
      shape: what is static.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in / groups, out]`, or prepared.
      form: `direct` or `dot`; `dot` never goes by Winograd's.
    """
    if form is direct and goes_by_winograd(shape, kernel):
        return winograd(x, kernel.forward, shape.pads, taps=kernel.shape[0])
    if form is direct and jax.default_backend() == "cpu":
        return _on_cpu(shape, x, _raw(kernel))
    return form(shape, x, _raw(kernel))


def input_gradient(
    shape: Shape,
    size: tuple[int, ...],
    g: Array,
    kernel: Array | Prepared,
    *,
    form: Form = direct,
) -> Array:
    """Returns the gradient w.r.t. x, `[n, *size]`.

    Args:
      shape: what is static.
      size: (h, w, in) of x.
      g: the gradient w.r.t. the output, `[n, h', w', out]`.
      kernel, form: as for `forward`.
    """
    if form is direct and goes_by_winograd(shape, kernel):
        u = kernel.forward if kernel.backward is None else kernel.backward
        pads = shape.backward_pads(kernel.shape)
        return winograd(g, u, pads, taps=kernel.shape[0], turned=kernel.backward is None)
    raw = _raw(kernel)
    x = jax.ShapeDtypeStruct((g.shape[0], *size), raw.dtype)
    transposed = jax.linear_transpose(lambda x: form(shape, x, raw), x)
    return transposed(g.astype(raw.dtype))[0]


def kernel_gradient(
    shape: Shape, size: tuple[int, ...], x: Array, g: Array, *, form: Form = direct
) -> Array:
    """Returns the gradient w.r.t. the kernel.

    Args:
      shape: what is static.
      size: the kernel's shape.
      x: `[n, h, w, in]`.
      g: the gradient w.r.t. the output, `[n, h', w', out]`.
      form: as for `forward`.
    """
    kernel = jax.ShapeDtypeStruct(size, x.dtype)
    transposed = jax.linear_transpose(lambda k: form(shape, x, k), kernel)
    return transposed(g.astype(x.dtype))[0]


def tiled_gradient(shape: Shape, size: tuple[int, ...], m: int, x: Array, g: Array) -> Array:
    """Returns the gradient w.r.t. the kernel, by Winograd's form.

    dk = G^T [sum over tiles (B^T d B)^T . (A dy A^T)] G: as few multiplications as the
    convolution itself.

    Args:
      shape: what is static.
      size: the kernel's shape.
      m: the side of an output tile.
      x: `[n, h, w, in]`.
      g: the gradient w.r.t. the output, `[n, h', w', out]`.
    """
    return kernel_gradient(
        shape,
        size,
        x,
        g,
        form=lambda shape, x, kernel: winograd(x, transform(kernel, m), shape.pads, taps=size[0]),
    )


def _on_cpu(shape: Shape, x: Array, kernel: Array) -> Array:
    """Returns the direct convolution in the form that a CPU is fastest with."""
    few = kernel.shape[2] <= 4 and kernel.shape[1] >= 7
    if few and shape.plain() and min(min(pad) for pad in shape.pads) >= 0:
        return by_columns(
            lambda x, kernel, pads: _padded(replace(shape, pads=pads), x, kernel),
            x,
            kernel,
            shape.pads,
        )
    return _padded(shape, x, kernel)


def _padded(shape: Shape, x: Array, kernel: Array) -> Array:
    """Returns the direct convolution, never without any padding.

    XLA's library takes four to twenty times as long where there is none; so there is a
    row of output more, which is cut off.
    """
    bare = shape.pads == ((0, 0), (0, 0)) and shape.lhs_dilation == (1, 1)
    if not bare or kernel.shape[:2] == (1, 1):
        return direct(shape, x, kernel)
    stride = shape.strides[0]
    # As many zeros as make exactly one row more.
    window = (kernel.shape[0] - 1) * shape.rhs_dilation[0] + 1
    rest = (x.shape[1] - window) % stride
    more = replace(shape, pads=((0, stride - rest), (0, 0)))
    return direct(more, x, kernel)[:, :-1]


def _raw(kernel: Array | Prepared) -> Array:
    return kernel.kernel if isinstance(kernel, Prepared) else kernel


def goes_by_winograd(shape: Shape, kernel: Array | Prepared) -> bool:
    """Returns whether a convolution goes by Winograd's form.

    Args:
      shape: what is static.
      kernel: `[kh, kw, in / groups, out]`, or prepared.
    """
    pads = [p for pad in shape.pads for p in pad]
    small = 0 <= min(pads) and max(pads) < kernel.shape[0]
    return isinstance(kernel, Prepared) and shape.plain() and small
