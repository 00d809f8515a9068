"""The convolution of every network: `lax.conv_general_dilated`, computed faster.

Three things are done differently from XLA:

- On a CPU, a 3x3 kernel that was prepared (`jaxvis.convolution.kernels`) is convolved by
  Winograd's algorithm, and so are its gradients. Each of these convolutions is a program
  of its own inside the step, because XLA runs it a third slower when it is scheduled
  together with everything else.
- `jax.vmap` over kernels never becomes a grouped convolution, which XLA runs about ten
  times slower. On a CPU one item follows another; on other platforms the items are the
  batch of a matrix product.
- Both hold for the gradients too, in either order of `jax.grad` and `jax.vmap`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import CustomVJPPrimal, SymbolicZero

from jaxvis.apart import compute_apart
from jaxvis.compiler import jit
from jaxvis.convolution.forms import (
    NHWC,
    Form,
    backpropagate_by_winograd,
    backpropagate_to_input,
    backpropagate_to_kernel,
    convolve,
    convolve_by_dot,
    goes_by_winograd,
    has_dot,
)
from jaxvis.convolution.kernels import (
    PreparedKernel,
    choose_tile,
    is_for_winograd,
    prepare_kernels,
    raw_kernel,
)
from jaxvis.convolution.settings import Settings
from jaxvis.convolution.winograd import Pads, flip_kernel
from jaxvis.platform import on_cpu
from jaxvis.tuning import find_tuning
from jaxvis.types import Array

T = TypeVar("T")


def conv_general_dilated(
    lhs: Array,
    rhs: Array | PreparedKernel,
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

    Forward-mode differentiation (`jax.jvp`) and gradients of gradients need a network built
    with `convolution="direct"`.

    Args:
      lhs: `[n, h, w, in]`.
      rhs: `[kh, kw, in / groups, out]`, or a prepared kernel.
      window_strides, padding: as for lax.
      lhs_dilation, rhs_dilation: as for lax; None means 1.
      dimension_numbers: as for lax, which computes every layout but NHWC and HWIO.
      feature_group_count, batch_group_count: as for lax, which computes batch groups.
      precision, preferred_element_type: as for lax.
      out_sharding: as for lax, which computes what has one.
    """
    ours = lhs.ndim == 4 and batch_group_count == 1 and out_sharding is None
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    if not ours or numbers != NHWC:
        return lax.conv_general_dilated(
            lhs,
            raw_kernel(rhs),
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
    dilation = _to_pair(rhs_dilation or (1, 1))
    window = [(k - 1) * d + 1 for k, d in zip(rhs.shape[:2], dilation)]
    settings = Settings(
        _to_pair(window_strides),
        _to_pads(padding, lhs.shape[1:3], window, window_strides),
        _to_pair(lhs_dilation or (1, 1)),
        dilation,
        feature_group_count,
        precision,
        preferred_element_type,
    )
    return _conv(settings, lhs, rhs)


def _to_pair(values: Sequence[T]) -> tuple[T, T]:
    first, second = values
    return first, second


def _to_pads(
    padding: str | Sequence[tuple[int, int]],
    size: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
) -> Pads:
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(size, window, strides, padding)
    down, across = padding
    return _to_pair(down), _to_pair(across)


def convolve_learned(x: Array, kernel: Array, pads: Pads) -> Array:
    """Returns a stride 1 convolution with a kernel that is being learned.

    Such a kernel differs from step to step, so a CPU would transform it in every step.
    That pays for large maps alone. The kernel's gradient goes through the transform.

    Args:
      x: `[n, h, w, in]`.
      kernel: `[kh, kw, in, out]`.
      pads: zeros around the map, ((above, below), (left, right)).
    """

    def conv(x: Array, kernel: Array | PreparedKernel) -> Array:
        return conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=NHWC)

    height, width = x.shape[1:3]
    m = choose_learned_tile((height, width), kernel.shape, pads)
    if m is None:
        return conv(x, kernel)
    return on_cpu(lambda x, kernel: conv(x, prepare_kernels((kernel,), (m,))[0]), conv, x, kernel)


def choose_learned_tile(size: tuple[int, int], kernel: tuple[int, ...], pads: Pads) -> int | None:
    """Returns m of the F(m, r) by which a CPU convolves with a learned kernel, or None.

    Args:
      size: (h, w) of the map.
      kernel: the kernel's shape, (kh, kw, in, out).
      pads: zeros around the map.
    """
    height, width = (side + sum(pad) - taps + 1 for side, pad, taps in zip(size, pads, kernel))
    large = min(height, width) >= find_tuning().learned_side
    return choose_tile((height, width), kernel) if large else None


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _conv(settings: Settings, x: Array, kernel: Array | PreparedKernel) -> Array:
    return _with_batching(convolve, settings)(x, kernel)


