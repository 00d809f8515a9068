"""The graph of an ONNX model, read node by node."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np

from jaxvis.escape import escape
from jaxvis.nets.frameworks.build import Builder
from jaxvis.nets.frameworks.graph import Ref, Weight, as_constant
from jaxvis.nets.frameworks.onnx_names import LAYERS, OnnxCall
from jaxvis.nets.frameworks.onnx_tensors import POINTWISE, SHAPES

TRANSLATIONS = {**LAYERS, **POINTWISE, **SHAPES}
"""ONNX's name of an operation -> its translation."""


def read_graph(
    model: Any, image: str, name: str
) -> tuple[Builder, dict[str, Any], tuple[str, ...]]:
    """Reads the graph of an ONNX model.

    Args:
      model: an `onnx.ModelProto`.
      image: the name of its one input.
      name: the network's name, for an error.

    Returns:
      (builder, outputs, results), as in `Reading`.

    Raises:
      ValueError: names every operation that is not known.
    """
    onnx = importlib.import_module("onnx")
    nodes = _list_nodes(model.graph)
    unknown = {node.op_type: None for node in nodes if node.op_type not in TRANSLATIONS}
    if unknown:
        raise ValueError(
            f"{name} has operations that jaxvis does not know: "
            f"{', '.join(map(escape, unknown))}; export the network without them"
        )
    version = max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    pairs = [(node, _read_attributes(onnx, node)) for node in nodes]
    held |= {node.output[0]: _find_constant(o) for node, o in pairs if node.op_type == "Constant"}
    arrays, values = _sort_arrays(held)
    calls = [pair for pair in pairs if pair[0].op_type != "Constant"]
    builder = Builder(arrays, _find_forms(calls, values))
    values[image] = Ref("input")
    outputs: dict[str, Any] = {}
    for node, options in calls:
        inputs = tuple(values[key] if key else None for key in node.input)
        call = OnnxCall(builder, node.op_type, inputs, options, len(node.output), version)
        found = TRANSLATIONS[node.op_type](call)
        values |= _name_parts(builder, node, found)
        tap = node.name if node.name and node.name not in outputs else node.output[0]
        outputs[tap] = values[node.output[0]]
    own = [value.name for value in model.graph.output]
    results = ("output",) if len(own) == 1 else tuple(own)
    return builder, {**outputs, **dict(zip(results, (values[key] for key in own)))}, results


def _name_parts(builder: Builder, node: Any, found: Any) -> dict[str, Any]:
    """Returns the values of a node's outputs by name."""
    if node.op_type != "Split":
        return {node.output[0]: found}
    return {key: builder.emit("item", found, place=place) for place, key in enumerate(node.output)}


def _list_nodes(graph: Any) -> list[Any]:
    """Returns the nodes that the outputs need, in order."""
    needed = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            nodes.append(node)
    return nodes[::-1]


def _read_attributes(onnx: ModuleType, node: Any) -> dict[str, Any]:
    """Returns the attributes of a node as numbers, texts, tuples and NumPy arrays."""
    found = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, onnx.TensorProto):
            value = onnx.numpy_helper.to_array(value)
        elif not isinstance(value, (int, float, str)):
            value = tuple(value)
        found[attribute.name] = value
    if node.op_type == "Cast":
        found["to"] = _as_single(onnx.helper.tensor_dtype_to_np_dtype(found["to"])).name
    return found


def _as_single(dtype: np.dtype) -> np.dtype:
    """Returns float32 for all types of broken numbers, and others as they are."""
    return dtype if dtype.kind in "iub" else np.dtype(np.float32)


def _find_constant(attributes: dict[str, Any]) -> np.ndarray:
    [value] = attributes.values()
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _sort_arrays(
    held: dict[str, np.ndarray],
) -> tuple[dict[tuple[str, ...], np.ndarray], dict[str, Any]]:
    """Returns the parameters by path, and the values of all arrays by name.

    Single numbers, whole numbers and truth values belong to the graph; others are parameters.
    """
    folders = {name[:at] for name in held for at, letter in enumerate(name) if letter == "."}
    arrays: dict[tuple[str, ...], np.ndarray] = {}
    values: dict[str, Any] = {}
    for name, array in held.items():
        array = array.astype(_as_single(array.dtype))
        if array.dtype.kind in "iub" or array.size < 2:
            values[name] = as_constant(array)
            continue
        # No path may lead through another array, nor have an empty name in it.
        nested = not folders & set(held) and all(name.split("."))
        path = tuple(name.split(".")) if nested else (name,)
        arrays[path], values[name] = array, Weight(path)
    return arrays, values


def _find_forms(
    calls: list[tuple[Any, dict[str, Any]]], values: dict[str, Any]
) -> dict[tuple[str, ...], str]:
    """Returns the form of every weight of a convolution or fully connected layer."""
    forms: dict[tuple[str, ...], str] = {}
    for node, options in calls:
        form = "kernel" if node.op_type == "Conv" else "matrix"
        weight = values.get(node.input[1]) if len(node.input) > 1 else None
        if node.op_type == "Conv" or (node.op_type == "Gemm" and options.get("transB")):
            if isinstance(weight, Weight):
                forms.setdefault(weight.path, form)
    return forms
