"""The operations of a graph that work number by number, and those that make constants.

Sizes of axes and constants are NumPy arrays or plain numbers, and stay so from one
operation to the next: shapes that are computed from them are then known without running
anything. So a function here asks `find_library` whether NumPy or JAX computes.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.nets.gelu import gelu
from jaxvis.types import Array


def find_library(*values: Any) -> ModuleType:
    """Returns NumPy where all values are plain numbers or NumPy's, and else jax.numpy.

    Args:
      *values: arrays of any shape, numbers, or None.
    """
    return jnp if any(isinstance(value, jax.Array) for value in values) else np


def _find(name: str) -> Callable[..., Any]:
    """Returns the function that NumPy and jax.numpy both have under a name."""

    def call(*values: Any) -> Any:
        return getattr(find_library(*values), name)(*values)

    return call


def _divide(x: Any, y: Any, *, rounding: str | None = None) -> Any:
    """Divides; "floor" and "trunc" round, and "whole" does so for whole numbers alone."""
    library = find_library(x, y)
    if rounding == "floor":
        return library.floor_divide(x, y)
    if rounding == "whole" and not _are_whole(x, y):
        rounding = None
    if rounding in ("trunc", "whole"):
        # Whole numbers stay whole, exactly.
        sizes = library.abs(x) // library.abs(y)
        return (library.sign(x) * library.sign(y) * sizes).astype(library.result_type(x, y))
    return library.true_divide(x, y)


def _are_whole(*values: Any) -> bool:
    return all(np.issubdtype(getattr(x, "dtype", type(x)), np.integer) for x in values)


def _clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    library = find_library(x, low, high)
    if low is not None:
        x = library.maximum(x, low)
    return x if high is None else library.minimum(x, high)


def _elu(x: Array, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    negative = alpha * jnp.expm1(input_scale * jnp.minimum(x, 0))
    return scale * jnp.where(x > 0, x, negative)


def _hardsigmoid(x: Array, *, slope: float = 1 / 6, offset: float = 0.5) -> Array:
    return jnp.clip(slope * x + offset, 0, 1)


def _softplus(x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Computes log(1 + exp(beta x)) / beta, which is x itself above the threshold."""
    smooth = jnp.logaddexp(beta * x, 0.0) / beta
    return jnp.where(beta * x > threshold, x, smooth)


def _threshold(x: Array, *, low: float, value: float) -> Array:
    return jnp.where(x > low, x, value)


def _cast(x: Any, *, dtype: str) -> Any:
    """Converts to whole numbers or truth values; all others are float32 everywhere."""
    wanted = np.dtype(dtype)
    if isinstance(x, jax.Array):  # which has no int64 unless it is asked to
        return x.astype(jax.dtypes.canonicalize_dtype(wanted))
    return np.asarray(x).astype(wanted)


def _scale(x: Any, y: Any, *, factor: float = 1.0, subtract: bool = False) -> Any:
    """Computes x + factor * y, or x - factor * y."""
    y = y if factor == 1 else y * factor
    library = find_library(x, y)
    return library.subtract(x, y) if subtract else library.add(x, y)


POINTWISE: dict[str, Callable[..., Any]] = {
    "abs": _find("abs"),
    "add": _scale,
    "ceil": _find("ceil"),
    "cast": _cast,
    "clamp": _clamp,
    "cos": _find("cos"),
    "divide": _divide,
    "elu": _elu,
    "equal": _find("equal"),
    "erf": lax.erf,
    "exp": _find("exp"),
    "expm1": _find("expm1"),
    "floor": _find("floor"),
    "gelu": lambda x, *, tanh=False: jax.nn.gelu(x, approximate=True) if tanh else gelu(x),
    "greater": _find("greater"),
    "greater_equal": _find("greater_equal"),
    "hardsigmoid": _hardsigmoid,
    "hardswish": lambda x: x * _hardsigmoid(x),
    "leaky_relu": lambda x, *, slope=0.01: jnp.where(x > 0, x, slope * x),
    "less": _find("less"),
    "less_equal": _find("less_equal"),
    "log": _find("log"),
    "log1p": _find("log1p"),
    "logical_and": _find("logical_and"),
    "logical_not": _find("logical_not"),
    "logical_or": _find("logical_or"),
    "maximum": _find("maximum"),
    "minimum": _find("minimum"),
    "mish": jax.nn.mish,
    "multiply": _find("multiply"),
    "negative": _find("negative"),
    "not_equal": _find("not_equal"),
    "power": _find("power"),
    "reciprocal": lambda x: 1 / x,
    "relu": jax.nn.relu,
    "remainder": _find("remainder"),
    "round": _find("round"),
    "rsqrt": lax.rsqrt,
    "sigmoid": jax.nn.sigmoid,
    "sign": _find("sign"),
    "silu": jax.nn.silu,
    "sin": _find("sin"),
    "softplus": _softplus,
    "softsign": jax.nn.soft_sign,
    "sqrt": _find("sqrt"),
    "square": _find("square"),
    "subtract": lambda x, y, *, factor=1.0: _scale(x, y, factor=factor, subtract=True),
    "tanh": _find("tanh"),
    "threshold": _threshold,
    "where": _find("where"),
}
"""Name -> function of arrays that broadcast, `[...]`, and of static options."""


def _arange(start: Any, end: Any, step: Any, *, dtype: str = "int64") -> np.ndarray:
    return np.arange(start, end, step).astype(dtype)


def _full(shape: Any, value: Any, *, dtype: str = "float32") -> np.ndarray:
    return np.full(tuple(int(side) for side in np.reshape(shape, -1)), value, dtype)


NUMBERS: dict[str, Callable[..., Any]] = {
    "arange": _arange,
    "full": _full,
    "shape": lambda x: np.array(np.shape(x), np.int64),
}
"""Name -> function that gives arrays which are known before anything runs."""
