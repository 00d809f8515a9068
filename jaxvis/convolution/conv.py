"""The convolution of every network: `lax.conv_general_dilated`, done the fast way.

Three things are done differently from XLA's own:

- On a CPU, a 3x3 kernel that was prepared (`prepare`) goes by Winograd's algorithm, the
  gradient too; every convolution is a program of its own inside the step, because XLA
  runs it a third slower where it is scheduled among everything else.
- `jax.vmap` over kernels never becomes a grouped convolution, which XLA runs about ten
  times slower: one item follows another on a CPU, elsewhere the items are the batch of
  a matrix product.
- Both hold for the gradients, in either order of `jax.grad` and `jax.vmap`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.experimental.xla_metadata import set_xla_metadata

from jaxvis.convolution.forms import (
    NHWC,
    Form,
    Prepared,
    Shape,
    dot,
    forward,
    goes_by_winograd,
    has_dot,
    input_gradient,
    kernel_gradient,
    tiled_gradient,
)
from jaxvis.convolution.winograd import flipped, transform
from jaxvis.types import Array

LARGE = 48
"""Least side of a map for which a kernel is transformed in every step."""


def tile(size: tuple[int, int], kernel: tuple[int, ...]) -> int | None:
    """Returns m of the fastest F(m, r) for a stride 1 convolution, None for direct.

    Measured on two CPU cores, and with an eye on compiling, half a second a layer. What
    the dots save over what the transforms cost goes with in * out / (in + out). Kernels
    of 512 x 512 stay with m = 2, whose transform takes 1.8 times the kernel's memory
    where the two of m = 4 take 8 times.

    Args:
      size: (h, w) of the output.
      kernel: its shape, (r, r, in, out).
    """
    side, (inner, outer) = min(size), kernel[2:]
    gain = inner * outer / (inner + outer)
    if kernel[:2] == (4, 4):
        return 3 if side >= 24 and gain >= 40 else None
    if kernel[:2] != (3, 3) or side < 8:
        return None
    if side >= 24 and inner * outer < 256 * 512:
        return 4 if gain >= 40 else None
    return 2 if gain >= 100 else None


@partial(jax.jit, static_argnums=1)
def _transforms(kernels: tuple[Array, ...], tiles: tuple[int, ...]) -> list:
    return [
        (transform(kernel, m), None if m == 2 else transform(kernel, m, flip=True))
        for kernel, m in zip(kernels, tiles)
    ]


def prepare(kernels: tuple[Array, ...], tiles: tuple[int, ...]) -> list[Prepared]:
    """Returns kernels with their transforms; do it once, outside the step.

    Args:
      kernels: `[..., r, r, in, out]` float32 each; leading axes are items'.
      tiles: m of each, from `tile`.
    """
    pairs = _transforms(tuple(kernels), tuple(tiles))
    return [Prepared(kernel, *pair) for kernel, pair in zip(kernels, pairs)]


def prepared(kernel: Array, size: tuple[int, int]) -> Array | Prepared:
    """Returns a kernel that is learned as the step computes fastest with it.

    It differs from step to step, so that this is done in every one, which pays for
    large maps alone; the kernel's gradient goes through it.

    Args:
      kernel: `[kh, kw, in, out]`.
      size: (h, w) of the output of a stride 1 convolution.
    """
    pays = jax.default_backend() == "cpu" and min(size) >= LARGE
    m = tile(size, kernel.shape) if pays else None
    return kernel if m is None else prepare((kernel,), (m,))[0]


def conv_general_dilated(
    lhs: Array,
    rhs: Array | Prepared,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Array:
    """Returns what `lax.conv_general_dilated` returns, up to float32 rounding.

    Forward-mode differentiation (`jax.jvp`) needs a network built with
    `convolution="direct"`.

    Args:
      lhs: `[n, h, w, in]`.
      rhs: `[kh, kw, in / groups, out]`, or the `Prepared` one.
      window_strides, padding: as for lax.
      lhs_dilation, rhs_dilation: as for lax; None is 1.
      dimension_numbers: another layout than NHWC and HWIO is left to lax.
      feature_group_count, batch_group_count: as for lax, which gets batch groups.
      precision, preferred_element_type: as for lax.
      out_sharding: as for lax, which gets it.
    """
    ours = lhs.ndim == 4 and batch_group_count == 1 and out_sharding is None
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    kernel = rhs.kernel if isinstance(rhs, Prepared) else rhs
    if not ours or numbers != NHWC:
        return lax.conv_general_dilated(
            lhs,
            kernel,
            window_strides,
            padding,
            lhs_dilation,
            rhs_dilation,
            dimension_numbers,
            feature_group_count,
            batch_group_count,
            precision,
            preferred_element_type,
            out_sharding=out_sharding,
        )
    rhs_dilation = tuple(rhs_dilation or (1, 1))
    if isinstance(padding, str):
        window = [(k - 1) * d + 1 for k, d in zip(rhs.shape[:2], rhs_dilation)]
        padding = lax.padtype_to_pads(lhs.shape[1:3], window, window_strides, padding)
    shape = Shape(
        tuple(window_strides),
        tuple(tuple(pad) for pad in padding),
        tuple(lhs_dilation or (1, 1)),
        rhs_dilation,
        feature_group_count,
        precision,
        preferred_element_type,
    )
    return _conv(shape, lhs, rhs)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _conv(shape: Shape, x: Array, kernel: Array | Prepared) -> Array:
    return _batched(forward, shape)(x, kernel)


def _conv_fwd(shape: Shape, x: Array, kernel: Array | Prepared):
    return _conv(shape, x, kernel), (x, kernel)


def _conv_bwd(shape: Shape, saved: tuple, g: Array):
    x, kernel = saved
    raw = kernel.kernel if isinstance(kernel, Prepared) else kernel
    if isinstance(kernel, Prepared) or not shape.plain():
        dx = _batched(input_gradient, shape, x.shape[1:])(g, kernel)
    else:
        # Flipped before the items are taken apart: XLA's own backward convolution is
        # five times slower inside a loop than this forward one.
        there = replace(shape, pads=shape.backward_pads(kernel.shape))
        dx = _batched(forward, there)(g, flipped(kernel))
    if _tiles(shape, kernel):
        dk = _batched(tiled_gradient, shape, raw.shape, kernel.m)(x, g)
    else:
        dk = _batched(kernel_gradient, shape, raw.shape)(x, g)
    dk = dk.astype(raw.dtype)
    if isinstance(kernel, Prepared):
        # The transforms are copies of the kernel, which has the whole gradient.
        zeros = partial(jax.tree.map, jnp.zeros_like)
        dk = Prepared(dk, zeros(kernel.forward), zeros(kernel.backward))
    return dx.astype(x.dtype), dk


_conv.defvjp(_conv_fwd, _conv_bwd)


def _tiles(shape: Shape, kernel: Any) -> bool:
    """Returns whether the kernel's gradient goes by Winograd's form: six points."""
    six = goes_by_winograd(shape, kernel) and kernel.backward is not None
    return six and jax.default_backend() == "cpu"


@lru_cache(maxsize=4096)
def _batched(form: Form, *static: Any) -> Callable[[Array, Any], Array]:
    """Returns the form with its batching rule: items share a kernel or have their own.

    Args:
      form: `forward`, `input_gradient`, `kernel_gradient` or `tiled_gradient`.
      *static: its arguments before the arrays.
    """
    function = custom_vmap(_island(partial(form, *static)))
    folds = form in (forward, input_gradient)

    @function.def_vmap
    def rule(count: int, in_batched: Any, first: Array, second: Any):
        first_batched, second_batched = in_batched
        if folds and not any(jax.tree.leaves(second_batched)):
            out = function(first.reshape(-1, *first.shape[2:]), second)
            return out.reshape(count, -1, *out.shape[1:]), True
        together = _together(form, static, second)
        if together is None:
            return _one_by_one(function, in_batched, (first, second)), True
        axes = jax.tree.map(lambda own: 0 if own else None, tuple(in_batched))
        return jax.vmap(together, axes, axis_size=count)(first, second), True

    return function


def _together(form: Form, static: tuple, second: Any) -> Form | None:
    """Returns the form in which items are the batch of matrix products, or None.

    On a CPU that pays for the small maps of F(2, 3) alone; larger ones leave the cache.
    """
    if jax.default_backend() != "cpu":
        return partial(form, *static, form=dot) if has_dot(static[0]) else None
    few = isinstance(second, Prepared) and second.forward.shape[-3] == 4
    return partial(form, *static) if few else None


def _island(form: Form) -> Form:
    """Returns the form as a program that XLA's CPU compiler leaves whole.

    Put in line, the same operations run up to half as long again.
    """
    compiled = jax.jit(form)

    def call(*arrays: Any) -> Array:
        if jax.default_backend() != "cpu" or not isinstance(arrays[1], Prepared):
            return form(*arrays)
        with set_xla_metadata(inlineable="false"):
            return compiled(*arrays)

    return call


def _one_by_one(function: Form, in_batched: Any, arrays: tuple) -> Array:
    """Returns the results of all items, one after another; what they share stays."""
    leaves, tree = jax.tree.flatten(arrays)
    own = jax.tree.leaves(in_batched)
    batched = [leaf for leaf, mine in zip(leaves, own) if mine]
    count = batched[0].shape[0]

    def item(mine: list[Array]) -> Array:
        rest = iter(mine)
        return function(
            *jax.tree.unflatten(
                tree, [next(rest) if one else leaf for leaf, one in zip(leaves, own)]
            )
        )

    if count == 1:  # in a loop, even one of one turn, XLA's convolutions are slow
        return item([leaf[0] for leaf in batched])[None]
    return lax.map(item, batched)
