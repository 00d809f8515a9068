"""Where the channels of a value are kept: last, although the graph says that they come second.

The graphs of PyTorch and ONNX have maps `[n, c, h, w]`. JAX convolves `[n, h, w, c]` faster,
so a `Map` keeps its channels last from one operation to the next. A graph's operations are
wrapped here, by what they have to know of that: nothing, as they work number by number
(`make_pointwise`); their axes (`make_axiswise`); that channels come last (`make_spatial`);
or the order of all axes, as the graph has it (`make_plain`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array

Operation = Callable[..., Any]


@dataclass(frozen=True)
class Map:
    """A value `[n, c, ...]` of a graph, kept with its channels last.

    Args:
      array: `[n, ..., c]`, of rank three or more.
    """

    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Gives the shape that the graph has in mind, `(n, c, ...)`."""
        n, *sides, c = self.array.shape
        return (n, c, *sides)

    @property
    def ndim(self) -> int:
        """Gives the rank of the array."""
        return self.array.ndim

    @property
    def dtype(self) -> Any:
        """Gives the type of the numbers."""
        return self.array.dtype


def to_plain(value: Any) -> Any:
    """Brings a value, or a tuple of values, into the order of axes that the graph has.

    Args:
      value: a Map, an array of any shape, or anything else, which stays as it is.
    """
    if isinstance(value, tuple):
        return tuple(map(to_plain, value))
    return jnp.moveaxis(value.array, -1, 1) if isinstance(value, Map) else value


def to_channels_last(value: Any) -> Array:
    """Returns the array `[n, ..., c]` of a value of rank three or more.

    Args:
      value: a Map, or an array `[n, c, ...]`.
    """
    return value.array if isinstance(value, Map) else jnp.moveaxis(value, 1, -1)


def to_map(array: Array) -> Any:
    """Returns an array with its channels last as a Map; of rank two it is the value itself.

    Args:
      array: `[n, ..., c]`.
    """
    return Map(array) if array.ndim > 2 else array


def make_plain(operation: Operation) -> Operation:
    """Makes an operation for a graph of one that needs the graph's own order of axes.

    Args:
      operation: a function of arrays.
    """

    def call(*inputs: Any, **options: Any) -> Any:
        return operation(*map(to_plain, inputs), **options)

    return call


def make_spatial(operation: Operation) -> Operation:
    """Makes an operation for a graph of one that takes its channels last.

    Args:
      operation: a function of (x, ...), where x and what it returns are `[n, ..., c]`.
    """

    def call(x: Any, *others: Any, **options: Any) -> Any:
        array = to_channels_last(x) if np.ndim(x) > 2 else x
        return to_map(operation(array, *map(to_plain, others), **options))

    return call


def make_pointwise(operation: Operation) -> Operation:
    """Makes an operation for a graph of one that works number by number.

    Args:
      operation: a function of arrays whose shapes broadcast to that of its result.
    """

    def call(*inputs: Any, **options: Any) -> Any:
        maps = [value for value in inputs if isinstance(value, Map)]
        if not maps:
            return operation(*inputs, **options)
        rank = max(np.ndim(value) for value in inputs)
        if min(value.ndim for value in maps) < rank:
            return operation(*map(to_plain, inputs), **options)
        return Map(operation(*(_align(value, rank) for value in inputs), **options))

    return call


def _align(value: Any, rank: int) -> Any:
    """Returns a value that broadcasts with arrays of that rank whose channels are last."""
    if isinstance(value, Map) or np.ndim(value) == 0:
        return getattr(value, "array", value)
    shape = np.shape(value)
    return to_channels_last(jnp.reshape(value, (1,) * (rank - len(shape)) + shape))


