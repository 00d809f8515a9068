"""The names of JAX that jaxvis needs although JAX does not promise to keep them.

They are gathered here, so that a version of JAX that lacks one of them is noticed when
jaxvis is imported, and mended in one file.
"""

from typing import Any

import jax

TESTED = ">=0.10.2,<0.11"
"""The versions of JAX that jaxvis is tested with, as in `pyproject.toml`."""

try:
    from jax._src.core import trace_state_clean
    from jax._src.xla_bridge import backends_are_initialized
    from jax.core import Tracer
    from jax.experimental.xla_metadata import set_xla_metadata
    from jax.extend import random as key_kinds
    from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Primitive, Var
    from jax.interpreters import ad, batching, mlir
except ImportError as error:
    raise ImportError(
        f"jaxvis works with JAX {TESTED}, and this is JAX {jax.__version__}, which lacks a "
        f"name that jaxvis needs ({error}). Install a version that fits: "
        f"pip install 'jax{TESTED}'"
    ) from error

__all__ = [
    "TESTED",
    "ClosedJaxpr",
    "Jaxpr",
    "JaxprEqn",
    "Primitive",
    "Var",
    "ad",
    "batching",
    "has_started",
    "is_traced",
    "is_tracing",
    "key_kinds",
    "mlir",
    "set_xla_metadata",
]


def is_traced(value: Any) -> bool:
    """Returns whether a value is being traced, so that its numbers are not known yet.

    Args:
      value: an array of any shape, or anything else.
    """
    return isinstance(value, Tracer)


def is_tracing() -> bool:
    """Returns whether the code that runs is being traced, by `jax.jit` or the like."""
    return not trace_state_clean()


def has_started() -> bool:
    """Returns whether JAX has started its devices, so that their number is fixed."""
    return backends_are_initialized()