def _conv_fwd(settings: Settings, x: Any, kernel: Any):
    """Computes the convolution, and keeps what its gradients need.

    Args:
      settings: the static settings.
      x, kernel: those of `_conv`, each array with the word whether its gradient is wanted.
    """
    # A kernel that is not learned gets no gradient. Otherwise one would be traced for every
    # layer, at half the time of tracing a whole step, and thrown away.
    learned = any(leaf.perturbed for leaf in jax.tree.leaves(kernel, is_leaf=_is_primal))
    x, kernel = jax.tree.map(lambda leaf: leaf.value, (x, kernel), is_leaf=_is_primal)
    return _conv(settings, x, kernel), (x, kernel, () if learned else None)


def _is_primal(value: Any) -> bool:
    return isinstance(value, CustomVJPPrimal)


def _conv_bwd(settings: Settings, saved: tuple, g: Any):
    x, kernel, learned = saved
    raw = raw_kernel(kernel)
    if isinstance(g, SymbolicZero):
        g = jnp.zeros(g.shape, g.dtype)
    if isinstance(kernel, PreparedKernel) or not settings.plain():
        dx = _with_batching(backpropagate_to_input, settings, x.shape[1:])(g, kernel)
    else:
        # The kernel is flipped before the items are taken apart: inside a loop XLA's own
        # backward convolution is five times slower than this forward one.
        there = replace(settings, pads=settings.backward_pads(kernel.shape))
        dx = _with_batching(convolve, there)(g, flip_kernel(kernel))
    dx = dx.astype(x.dtype)
    if learned is None:
        return dx, None
    if goes_by_winograd(kernel, settings) and kernel.backward is not None:
        dk = _with_batching(backpropagate_by_winograd, settings, raw.shape, kernel.m)(x, g)
    else:
        dk = _with_batching(backpropagate_to_kernel, settings, raw.shape)(x, g)
    dk = dk.astype(raw.dtype)
    if not isinstance(kernel, PreparedKernel):
        return dx, dk
    # The transforms are copies of the kernel, which gets the whole gradient.
    zeros = partial(jax.tree.map, jnp.zeros_like)
    return dx, PreparedKernel(dk, zeros(kernel.forward), zeros(kernel.backward))


_conv.defvjp(_conv_fwd, _conv_bwd, symbolic_zeros=True)


@lru_cache(maxsize=4096)
def _with_batching(form: Form, *static: Any) -> Callable[[Array, Any], Array]:
    """Returns the form with a batching rule: items share a kernel or have their own.

    Args:
      form: a function of `jaxvis.convolution.forms`.
      *static: its arguments before the two arrays.
    """
    function = custom_vmap(_compile_apart(partial(form, *static)))
    folds = form in (convolve, backpropagate_to_input)

    @function.def_vmap
    def rule(count: int, in_batched: Any, first: Array, second: Any):
        first_batched, second_batched = in_batched
        if folds and not any(jax.tree.leaves(second_batched)):
            out = function(first.reshape(-1, *first.shape[2:]), second)
            return out.reshape(count, -1, *out.shape[1:]), True

        def in_turn(first: Array, second: Any) -> Array:
            return _map_items(function, in_batched, (first, second))

        def together(first: Array, second: Any, **options: Any) -> Array:
            axes = jax.tree.map(lambda own: 0 if own else None, tuple(in_batched))
            return jax.vmap(partial(form, *static, **options), axes, axis_size=count)(first, second)

        if isinstance(second, PreparedKernel):
            # The small maps of F(2, 3) are faster together; larger ones leave the cache.
            return (together if second.m == 2 else in_turn)(first, second), True
        if form is backpropagate_by_winograd or not has_dot(static[0]):
            return in_turn(first, second), True
        dot = partial(together, form=convolve_by_dot)
        return on_cpu(in_turn, dot, first, second), True

    return function


def _compile_apart(form: Form) -> Form:
    """Returns the form as a program that XLA's CPU compiler does not inline.

    Winograd's operations run up to half as long again where they are inlined.
    """
    compiled = jit(form)

    def call(*arrays: Any) -> Array:
        if not is_for_winograd(arrays[1]):
            return form(*arrays)
        return compute_apart(compiled, *arrays)

    return call


def _map_items(function: Form, in_batched: Any, arrays: tuple) -> Array:
    """Returns the results of all items, computed one after another.

    Args:
      function: the form for one item.
      in_batched: for every leaf of `arrays`, whether it has the items' axis.
      arrays: both arguments of the form.
    """
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

    if count == 1:  # XLA's convolutions are slow in any loop, even in one of a single turn
        return item([leaf[0] for leaf in batched])[None]
    return lax.map(item, batched)