def make_axiswise(operation: Operation) -> Operation:
    """Makes an operation for a graph of one that works along certain axes.

    Args:
      operation: a function of (x, ..., axes=), where x is an array or a tuple of arrays of
        one rank. What it returns has all axes of x, or all but `axes`.
    """

    def call(x: Any, *others: Any, axes: tuple[int, ...] | None = None, **options: Any) -> Any:
        parts = x if isinstance(x, tuple) else (x,)
        rank = np.ndim(parts[0])
        axes = tuple(range(rank)) if axes is None else tuple(axis % rank for axis in axes)
        if not any(isinstance(part, Map) for part in parts):
            return operation(x, *others, axes=axes, **options)
        arrays = tuple(map(to_channels_last, parts))
        places = (0, rank - 1, *range(1, rank - 1))
        result = operation(
            arrays if isinstance(x, tuple) else arrays[0],
            *others,
            axes=tuple(places[axis] for axis in axes),
            **options,
        )
        if isinstance(result, tuple):
            return tuple(map(to_map, result))
        return to_map(result) if result.ndim == rank else _restore(result, axes)

    return call


def _restore(array: Array, axes: tuple[int, ...]) -> Any:
    """Returns what is left of a Map that has lost some of its axes."""
    if 1 in axes:
        return array
    return jnp.moveaxis(array, -1, 0) if 0 in axes else to_map(array)


def permute(value: Any, *, order: tuple[int, ...] | None = None) -> Any:
    """Changes the order of the axes; where that brings channels to the end, nothing moves.

    Args:
      value: a Map, or an array of any shape.
      order: the old place of every new axis; None turns them round.
    """
    rank = np.ndim(value)
    order = tuple(range(rank))[::-1] if order is None else order
    is_map = isinstance(value, Map)
    array = value.array if is_map else value
    places = (0, rank - 1, *range(1, rank - 1)) if is_map else tuple(range(rank))
    stored = [places[axis % rank] for axis in order]
    if rank > 2 and [stored[0], *stored[2:], stored[1]] == list(range(rank)):
        return Map(array)
    if stored == list(range(rank)):
        return array
    return np.transpose(array, stored) if isinstance(array, np.ndarray) else array.transpose(stored)


def reshape(value: Any, *, shape: Any, keeps_zeros: bool = True) -> Any:
    """Changes the shape; a Map whose first two axes stay keeps its channels last.

    Args:
      value: a Map, or an array of any shape.
      shape: the new shape, with at most one -1.
      keeps_zeros: whether 0 is a size; or else it stands for the old size of the same axis.
    """
    old = np.shape(value)
    sides = tuple(map(int, shape))
    if not keeps_zeros:
        sides = tuple(side or old[axis] for axis, side in enumerate(sides))
    shape = _complete(sides, old)
    if isinstance(value, Map) and shape[:2] == old[:2]:
        n, c, *sides = shape
        return to_map(value.array.reshape(n, *sides, c))
    return to_plain(value).reshape(shape)


def flatten(value: Any, *, start: int, end: int) -> Any:
    """Joins neighbouring axes into one.

    Args:
      value: a Map, or an array of any shape.
      start, end: the first and the last axis; negative ones count from the end.
    """
    shape = np.shape(value)
    if not shape:
        return value.reshape(1)
    start, end = start % len(shape), end % len(shape)
    joined = int(np.prod(shape[start : end + 1]))
    return reshape(value, shape=(*shape[:start], joined, *shape[end + 1 :]))


def unflatten(value: Any, *, axis: int, sizes: tuple[int, ...]) -> Any:
    """Splits an axis into several.

    Args:
      value: a Map, or an array of any shape.
      axis: that axis.
      sizes: of the new ones, with at most one -1.
    """
    shape = np.shape(value)
    axis %= len(shape)
    parts = _complete(tuple(map(int, sizes)), (shape[axis],))
    return reshape(value, shape=(*shape[:axis], *parts, *shape[axis + 1 :]))


def _complete(shape: tuple[int, ...], old: tuple[int, ...]) -> tuple[int, ...]:
    count = int(np.prod(old))
    known = int(np.prod([side for side in shape if side != -1]))
    full = tuple(count // known if side == -1 else side for side in shape) if known else shape
    if int(np.prod(full)) != count:
        raise ValueError(f"a value of shape {old} cannot be reshaped to {shape}")
    return full
