"""The forms of one convolution: XLA's own, Winograd's, a matrix product.

All take maps `[n, h, w, channels]` and kernels `[kh, kw, in / groups, out]`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeGuard

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.apart import compute_apart
from jaxvis.compiler import jit
from jaxvis.convolution.kernels import (
    PreparedKernel,
    is_flipped,
    is_for_winograd,
    raw_kernel,
)
from jaxvis.convolution.rewrite import (
    convolve_by_columns,
    convolve_by_shifts,
    spread_by_shifts,
)
from jaxvis.convolution.settings import Settings
from jaxvis.convolution.winograd import Pads, convolve_by_winograd, transform_kernel
from jaxvis.platform import on_cpu
from jaxvis.types import Array

Form = Callable[..., Array]

NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


def convolve_directly(settings: Settings, x: Array, kernel: Array) -> Array:
    """Returns the convolution as XLA computes it, `[n, h', w', out]`.

    Args:
      settings: the static settings.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in / groups, out]`.
    """
    return lax.conv_general_dilated(
        x,
        kernel,
        settings.strides,
        settings.pads,
        settings.lhs_dilation,
        settings.rhs_dilation,
        NHWC,
        settings.groups,
        1,
        settings.precision,
        settings.preferred,
    )


def convolve_by_dot(settings: Settings, x: Array, kernel: Array) -> Array:
    """Returns the convolution as one matrix product, which `jax.vmap` can batch.

    Args:
      settings: the static settings; `has_dot` says whether this form can do them.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in, out]`.
    """
    x = jnp.pad(x, ((0, 0), *settings.pads, (0, 0)))
    columns = [
        _slice_elements(row, 2, kernel.shape[1], settings)
        for row in _slice_elements(x, 1, kernel.shape[0], settings)
    ]
    patches = jnp.concatenate([part for row in columns for part in row], axis=-1)
    return jnp.einsum(
        "nhwk,ko->nhwo",
        patches,
        kernel.reshape(-1, kernel.shape[-1]),
        precision=settings.precision,
        preferred_element_type=settings.preferred,
    )


def _slice_elements(x: Array, axis: int, size: int, settings: Settings) -> list[Array]:
    """Returns element k of every window along an axis, for k in 0 .. size - 1."""
    stride, dilation = settings.strides[axis - 1], settings.rhs_dilation[axis - 1]
    reach = (x.shape[axis] - (size - 1) * dilation - 1) // stride * stride + 1
    return [
        lax.slice_in_dim(x, k * dilation, k * dilation + reach, stride, axis) for k in range(size)
    ]


def has_dot(settings: Settings) -> bool:
    """Returns whether `convolve_by_dot` can do a convolution.

    Args:
      settings: the static settings.
    """
    whole = settings.groups == 1 and settings.lhs_dilation == (1, 1)
    return whole and min(min(pad) for pad in settings.pads) >= 0


def convolve(
    settings: Settings,
    x: Array,
    kernel: Array | PreparedKernel,
    *,
    form: Form = convolve_directly,
) -> Array:
    """Returns the convolution, by Winograd's form where the kernel is prepared for it.

    Args:
      settings: the static settings.
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in / groups, out]`, or a prepared one.
      form: `convolve_directly` or `convolve_by_dot`; the latter is never replaced.
    """
    if form is convolve_directly and goes_by_winograd(kernel, settings):
        return convolve_by_winograd(x, kernel.transform, settings.pads, taps=kernel.shape[0])
    raw = raw_kernel(kernel)
    direct = form is convolve_directly
    if direct and settings.depthwise(raw.shape):
        shifts = partial(compute_apart, _convolve_by_shifts_apart, settings)
        return on_cpu(shifts, partial(form, settings), x, raw)
    if direct and (_has_columns(settings, raw) or _lacks_pads(settings, raw)):
        return on_cpu(partial(_convolve_on_cpu, settings), partial(form, settings), x, raw)
    return form(settings, x, raw)


def backpropagate_to_input(
    settings: Settings,
    size: tuple[int, ...],
    g: Array,
    kernel: Array | PreparedKernel,
    *,
    form: Form = convolve_directly,
) -> Array:
    """Returns the gradient with respect to x, `[n, h, w, in]`.

    Args:
      settings: the static settings.
      size: (h, w, in) of x.
      g: the gradient with respect to the output, `[n, h', w', out]`.
      kernel, form: as for `convolve`.
    """
    pads = settings.backward_pads(kernel.shape)
    if form is convolve_directly and goes_by_winograd(kernel, settings):
        shared = kernel.backward is None
        u = kernel.transform if kernel.backward is None else kernel.backward
        return convolve_by_winograd(g, u, pads, taps=kernel.shape[0], flipped=shared)
    raw = raw_kernel(kernel)
    if form is convolve_directly and is_flipped(kernel) and settings.plain():
        return convolve(replace(settings, pads=pads), g.astype(raw.dtype), kernel.flipped)

    def transpose(g: Array, raw: Array) -> Array:
        x = jax.ShapeDtypeStruct((g.shape[0], *size), raw.dtype)
        return jax.linear_transpose(lambda x: form(settings, x, raw), x)(g)[0]

    g = g.astype(raw.dtype)
    if form is convolve_directly and settings.depthwise(raw.shape):
        spread = partial(compute_apart, _spread_by_shifts_apart, settings, size[:2])
        return on_cpu(spread, transpose, g, raw)
    return transpose(g, raw)


def backpropagate_to_kernel(
    settings: Settings,
    size: tuple[int, ...],
    x: Array,
    g: Array,
    *,
    form: Form = convolve_directly,
) -> Array:
    """Returns the gradient with respect to the kernel, of the shape `size`.

    Args:
      settings: the static settings.
      size: the kernel's shape.
      x: `[n, h, w, in]`.
      g: the gradient with respect to the output, `[n, h', w', out]`.
      form: as for `convolve`.
    """

    def transpose(form: Form, x: Array, g: Array) -> Array:
        kernel = jax.ShapeDtypeStruct(size, x.dtype)
        return jax.linear_transpose(lambda k: form(settings, x, k), kernel)(g)[0]

    g = g.astype(x.dtype)
    if form is convolve_directly and settings.depthwise(size):
        shifts = partial(transpose, _convolve_by_shifts)
        return on_cpu(shifts, partial(transpose, form), x, g)
    return transpose(form, x, g)


def backpropagate_by_winograd(
    settings: Settings, size: tuple[int, ...], m: int, x: Array, g: Array
) -> Array:
    """Returns the gradient with respect to the kernel, by Winograd's form.

    dk = G^T [sum over tiles (B^T d B)^T . (A dy A^T)] G takes as few multiplications as
    the convolution itself.

    Args:
      settings: the static settings.
      size: the kernel's shape.
      m: the side of an output tile.
      x: `[n, h, w, in]`.
      g: the gradient with respect to the output, `[n, h', w', out]`.
    """

    def form(settings: Settings, x: Array, kernel: Array) -> Array:
        u = transform_kernel(kernel, m)
        return convolve_by_winograd(x, u, settings.pads, taps=size[0])

    return backpropagate_to_kernel(settings, size, x, g, form=form)


def _convolve_by_shifts(settings: Settings, x: Array, kernel: Array) -> Array:
    dtype = settings.preferred
    return convolve_by_shifts(x, kernel, settings.strides, settings.pads, dtype=dtype)


# XLA would compute these sums again for every operation that reads their results.
_convolve_by_shifts_apart = jit(_convolve_by_shifts, static_argnums=0)


@partial(jit, static_argnums=(0, 1))
def _spread_by_shifts_apart(
    settings: Settings, size: tuple[int, int], g: Array, kernel: Array
) -> Array:
    return spread_by_shifts(g, kernel, settings.strides, settings.pads, size)


def _convolve_on_cpu(settings: Settings, x: Array, kernel: Array) -> Array:
    """Returns the direct convolution, rewritten as one that a CPU computes faster."""
    if not _has_columns(settings, kernel):
        return _convolve_with_pads(settings, x, kernel)

    def conv(x: Array, kernel: Array, pads: Pads) -> Array:
        return _convolve_with_pads(replace(settings, pads=pads), x, kernel)

    return convolve_by_columns(conv, x, kernel, settings.pads)


def _has_columns(settings: Settings, kernel: Array) -> bool:
    """Returns whether a CPU is faster when columns become channels: few channels."""
    few = kernel.shape[2] <= 4 and kernel.shape[1] >= 7
    return few and settings.plain() and min(min(pad) for pad in settings.pads) >= 0


def _lacks_pads(settings: Settings, kernel: Array) -> bool:
    """Returns whether a convolution has no padding, which makes XLA's library slow."""
    bare = settings.pads == ((0, 0), (0, 0)) and settings.lhs_dilation == (1, 1)
    return bare and kernel.shape[:2] != (1, 1)


def _convolve_with_pads(settings: Settings, x: Array, kernel: Array) -> Array:
    """Returns the direct convolution, always computed with some padding.

    XLA's library takes four to twenty times as long without any. So the input gets the
    zeros that make exactly one more row of output, and that row is cut off.
    """
    if not _lacks_pads(settings, kernel):
        return convolve_directly(settings, x, kernel)
    stride = settings.strides[0]
    window = (kernel.shape[0] - 1) * settings.rhs_dilation[0] + 1
    rest = (x.shape[1] - window) % stride
    more = replace(settings, pads=((0, stride - rest), (0, 0)))
    return convolve_directly(more, x, kernel)[:, :-1]


def goes_by_winograd(
    kernel: Array | PreparedKernel, settings: Settings
) -> TypeGuard[PreparedKernel]:
    """Returns whether a convolution is computed by Winograd's form.

    Args:
      kernel: `[kh, kw, in / groups, out]`, or a prepared one.
      settings: the static settings.
    """
    pads = [p for pad in settings.pads for p in pad]
    small = 0 <= min(pads) and max(pads) < kernel.shape[0]
    return is_for_winograd(kernel) and settings.plain() and small
