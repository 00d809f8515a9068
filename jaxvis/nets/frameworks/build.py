"""A network of the operations that a front end has read: its taps, its scores, its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvis.nets.adapted import Names
from jaxvis.nets.frameworks.forward import GraphForward, Place, list_shapes, trace_values
from jaxvis.nets.frameworks.graph import Graph, Node, Ref, Weight, select_nodes
from jaxvis.nets.frameworks.layout import Map
from jaxvis.nets.preprocessing import Preprocessing
from jaxvis.network import Network
from jaxvis.types import Params

FORMS = {"kernel": (2, 3, 1, 0), "matrix": (1, 0)}
"""Form of a weight -> the order of the axes in which JAX wants it: `[kh, kw, in, out]` of a
convolution, `[in, out]` of a fully connected layer."""


@dataclass
class Builder:
    """The operations that were read so far, and the arrays that they need.

    Args:
      arrays: path in the parameters -> array, float32, as the framework has it.
      forms: path -> the form of the arrays that are kept as JAX wants them.
      nodes: the operations.
    """

    arrays: dict[tuple[str, ...], np.ndarray]
    forms: dict[tuple[str, ...], str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def emit(self, op: str, *inputs: Any, **options: Any) -> Ref:
        """Adds an operation, and returns its value.

        Args:
          op: its name in `OPERATIONS`.
          *inputs: its arguments by position, hashable.
          **options: its arguments by name; None leaves one out.
        """
        read = tuple(map(self._as_written, inputs))
        named = tuple((key, value) for key, value in options.items() if value is not None)
        name = f"{len(self.nodes)}"
        self.nodes.append(Node(name, op, read, named))
        return Ref(name)

    def take(self, weight: Any, form: str) -> Any:
        """Returns a weight in the form that JAX wants.

        Args:
          weight: an array of the parameters, or a value that was computed.
          form: a key of `FORMS`.
        """
        if isinstance(weight, Weight) and self.forms.get(weight.path) == form:
            return _Formed(self._place(weight.path))
        return self.emit("permute", weight, order=FORMS[form])

    def _as_written(self, argument: Any) -> Any:
        if isinstance(argument, _Formed):
            return Weight(argument.path)
        if isinstance(argument, tuple):
            return tuple(map(self._as_written, argument))
        if not isinstance(argument, Weight):
            return argument
        if argument.path not in self.forms:
            return argument
        # Another operation wants the array as it was.
        order = FORMS[self.forms[argument.path]]
        formed = _Formed(self._place(argument.path))
        return self.emit("permute", formed, order=tuple(map(int, np.argsort(order))))

    def _place(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the path of an array in the parameters that jaxvis gives."""
        if path not in self.forms or path[-1] != "weight":
            return path
        renamed = (*path[:-1], "kernel")
        return path if renamed in self.arrays else renamed

    def list_params(self, graph: Graph) -> Params:
        """Returns the arrays that a graph of these operations needs, as a nested dict.

        Args:
          graph: some of the operations.
        """
        params: dict[str, Any] = {}
        used = {
            part.path for node in graph.nodes for part in node.parts if isinstance(part, Weight)
        }
        for path, array in self.arrays.items():
            if self._place(path) in used:
                if path in self.forms:
                    array = array.transpose(FORMS[self.forms[path]])
                *folders, leaf = self._place(path)
                place = params
                for folder in folders:
                    place = place.setdefault(folder, {})
                place[leaf] = jnp.asarray(array)
        return params


@dataclass(frozen=True)
class _Formed:
    """An array of the parameters that is kept as JAX wants it."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What a front end has read of a file or module.

    Args:
      name: the network's name.
      builder: the operations and arrays.
      outputs: name -> value, a Ref or a constant, in forward order; the network's own last.
      results: the names of `outputs` that are the network's own.
      fixed: whether it takes no other size than the native one.
      size: (H, W) of the native image in pixels.
      images: what the network expects of its images.
    """

    name: str
    builder: Builder
    outputs: Mapping[str, Any]
    results: tuple[str, ...]
    fixed: bool
    size: tuple[int, int]
    images: Preprocessing


