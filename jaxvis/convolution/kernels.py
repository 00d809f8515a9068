"""Kernels that are transformed before a step, not in it: flipped, or for Winograd's algorithm."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

import jax

from jaxvis.compiler import jit
from jaxvis.convolution.winograd import flip_kernel, transform_kernel
from jaxvis.tuning import Tuning, find_tuning
from jaxvis.types import Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["kernel", "forward", "backward"],
    meta_fields=[],
)
@dataclass(frozen=True)
class PreparedKernel:
    """A kernel together with its transforms, for use in place of the kernel.

    Only programs for a CPU are faster with it, so nothing else should be given one.

    Args:
      kernel: `[kh, kw, in, out]`; for m above 1 it is square, of side r = 3 or 4.
      forward: the transform U of the kernel, `[m + r - 1, m + r - 1, in, out]`. It is
        None for m = 1, where the kernel serves as it is.
      backward: the transform U of the flipped kernel, `[m + r - 1, m + r - 1, out, in]`,
        which for m = 1 is the flipped kernel itself. It is None for m = 2, where
        `forward` serves both directions.
    """

    kernel: Array
    forward: Array | None
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
        """The side of an output tile; 1 where the convolution is the direct one."""
        if self.forward is None:
            return 1
        return self.forward.shape[-3] - self.kernel.shape[-3] + 1

    @property
    def transform(self) -> Array:
        """The transform U of the kernel, `[m + r - 1, m + r - 1, in, out]`, for m above 1."""
        assert self.forward is not None
        return self.forward

    @property
    def flipped(self) -> Array:
        """The flipped kernel, `[kh, kw, out, in]`, for m = 1."""
        assert self.forward is None and self.backward is not None
        return self.backward

    def __getitem__(self, index: Any) -> "PreparedKernel":
        """Returns itself for `kernel[...]`, which is how Flax reads a parameter."""
        if index is not Ellipsis:
            raise TypeError("a prepared kernel can only be read as a whole, kernel[...]")
        return self


def raw_kernel(kernel: Array | PreparedKernel) -> Array:
    """Returns the kernel itself, without transforms.

    Args:
      kernel: `[kh, kw, in / groups, out]`, or a prepared one.
    """
    return kernel.kernel if isinstance(kernel, PreparedKernel) else kernel


def is_for_winograd(kernel: Any) -> TypeGuard[PreparedKernel]:
    """Returns whether a kernel is prepared for Winograd's form.

    Args:
      kernel: an array, or a prepared kernel.
    """
    return isinstance(kernel, PreparedKernel) and kernel.forward is not None


def is_flipped(kernel: Any) -> TypeGuard[PreparedKernel]:
    """Returns whether a kernel is prepared for the direct form: it has a flipped copy.

    Args:
      kernel: an array, or a prepared kernel.
    """
    return isinstance(kernel, PreparedKernel) and kernel.forward is None


def choose_tile(
    size: tuple[int, int], kernel: tuple[int, ...], *, tuning: Tuning | None = None
) -> int | None:
    """Returns m of the fastest F(m, r) for a stride 1 convolution, or None for none.

    F(1, r) is the direct convolution, with a flipped copy of the kernel for the gradient.
    To flip it takes the time of 40 output pixels, so that it pays for small maps. The gain
    of the matrix products over the cost of the transforms grows with in * out / (in + out).

    Args:
      size: (h, w) of the output.
      kernel: the kernel's shape, (kh, kw, in, out).
      tuning: the limits, which were measured; None takes those of this machine.
    """
    limits = find_tuning() if tuning is None else tuning
    side, (inner, outer) = min(size), kernel[2:]
    direct = 1 if size[0] * size[1] <= limits.flip_pixels else None
    gain = inner * outer / (inner + outer)
    if kernel[:2] == (4, 4):
        return 3 if side >= limits.tile3_side and gain >= limits.tile3_gain else direct
    if kernel[:2] != (3, 3) or side < limits.tile_side:
        return direct
    if side >= limits.tile4_side and inner * outer < limits.tile4_weights:
        return 4 if gain >= limits.tile4_gain else direct
    return 2 if gain >= limits.tile2_gain else direct


def prepare_kernels(kernels: Sequence[Array], tiles: Sequence[int]) -> list[PreparedKernel]:
    """Returns kernels with their transforms, to be made once and used in every step.

    Args:
      kernels: float32 arrays `[..., kh, kw, in, out]`; leading axes are those of items.
      tiles: m of each kernel, from `choose_tile`.
    """
    pairs = _transform_kernels(tuple(kernels), tuple(tiles))
    return [PreparedKernel(kernel, *pair) for kernel, pair in zip(kernels, pairs)]


@jit(static_argnums=1)
def _transform_kernels(kernels: tuple[Array, ...], tiles: tuple[int, ...]) -> list:
    return [_transform(kernel, m) for kernel, m in zip(kernels, tiles)]


def _transform(kernel: Array, m: int) -> tuple[Array | None, Array | None]:
    """Returns what the kernel and the flipped kernel are transformed to."""
    if m == 1:
        return None, flip_kernel(kernel)
    return transform_kernel(kernel, m), None if m == 2 else transform_kernel(kernel, m, flip=True)
