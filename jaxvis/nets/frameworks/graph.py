"""A network as a list of operations, which runs as a plain JAX function of its parameters.

The list is read from another framework's graph once. It holds names and numbers alone, so it
is hashable, and equal for equal networks: what is compiled for one serves the other.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvis.nets.frameworks.axiswise import AXISWISE, PLAIN
from jaxvis.nets.frameworks.layout import (
    Operation,
    flatten,
    make_axiswise,
    make_plain,
    make_pointwise,
    make_spatial,
    permute,
    reshape,
    unflatten,
)
from jaxvis.nets.frameworks.pointwise import NUMBERS, POINTWISE
from jaxvis.nets.frameworks.spatial import DENSE, SPATIAL
from jaxvis.nets.frameworks.windows import WINDOWS
from jaxvis.types import Params

OPERATIONS: dict[str, Operation] = {
    **{name: make_pointwise(operation) for name, operation in POINTWISE.items()},
    **{name: make_axiswise(operation) for name, operation in AXISWISE.items()},
    **{name: make_spatial(operation) for name, operation in (SPATIAL | WINDOWS).items()},
    **{name: make_plain(operation) for name, operation in (PLAIN | DENSE).items()},
    **NUMBERS,
    "flatten": flatten,
    "item": lambda x, *, place: x[place],
    "permute": permute,
    "reshape": reshape,
    "unflatten": unflatten,
}
"""Name -> what a node of that operation computes."""


@dataclass(frozen=True)
class Ref:
    """The value that a node computed, by the node's name."""

    name: str


@dataclass(frozen=True)
class Weight:
    """An array of the parameters, by its path in them."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Constant:
    """An array of whole numbers or truth values, which belongs to the graph itself.

    Args:
      dtype: NumPy's name of its type.
      shape: its shape.
      data: its bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes = field(repr=False)

    @cached_property
    def array(self) -> np.ndarray:
        """Gives the array itself, of its shape."""
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)


def as_constant(array: np.ndarray) -> Constant:
    """Returns an array as a hashable constant of a graph.

    Args:
      array: of any shape.
    """
    return Constant(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())


@dataclass(frozen=True)
class Node:
    """One operation of a graph.

    Args:
      name: of the value that it computes.
      op: its name in `OPERATIONS`.
      inputs: its arguments by position: Ref, Weight, Constant, numbers, or tuples of them.
      options: its arguments by name, likewise.
    """

    name: str
    op: str
    inputs: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()

    @cached_property
    def parts(self) -> tuple[Any, ...]:
        """Gives all of its arguments, and those in tuples one by one."""
        return tuple(_list_parts((self.inputs, tuple(value for _, value in self.options))))

    @cached_property
    def reads(self) -> frozenset[str]:
        """Gives the names of the values that it needs."""
        return frozenset(part.name for part in self.parts if isinstance(part, Ref))


def _list_parts(argument: Any) -> list[Any]:
    if isinstance(argument, tuple):
        return [part for each in argument for part in _list_parts(each)]
    return [argument]


@dataclass(frozen=True, eq=False)
class Graph:
    """The nodes of a network, in an order in which they can run.

    Args:
      nodes: each reads values of earlier ones, or "input", the image.
    """

    nodes: tuple[Node, ...]

    @cached_property
    def digest(self) -> str:
        """Gives the SHA-256 of all that the nodes are."""
        sums = hashlib.sha256()
        for node in self.nodes:
            sums.update(repr(node).encode())
            for part in node.parts:
                if isinstance(part, Constant):
                    sums.update(part.data)
        return sums.hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.digest == other.digest

    def run(
        self, params: Params, values: Mapping[str, Any], wanted: Sequence[str]
    ) -> dict[str, Any]:
        """Computes values by name, and nothing that they do not need.

        Args:
          params: the parameters.
          values: what is known, by name: {"input": ...}.
          wanted: names of what is to be computed.

        Returns:
          dict: all values that were computed on the way, and those that were known.

        Raises:
          ValueError: if `wanted` needs the image, which is not among the values.
        """
        found = dict(values)
        for node in select_nodes(self, frozenset(values), tuple(wanted)):
            inputs = _read(node.inputs, found, params)
            options = {key: _read(value, found, params) for key, value in node.options}
            found[node.name] = OPERATIONS[node.op](*inputs, **options)
        return found


@lru_cache(maxsize=256)
def select_nodes(graph: Graph, known: frozenset[str], wanted: tuple[str, ...]) -> tuple[Node, ...]:
    """Selects the nodes that lead from known values to wanted ones, in order.

    Args:
      graph: the graph.
      known: names of values that need no computing.
      wanted: names of values.

    Raises:
      ValueError: if that needs the image, and it is not known.
    """
    needed, chosen = set(wanted), []
    for node in reversed(graph.nodes):
        if node.name in needed - known:
            needed |= node.reads
            chosen.append(node)
    if "input" in needed - known:
        raise ValueError(
            f"{', '.join(map(repr, wanted))} cannot be computed from "
            f"{', '.join(map(repr, sorted(known)))} alone: other branches lead there from the "
            "image; start at a tap that all of them pass, at a tap of each, or at the image"
        )
    return tuple(reversed(chosen))


def _read(argument: Any, values: Mapping[str, Any], params: Any) -> Any:
    """Returns what an argument of a node stands for."""
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, tuple):
        return tuple(_read(each, values, params) for each in argument)
    if isinstance(argument, Constant):
        return argument.array
    if isinstance(argument, Weight):
        found = params
        for key in argument.path:
            found = found[key]
        return jnp.asarray(found) if isinstance(found, np.ndarray) else found
    return argument
