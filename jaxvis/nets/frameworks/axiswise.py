"""The operations of a graph along some of its axes, and those that need the order of all."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.nets.frameworks.pointwise import find_library
from jaxvis.types import Array

Axes = tuple[int, ...]


def to_integers(numbers: Any) -> tuple[int, ...]:
    """Returns whole numbers, one or several, as a tuple.

    Args:
      numbers: a number, a tuple of them, or an array `[n]`.
    """
    return tuple(int(number) for number in np.reshape(np.array(numbers), -1))


def _reduce(name: str) -> Callable[..., Any]:
    """Returns a reduction that NumPy and jax.numpy both have."""

    def call(x: Any, *, axes: Axes, keep: bool = False) -> Any:
        return getattr(find_library(x), name)(x, axis=axes, keepdims=keep)

    return call


def _measure(x: Array, *, axes: Axes, keep: bool = False, order: float = 2.0) -> Array:
    """Computes the norm sum(|x|^order)^(1/order) along axes."""
    if order == 2:
        # The gradient of the norm of zeros is 0, as torch has it, and not NaN.
        total = jnp.sum(x * x, axis=axes, keepdims=keep)
        positive = total > 0
        return jnp.where(positive, jnp.sqrt(jnp.where(positive, total, 1.0)), 0.0)
    if order == 1:
        return jnp.sum(jnp.abs(x), axis=axes, keepdims=keep)
    return jnp.sum(jnp.abs(x) ** order, axis=axes, keepdims=keep) ** (1 / order)


def _vary(
    x: Array, *, axes: Axes, keep: bool = False, correction: float = 1.0, root: bool = False
) -> Array:
    """Computes the variance along axes, divided by their size less the correction."""
    count = np.prod([x.shape[axis] for axis in axes])
    variance = jnp.var(x, axis=axes, keepdims=keep) * (count / max(count - correction, 0.5))
    return jnp.sqrt(variance) if root else variance


def _slice(x: Any, start: Any, end: Any, step: Any = 1, *, axes: Axes) -> Any:
    """Cuts as Python does: negative places count from the end, None is an end."""
    cuts = [slice(None)] * np.ndim(x)
    bounds = (None if each is None else to_integers(each)[0] for each in (start, end, step))
    cuts[axes[0]] = slice(*bounds)
    return x[tuple(cuts)]


def _select(x: Any, place: Any, *, axes: Axes) -> Any:
    cuts: list[Any] = [slice(None)] * np.ndim(x)
    cuts[axes[0]] = to_integers(place)[0]
    return x[tuple(cuts)]


def _split(x: Any, *, sizes: Any, axes: Axes) -> tuple:
    """Splits into parts of some sizes; one number is the size of all but the last."""
    whole = np.shape(x)[axes[0]]
    if np.ndim(sizes) == 0:
        ends = list(range(int(sizes), whole, int(sizes)))
    else:
        ends = np.cumsum(to_integers(sizes))[:-1].tolist()
    return tuple(find_library(x).split(x, ends, axis=axes[0]))


def _chunk(x: Any, *, count: int, axes: Axes) -> tuple:
    """Splits into parts of one size, of which the last may be smaller."""
    return _split(x, sizes=-(-np.shape(x)[axes[0]] // count), axes=axes)


def _pad(x: Any, pads: Any, value: Any = 0.0, *, mode: str = "constant", axes: Axes) -> Any:
    """Pads axes by (before, after) each, or by an array of all befores and all afters.

    Negative numbers cut. Modes are "constant", "reflect" without the edge, "edge", which
    repeats it, and "wrap".
    """
    full, cuts = [(0, 0)] * np.ndim(x), [slice(None)] * np.ndim(x)
    if np.ndim(pads) == 1 and len(pads):
        pads = np.reshape(pads, (2, -1)).T
    for axis, pad in zip(axes, pads, strict=True):
        before, after = to_integers(pad)
        full[axis] = (max(before, 0), max(after, 0))
        cuts[axis] = slice(max(-before, 0), np.shape(x)[axis] - max(-after, 0))
    x, library = x[tuple(cuts)], find_library(x)
    if mode != "constant":
        return library.pad(x, full, mode=mode)
    return library.pad(x, full, constant_values=0.0 if value is None else value)


def _roll(x: Any, *, shifts: tuple[int, ...], axes: Axes) -> Any:
    return find_library(x).roll(x, shifts, axis=axes)


def _softmax(x: Array, *, axes: Axes) -> Array:
    return jax.nn.softmax(x, axis=axes)


def _log_softmax(x: Array, *, axes: Axes) -> Array:
    return jax.nn.log_softmax(x, axis=axes)


def _take(x: Any, places: Any, *, axes: Axes) -> Any:
    """Takes slices at an array of places, `[n]`, along an axis."""
    return find_library(x, places).take(x, places, axis=axes[0])


def _concatenate(x: tuple, *, axes: Axes) -> Any:
    return find_library(*x).concatenate(x, axis=axes[0])


AXISWISE: dict[str, Callable[..., Any]] = {
    "all": _reduce("all"),
    "any": _reduce("any"),
    "chunk": _chunk,
    "concatenate": _concatenate,
    "cumulate": lambda x, *, axes: find_library(x).cumsum(x, axis=axes[0]),
    "flip": lambda x, *, axes: find_library(x).flip(x, axis=axes),
    "log_softmax": _log_softmax,
    "max": _reduce("max"),
    "mean": _reduce("mean"),
    "min": _reduce("min"),
    "norm": _measure,
    "pad": _pad,
    "product": _reduce("prod"),
    "roll": _roll,
    "select": _select,
    "slice": _slice,
    "softmax": _softmax,
    "split": _split,
    "sum": _reduce("sum"),
    "take_all": _take,
    "variance": _vary,
}
"""Name -> function of (x, ..., axes=) that keeps the axes of x, or drops `axes`."""


def _expand(x: Any, shape: Any) -> Any:
    """Repeats axes of size 1, and adds axes in front; -1 or 1 keeps a size."""
    wanted, own = to_integers(shape), np.shape(x)
    rank = max(len(wanted), len(own))
    wanted = (1,) * (rank - len(wanted)) + wanted
    own = (1,) * (rank - len(own)) + own
    sides = tuple(a if b in (-1, 1) else b for a, b in zip(own, wanted))
    return find_library(x).broadcast_to(x, sides)


def _squeeze(x: Any, *, axes: Axes | None = None) -> Any:
    rank, shape = np.ndim(x), np.shape(x)
    chosen = range(rank) if axes is None else [axis % rank for axis in axes] if rank else []
    kept = [side for axis, side in enumerate(shape) if axis not in chosen or side != 1]
    return find_library(x).reshape(x, kept)


def _unsqueeze(x: Any, *, axes: Axes) -> Any:
    rank = np.ndim(x) + len(axes)
    return find_library(x).expand_dims(x, tuple(axis % rank for axis in axes))


def _stack(x: tuple, *, axes: Axes) -> Any:
    return find_library(*x).stack(x, axis=axes[0])


def _index(x: Any, *places: Any) -> Any:
    """Takes x[places], where None stands for a whole axis."""
    return x[tuple(slice(None) if place is None else place for place in places)]


def _gather(x: Any, places: Any, *, axes: Axes) -> Any:
    """Takes slices at an array of places of any shape, whose axes replace one of x."""
    return find_library(x, places).take(x, places, axis=axes[0])


def _set_slice(x: Any, source: Any, start: Any, end: Any, step: Any, *, axes: Axes) -> Any:
    cuts: list[Any] = [slice(None)] * np.ndim(x)
    cuts[axes[0] % np.ndim(x)] = slice(start, end, step)
    return _put(x, tuple(cuts), source)


def _set_selection(x: Any, source: Any, place: Any, *, axes: Axes) -> Any:
    cuts: list[Any] = [slice(None)] * np.ndim(x)
    cuts[axes[0] % np.ndim(x)] = int(place)
    return _put(x, tuple(cuts), source)


def _put(x: Any, cuts: tuple, source: Any) -> Any:
    if find_library(x, source) is np:
        x = np.array(x)
        x[cuts] = source
        return x
    return jnp.asarray(x).at[cuts].set(source)


def _tile(x: Any, times: Any) -> Any:
    return find_library(x).tile(x, to_integers(times))


def _find_nonzero(x: Any) -> np.ndarray:
    return np.stack(np.nonzero(x)).astype(np.int64)


PLAIN: dict[str, Callable[..., Any]] = {
    "expand": _expand,
    "gather": _gather,
    "index": _index,
    "nonzero": _find_nonzero,
    "set_selection": _set_selection,
    "set_slice": _set_slice,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "unsqueeze": _unsqueeze,
}
"""Name -> function that needs the order of axes that the graph has."""