def build(reading: Reading, taps: Names, scores: str | None) -> tuple[Network, Params]:
    """Builds the network of what a front end has read.

    Args:
      reading: that.
      taps, scores: see `jaxvis.from_torch`.

    Raises:
      ValueError: for an unknown tap, or an image on which the network fails.
    """
    graph = _prune(reading)
    params = reading.builder.list_params(graph)
    values = _trace(reading, graph, params)
    places = _find_places(reading, values)
    chosen = _choose(reading.name, places, taps)
    net = Network(
        name=reading.name,
        forward=GraphForward(
            graph, chosen, reading.size, reading.images, reading.fixed, tuple(list_shapes(params))
        ),
        taps=("input", *(place.tap for place in chosen)),
        input_size=reading.size,
        channels=reading.images.count,
        scores=scores or _find_scores(reading, chosen, values),
    )
    if net.scores is None:
        return net, params
    net.check_taps(net.scores)
    return replace(net, classes=net.scores), params


def _prune(reading: Reading) -> Graph:
    """Returns the operations that lead to the outputs."""
    wanted = tuple(value.name for value in reading.outputs.values() if isinstance(value, Ref))
    return Graph(select_nodes(Graph(tuple(reading.builder.nodes)), frozenset({"input"}), wanted))


def _trace(reading: Reading, graph: Graph, params: Params) -> dict[str, Any]:
    try:
        return trace_values(graph, params, reading.size, reading.images)
    except (TypeError, ValueError) as error:
        height, width = reading.size
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{reading.name} fails on an image of {height}x{width}; check input_size and "
            f"channels. It said: {reason}"
        ) from error


def _find_places(reading: Reading, values: Mapping[str, Any]) -> dict[str, Place]:
    """Returns output -> where it is, for what has one value an image."""
    places = {}
    for tap, value in reading.outputs.items():
        found = values[value.name] if isinstance(value, Ref) else None
        shape: tuple[int, ...] = getattr(found, "shape", ())
        if len(shape) > 1 and shape[0] == 1:
            places[tap] = Place(tap, value.name, _find_layout(found))
    return places


def _find_layout(value: Any) -> str:
    """Returns how a graph keeps a value; square maps tell where their channels are."""
    if isinstance(value, Map):
        return "last" if value.ndim == 4 else "same"
    if len(value.shape) == 4 and value.shape[1] != value.shape[2] == value.shape[3]:
        return "second"
    return "same"


def _choose(name: str, places: Mapping[str, Place], taps: Names) -> tuple[Place, ...]:
    """Returns the taps that are wanted, in forward order."""
    if taps is None:
        return tuple(places.values())
    pairs = taps if isinstance(taps, Mapping) else {tap: tap for tap in taps}
    for tap, output in pairs.items():
        if output not in places:
            raise ValueError(
                f"{name} has no output {output!r}; its outputs are {', '.join(places)}"
            )
        if tap == "input":
            raise ValueError("a tap cannot be called 'input', which is the image")
    order = list(places)
    chosen = sorted(pairs.items(), key=lambda pair: order.index(pair[1]))
    return tuple(places[output]._replace(tap=tap) for tap, output in chosen)


def _find_scores(
    reading: Reading, chosen: tuple[Place, ...], values: Mapping[str, Any]
) -> str | None:
    """Returns the tap of the first result that is a vector of several numbers."""
    for result in reading.results:
        value = reading.outputs[result]
        # The last of several taps of one value is the network's own.
        for place in reversed(chosen):
            if isinstance(value, Ref) and place.value == value.name:
                shape = values[place.value].shape
                if len(shape) == 2 and shape[1] > 1:
                    return place.tap
    return None
