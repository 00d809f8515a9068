"""What a pickle of torch's says of tensors: names, storages and strided looks at them."""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvis.escape import describe_shape, escape
from weights_convert.checkpoint import DamageError
from weights_convert.readers.bounds import check_axes

STORAGES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": jnp.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
ALLOWED = {
    "collections.OrderedDict": "dict",
    "torch._utils._rebuild_tensor": "tensor",
    "torch._utils._rebuild_tensor_v2": "tensor",
    "torch._utils._rebuild_parameter": "parameter",
    "torch._utils._rebuild_parameter_with_state": "parameter",
    "torch.nn.parameter.Parameter": "parameter",
    "torch.nn.Parameter": "parameter",
    "torch._tensor._rebuild_from_type_v2": "subclass",
    "torch.Size": "size",
} | {f"torch.{name}": "storage" for name in STORAGES}
"""Names that a checkpoint of tensors uses, and what each stands for here."""


@dataclass(frozen=True)
class Name:
    """A name that the pickle mentions, never what it names."""

    name: str


@dataclass(eq=False, slots=True)
class Foreign:
    """A place where another program would make an object; nothing of it was made.

    Args:
      name: what would have made it, as text that is safe to print.
      entries: what would have been stored in it under names.
      state: what would have been its attributes.
    """

    name: str
    entries: dict[str | int, Any] = field(default_factory=dict)
    state: Any = None


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file: `numel` of `dtype` under `key`."""

    key: str
    dtype: np.dtype
    numel: int
    view: tuple[int, int] | None = None
    """Offset and length of the part that is meant, in numbers."""


@dataclass(frozen=True)
class Tensor:
    """A strided look at a storage; offset and strides in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def check_count(value: Any) -> int:
    """Returns a size or an offset.

    Args:
      value: what the pickle has in its place.

    Raises:
      DamageError: if it is no number from 0 to 2^63.
    """
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise DamageError(f"{escape(value)} is no size")
    return value


def make_view(metadata: Any, numel: int) -> tuple[int, int]:
    """Returns offset and length of a part of a storage, in numbers.

    Args:
      metadata: (key, offset, length).
      numel: the length of the storage.

    Raises:
      DamageError: if the part reaches beyond the storage.
    """
    _, offset, size = metadata
    if check_count(offset) + check_count(size) > numel:
        raise DamageError(f"a view of {size} at {offset} of a storage of {numel}")
    return offset, size


def make_tensor(storage: Storage, offset: Any, size: Any, strides: Any) -> Tensor:
    """Returns a tensor that lies inside its storage.

    Args:
      storage: the storage.
      offset: of its first number.
      size: its shape.
      strides: numbers from one to the next along each axis.

    Raises:
      DamageError: if it reaches beyond.
    """
    shape = tuple(check_count(n) for n in size)
    steps = tuple(check_count(n) for n in strides)
    start = check_count(offset)
    if len(shape) != len(steps):
        raise DamageError(f"{len(shape)} sizes and {len(steps)} strides")
    check_axes(len(shape))
    last = start + sum((n - 1) * step for n, step in zip(shape, steps))
    available = storage.numel if storage.view is None else storage.view[1]
    if 0 not in shape and last >= available:
        raise DamageError(
            f"a tensor {describe_shape(shape)} reaches number {last} of a storage of {available}"
        )
    return Tensor(storage, start, shape, steps)
