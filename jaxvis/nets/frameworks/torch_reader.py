"""An exported PyTorch program, read operation by operation."""

from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from jaxvis.nets.capture import name_outputs
from jaxvis.nets.frameworks.build import Builder
from jaxvis.nets.frameworks.graph import Ref, Weight, as_constant
from jaxvis.nets.frameworks.torch_names import KEPT, LAYERS, Call
from jaxvis.nets.frameworks.torch_shapes import SHAPES
from jaxvis.nets.frameworks.torch_tensors import MATRICES, POINTWISE

TRANSLATIONS = {**POINTWISE, **SHAPES, **MATRICES, **LAYERS, **KEPT}
"""Name of an ATen operation -> its translation."""

GETITEM = "python.getitem"
"""The one function of Python in a graph: it takes one of several results."""

WEIGHTS = {"conv2d": "kernel", "linear": "matrix"}
"""Name of an operation -> the form in which its weight is kept."""


@lru_cache(maxsize=1)
def list_decompositions(torch: ModuleType) -> dict[Any, Any]:
    """Lists how to compute the operations that are not known here from simpler ones.

    Args:
      torch: the module.
    """
    table = torch.export.default_decompositions()
    return {op: how for op, how in table.items() if _name_overload(op) not in TRANSLATIONS}


def _name_overload(op: Any) -> str:
    return op.name().removeprefix("aten::").partition(".")[0]


def _name_call(node: Any) -> str:
    """Returns the name of a node's ATen operation, or of its Python function."""
    if hasattr(node.target, "_schema"):
        return _name_overload(node.target)
    return f"python.{getattr(node.target, '__name__', node.target)}"


def read_program(program: Any, name: str) -> tuple[Builder, dict[str, Any], tuple[str, ...]]:
    """Reads an exported program.

    Args:
      program: a `torch.export.ExportedProgram` of one image.
      name: the network's name, for an error.

    Returns:
      (builder, outputs, results), as in `Reading`.

    Raises:
      ValueError: names every operation that is not known.
    """
    calls = _list_calls(program.graph)
    known = {*TRANSLATIONS, GETITEM}
    unknown = {str(node.target): None for node in calls if _name_call(node) not in known}
    if unknown:
        raise ValueError(
            f"{name} has operations that jaxvis does not know: {', '.join(unknown)}; write them "
            "with others, or read the part of the module before them"
        )
    images = tuple(program.graph_signature.user_inputs)
    arrays, values = _read_arrays(program)
    values |= dict.fromkeys(images, Ref("input"))
    builder = Builder(arrays, _find_forms(calls, values))
    for node in calls:
        values[node.name] = _read_call(builder, node, values)
    return builder, *_list_outputs(program, calls, values)


def _list_calls(graph: Any) -> list[Any]:
    """Returns the operations that the output needs, in order."""
    needed: set[Any] = set()
    calls = []
    for node in reversed(graph.nodes):
        if node.op == "output" or node in needed:
            needed |= set(node.all_input_nodes)
            if node.op == "call_function":
                calls.append(node)
    return calls[::-1]


def _read_arrays(program: Any) -> tuple[dict[tuple[str, ...], np.ndarray], dict[str, Any]]:
    """Returns the arrays by path, and the values of the graph's inputs by name."""
    arrays: dict[tuple[str, ...], np.ndarray] = {}
    values: dict[str, Any] = {}
    for spec in program.graph_signature.input_specs:
        if spec.target is None:
            continue
        kept = program.state_dict if spec.target in program.state_dict else program.constants
        tensor = kept[spec.target].detach().cpu()
        path = tuple(spec.target.split("."))
        # A number that was written in the code is no parameter.
        written = spec.kind.name == "CONSTANT_TENSOR"
        if tensor.is_floating_point() and not (written and tensor.ndim == 0):
            arrays[path] = tensor.float().numpy()
            values[spec.arg.name] = Weight(path)
        else:
            values[spec.arg.name] = as_constant(_to_numpy(tensor))
    return arrays, values


def _to_numpy(tensor: Any) -> np.ndarray:
    return tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()


def _find_forms(calls: list[Any], values: dict[str, Any]) -> dict[tuple[str, ...], str]:
    """Returns the form of every weight of a convolution or linear layer."""
    forms: dict[tuple[str, ...], str] = {}
    for node in calls:
        form = WEIGHTS.get(_name_call(node))
        weight = values.get(getattr(node.args[1], "name", "")) if form else None
        if form and isinstance(weight, Weight) and weight.path[-1] == "weight":
            forms.setdefault(weight.path, form)
    return forms


def _read_call(builder: Builder, node: Any, values: dict[str, Any]) -> Any:
    """Returns the value of an operation, which is added to the builder."""
    given = tuple(_read_argument(argument, values) for argument in node.args)
    if _name_call(node) == GETITEM:
        parts, place = given
        return (
            parts[place] if isinstance(parts, tuple) else builder.emit("item", parts, place=place)
        )
    schema = node.target._schema.arguments
    named = {one.name: _read_argument(one.default_value, values) for one in schema}
    named |= {one.name: value for one, value in zip(schema, given)}
    named |= {key: _read_argument(value, values) for key, value in node.kwargs.items()}
    result = node.meta["val"]
    first = next((x for x in node.all_input_nodes if hasattr(x.meta["val"], "ndim")), None)
    call = Call(
        builder,
        named,
        rank=first.meta["val"].ndim if first is not None else 0,
        parts=len(result) if isinstance(result, (tuple, list)) else 1,
        dtype=_name_type(getattr(result, "dtype", None)) or "float32",
    )
    try:
        return TRANSLATIONS[_name_call(node)](call)
    except KeyError as error:
        raise ValueError(
            f"jaxvis does not know the operation {node.target}, which has no {error}: write it "
            "in another way"
        ) from None


def _read_argument(argument: Any, values: dict[str, Any]) -> Any:
    """Returns an argument of a node as one of a graph."""
    if isinstance(argument, (tuple, list)):
        return tuple(_read_argument(each, values) for each in argument)
    if argument is None or isinstance(argument, (bool, int, float, str)):
        return argument
    if hasattr(argument, "name") and argument.name in values:
        return values[argument.name]
    return _name_type(argument)


def _name_type(dtype: Any) -> str | None:
    """Returns NumPy's name of a type of torch; None of anything that is not a type."""
    name = str(dtype).removeprefix("torch.")
    if name.startswith(("float", "bfloat", "double", "half")):
        return "float32"
    return name if name.startswith(("int", "uint", "bool")) else None


def _list_outputs(
    program: Any, calls: list[Any], values: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns the outputs of all submodules and of the whole, and the names of the latter."""
    ends: dict[str, Any] = {}
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for node in calls:
        for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
            if not path or not hasattr(node.meta["val"], "shape"):
                continue
            path = path.removeprefix("L['self'].").partition("@")[0]
            if key not in names:
                count = counts[path] = counts.get(path, -1) + 1
                names[key] = f"{path}_{count}" if count else path
            ends.pop(names[key], None)
            ends[names[key]] = values[node.name]
    [last] = (node for node in program.graph.nodes if node.op == "output")
    results = [_read_argument(each, values) for each in last.args[0]]
    places = program.call_spec.out_spec.unflatten(list(range(len(results))))
    own = name_outputs("output", places, root=True)
    return {**ends, **{name: results[int(i)] for name, i in own.items()}}, tuple(own)
