"""The graph of another framework as a Network: its taps, its layout, its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.convolution.kernels import PreparedKernel, choose_tile, prepare_kernels
from jaxvis.nets.frameworks.graph import Graph, Node, Weight
from jaxvis.nets.frameworks.layout import Map, to_plain
from jaxvis.nets.preprocessing import Preprocessing
from jaxvis.network import Forward
from jaxvis.platform import platform_of
from jaxvis.types import Array, Params, Taps


class Place(NamedTuple):
    """Where a tap is in a graph.

    Attributes:
      tap: its name.
      value: the name of the value.
      kept: how the graph keeps it: "last" for maps with their channels last already,
        "second" for maps whose channels are to be moved, "same" for all others.
    """

    tap: str
    value: str
    kept: str = "same"


@dataclass(frozen=True)
class GraphForward(Forward):
    """The forward pass of a graph, which can be entered at every tap.

    Args:
      graph: the operations.
      places: where the taps are, in forward order.
      size: (H, W) of the native image in pixels.
      images: what the network expects of its images; its layout is that of the graph.
      fixed: whether the graph takes no other size than the native one.
      shapes: (path, shape) of the parameters of one network.
    """

    graph: Graph
    places: tuple[Place, ...]
    size: tuple[int, int]
    images: Preprocessing
    fixed: bool
    shapes: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns `values` and the taps on the way to `wanted`.

        From the image these are all taps before the last of them, as far as they have a value.
        """
        taps, known = dict(values), {}
        places = {place.tap: place for place in self.places}
        if "input" in values:
            taps["input"] = self.images.prepare(values["input"])
            self._check_size(taps["input"].shape[:2], wanted)
            known["input"] = enter_image(taps["input"], self.images)
        for tap in values:
            if tap != "input":
                known[places[tap].value] = _enter(values[tap], places[tap].kept)
        names = [places[tap].value for tap in wanted if tap != "input"]
        if set(values) == {"input"}:
            # Under jit, what nobody uses of them is never computed.
            last = [i for i, place in enumerate(self.places) if place.tap in wanted][-1:]
            names = [place.value for i in last for place in self.places[: i + 1]]
        found = self._run(params, known, names)
        for place in self.places:
            if place.value in found and place.tap not in taps:
                taps[place.tap] = _leave(found[place.value], place.kept)
        return taps

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters with the kernels transformed that a CPU convolves faster so.

        Args:
          params: the parameters; leading axes of items are kept.
          size: (H, W) of the images to come; others work too.
        """
        if platform_of(params) != "cpu":
            return params
        tiles = {
            path: m
            for path, m in choose_tiles(self, self.size if self.fixed else size)
            if not isinstance(find_leaf(params, path), PreparedKernel)
        }
        if not tiles:
            return params
        kernels = [find_leaf(params, path) for path in tiles]
        for path, kernel in zip(tiles, prepare_kernels(kernels, list(tiles.values()))):
            params = _replace_leaf(params, path, kernel)
        return params

    def _check_size(self, size: tuple[int, ...], wanted: tuple[str, ...]) -> None:
        if self.fixed and tuple(size) != self.size and wanted != ("input",):
            raise ValueError(
                f"the network's graph holds sizes of its native image and takes no other than "
                f"{_join(self.size)}, got {_join(size)}: resize the image, or read the network "
                f"again with input_size=({', '.join(map(str, size))})"
            )

    def _run(self, params: Params, known: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
        try:
            return self.graph.run(params, known, names)
        except (TypeError, ValueError) as error:
            image = known.get("input")
            size = self.size if image is None else _size_of(image)
            if size == self.size:
                raise
            raise ValueError(
                f"the network failed on an image of {_join(size)}; its native size is "
                f"{_join(self.size)}, and it can be read again with input_size=("
                f"{', '.join(map(str, size))}): {error}"
            ) from error


def _join(size: Sequence[int]) -> str:
    return "x".join(map(str, size))


def _size_of(image: Any) -> tuple[int, ...]:
    return tuple(image.array.shape[1:3] if isinstance(image, Map) else image.shape[1:3])


def enter_image(prepared: Array, images: Preprocessing) -> Any:
    """Returns an image as the value "input" of a graph.

    Args:
      prepared: `[H, W, C]`, the network's own numbers.
      images: its layout says which axes the graph's image has.
    """
    return Map(prepared[None]) if images.layout == "CHW" else prepared[None]


def _enter(activation: Array, kept: str) -> Any:
    value = activation[None]
    if kept == "last":
        return Map(value)
    return jnp.moveaxis(value, -1, 1) if kept == "second" else value


def _leave(value: Any, kept: str) -> Array:
    # float32 also for what a graph computes from whole numbers alone.
    plain = value.array if kept == "last" else to_plain(value)
    array = jnp.asarray(plain, jnp.float32)[0]
    return jnp.moveaxis(array, 0, -1) if kept == "second" else array


@lru_cache(maxsize=256)
def choose_tiles(
    forward: GraphForward, size: tuple[int, int]
) -> tuple[tuple[tuple[str, ...], int], ...]:
    """Chooses the kernels to prepare: (path, m of Winograd's F(m, r)).

    Args:
      forward: the network.
      size: (H, W) of the images; none is chosen where the network fails on them.
    """
    spec: Params = {}
    for path, shape in forward.shapes:
        spec = _replace_leaf(spec, path, jax.ShapeDtypeStruct(shape, jnp.float32))
    try:
        values = trace_values(forward.graph, spec, size, forward.images)
    except (TypeError, ValueError):
        return ()
    tiles: dict[tuple[str, ...], int | None] = {}
    for node in forward.graph.nodes:
        for argument in node.inputs:
            if isinstance(argument, Weight):
                tiles[argument.path] = _choose_tile(node, argument, values, forward.shapes)
    return tuple((path, m) for path, m in tiles.items() if m)


def _choose_tile(node: Node, weight: Weight, values: Mapping[str, Any], shapes: Any) -> int | None:
    options = dict(node.options)
    is_plain = all(options.get(key, one) == one for key, one in _PLAIN.items())
    if node.op != "convolve" or node.inputs[1] != weight or not is_plain:
        return None
    height, width = values[node.name].shape[2:]
    return choose_tile((height, width), dict(shapes)[weight.path])


_PLAIN = {"stride": (1, 1), "dilation": (1, 1), "groups": 1}


def find_leaf(params: Params, path: tuple[str, ...]) -> Any:
    """Finds an array of nested parameters.

    Args:
      params: the parameters.
      path: the keys that lead there.
    """
    found: Any = params
    for key in path:
        found = found[key]
    return found


def list_shapes(params: Mapping[str, Any]) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Lists (path, shape) of the arrays of nested parameters.

    Args:
      params: the parameters.
    """
    found = []
    for key, value in params.items():
        if isinstance(value, Mapping):
            found += [((key, *path), shape) for path, shape in list_shapes(value)]
        else:
            found.append(((key,), tuple(value.shape)))
    return found


def _replace_leaf(params: Any, path: tuple[str, ...], leaf: Any) -> Any:
    """Returns nested parameters with another leaf, which may be new."""
    if not path:
        return leaf
    return {**params, path[0]: _replace_leaf(params.get(path[0], {}), path[1:], leaf)}


def trace_values(
    graph: Graph, params: Params, size: tuple[int, int], images: Preprocessing
) -> dict[str, Any]:
    """Finds the shapes of all values of a graph, without computing them.

    Args:
      graph: the graph.
      params: its parameters, as arrays or as their shapes.
      size: (H, W) of the image.
      images: what the network expects of its images.

    Returns:
      dict: name -> Map or shape; of numbers that are known before anything runs, themselves.
    """
    found: dict[str, Any] = {}

    def look(params: Params, prepared: Array) -> None:
        known = {"input": enter_image(prepared, images)}
        found.update(graph.run(params, known, [node.name for node in graph.nodes]))

    jax.eval_shape(look, params, jax.ShapeDtypeStruct((*size, images.count), jnp.float32))
    return {name: _describe(value) for name, value in found.items()}


def _describe(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_describe, value))
    if isinstance(value, Map):
        return Map(jax.ShapeDtypeStruct(value.array.shape, value.array.dtype))  # type: ignore[arg-type]  # a shape in place of the array
    if isinstance(value, jax.Array):
        return jax.ShapeDtypeStruct(value.shape, value.dtype)
    return value
