"""ONNX's operations on tensors of any kind, in the words of `jaxvis.nets.frameworks.graph`."""

from typing import Any

import numpy as np

from jaxvis.nets.frameworks.graph import Constant, as_constant
from jaxvis.nets.frameworks.onnx_names import OnnxCall, Translation

NUMBERWISE = {
    "Abs": "abs",
    "And": "logical_and",
    "Ceil": "ceil",
    "Cos": "cos",
    "Equal": "equal",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "HardSwish": "hardswish",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Log": "log",
    "Mish": "mish",
    "Mul": "multiply",
    "Neg": "negative",
    "Not": "logical_not",
    "Or": "logical_or",
    "Pow": "power",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Sqrt": "sqrt",
    "Sub": "subtract",
    "Tanh": "tanh",
    "Where": "where",
}
"""ONNX's name of an operation that works number by number -> its name here."""

REDUCTIONS = {
    "ReduceMax": "max",
    "ReduceMean": "mean",
    "ReduceMin": "min",
    "ReduceProd": "product",
    "ReduceSum": "sum",
    "ReduceL1": "norm",
    "ReduceL2": "norm",
}
"""ONNX's name of an operation that takes axes away -> its name here."""

LARGEST = 2**31 - 1
"""The end of a slice that goes to the end; larger ones do too."""


def _translate_pointwise(op: str) -> Translation:
    return lambda call: call.emit(op, *call.inputs)


def _chain(op: str, mean: bool = False) -> Translation:
    """Translates an operation of any number of inputs."""

    def translate(call: OnnxCall) -> Any:
        value, *rest = call.inputs
        for other in rest:
            value = call.emit(op, value, other)
        return call.emit("divide", value, float(1 + len(rest))) if mean else value

    return translate


def _bend(op: str, **options: tuple[str, float]) -> Translation:
    """Translates an activation function whose options are attributes with defaults."""
    return lambda call: call.emit(
        op, call[0], **{key: call.get(*attribute) for key, attribute in options.items()}
    )


def _selu(call: OnnxCall) -> Any:
    # The defaults are the constants of Klambauer et al., 2017, as the standard has them.
    alpha, scale = call.get("alpha", 1.6732632423543772), call.get("gamma", 1.0507009873554805)
    return call.emit("elu", call[0], alpha=alpha, scale=scale)


def _gelu(call: OnnxCall) -> Any:
    return call.emit("gelu", call[0], tanh=call.get("approximate", "none") == "tanh")


def _clip(call: OnnxCall) -> Any:
    return call.emit("clamp", call[0], call.find(1, "min"), call.find(2, "max"))


def _along_axis(op: str) -> Translation:
    def translate(call: OnnxCall) -> Any:
        axis = call.get("axis", -1 if call.version >= 13 else 1)
        return call.emit(op, call[0], axes=(axis,))

    return translate


def _reduce(op: str) -> Translation:
    def translate(call: OnnxCall) -> Any:
        axes = call.find_numbers(1, "axes") or None
        if axes is None and call.get("noop_with_empty_axes", 0):
            return call[0]
        order = {"ReduceL1": 1.0, "ReduceL2": 2.0}.get(call.op)
        keep = bool(call.get("keepdims", 1))
        return call.emit(op, call[0], axes=axes, keep=keep, order=order)

    return translate


POINTWISE: dict[str, Translation] = {
    **{name: _translate_pointwise(op) for name, op in NUMBERWISE.items()},
    **{name: _reduce(op) for name, op in REDUCTIONS.items()},
    "Add": _chain("add"),
    "Clip": _clip,
    "Div": lambda call: call.emit("divide", call[0], call[1], rounding="whole"),
    "Elu": _bend("elu", alpha=("alpha", 1.0)),
    "Gelu": _gelu,
    "HardSigmoid": _bend("hardsigmoid", slope=("alpha", 0.2), offset=("beta", 0.5)),
    "LeakyRelu": _bend("leaky_relu", slope=("alpha", 0.01)),
    "LogSoftmax": _along_axis("log_softmax"),
    "Max": _chain("maximum"),
    "Mean": _chain("add", mean=True),
    "Min": _chain("minimum"),
    "Mod": lambda call: call.emit("remainder", call[0], call[1]),
    "Selu": _selu,
    "Softmax": _along_axis("softmax"),
    "Sum": _chain("add"),
    "ThresholdedRelu": lambda call: call.emit(
        "threshold", call[0], low=call.get("alpha", 1.0), value=0.0
    ),
}
"""ONNX's name of an operation -> its translation: number by number, or over axes."""


def _flatten(call: OnnxCall) -> Any:
    axis = call.get("axis", 1)
    if axis == 0:
        return call.emit("reshape", call[0], shape=(1, -1))
    rows = call.emit("flatten", call[0], start=axis, end=-1)
    return rows if axis == 1 else call.emit("flatten", rows, start=0, end=-2)


def _reshape(call: OnnxCall) -> Any:
    keeps_zeros = bool(call.get("allowzero", 0))
    return call.emit("reshape", call[0], shape=call.find(1, "shape"), keeps_zeros=keeps_zeros)


def _slice(call: OnnxCall) -> Any:
    starts, ends = call.find(1, "starts"), call.find(2, "ends")
    axes = call.find_numbers(3, "axes")
    steps = call.find_numbers(4, "steps")
    count = next((_count(each) for each in (axes, starts, ends) if _count(each)), 1)
    value = call[0]
    for i in range(count):
        bounds = (_pick(call, starts, i), _pick(call, ends, i), steps[i] if steps else 1)
        value = call.emit("slice", value, *bounds, axes=(axes[i] if axes else i,))
    return value


def _count(numbers: Any) -> int:
    if isinstance(numbers, Constant):
        return int(np.prod(numbers.shape))
    return len(numbers) if isinstance(numbers, tuple) else 0


def _pick(call: OnnxCall, numbers: Any, place: int) -> Any:
    """Returns one of several numbers, which may be computed."""
    if isinstance(numbers, Constant):
        numbers = tuple(np.reshape(numbers.array, -1).tolist())
    if not isinstance(numbers, tuple):
        return call.emit("select", numbers, place, axes=(0,))
    number = numbers[place]
    return None if number >= LARGEST or number <= -LARGEST else number


def _split(call: OnnxCall) -> Any:
    sizes, axes = call.find_numbers(1, "split"), (call.get("axis", 0),)
    if sizes is None:
        return call.emit("chunk", call[0], count=call.get("num_outputs", call.outputs), axes=axes)
    return call.emit("split", call[0], sizes=sizes, axes=axes)


def _pad(call: OnnxCall) -> Any:
    pads, value = call.find(1, "pads"), call.find(2, "value")
    if isinstance(pads, tuple):
        pads = as_constant(np.array(pads, np.int64))
    mode = call.get("mode", "constant")
    return call.emit("pad", call[0], pads, value, mode=mode, axes=call.find_numbers(3, "axes"))


def _shape(call: OnnxCall) -> Any:
    whole = call.emit("shape", call[0])
    cut = call.get("start", 0), call.get("end")
    return whole if cut == (0, None) else call.emit("slice", whole, *cut, axes=(0,))


def _fill(call: OnnxCall) -> Any:
    value = call.get("value")
    number = 0.0 if value is None else value.reshape(-1)[0].item()
    dtype = "float32" if value is None else value.dtype.name
    return call.emit("full", call.settle(call[0]), number, dtype=dtype)


def _squeeze(call: OnnxCall) -> Any:
    return call.emit("squeeze", call[0], axes=call.find_numbers(1, "axes"))


SHAPES: dict[str, Translation] = {
    "Cast": lambda call: call.emit("cast", call[0], dtype=call.get("to")),
    "Concat": lambda call: call.emit("concatenate", call.inputs, axes=(call.get("axis", 1),)),
    "Constant": lambda call: as_constant(call.get("value")),
    "ConstantOfShape": _fill,
    "Einsum": lambda call: call.emit("einsum", *call.inputs, equation=call.get("equation")),
    "Expand": lambda call: call.emit("expand", call[0], call.settle(call[1])),
    "Flatten": _flatten,
    "Gather": lambda call: call.emit("gather", call[0], call[1], axes=(call.get("axis", 0),)),
    "Pad": _pad,
    "Range": lambda call: call.emit("arange", *map(call.settle, call.inputs)),
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": lambda call: call.emit("tile", call[0], call.settle(call[1])),
    "Transpose": lambda call: call.emit("permute", call[0], order=call.get("perm")),
    "Unsqueeze": lambda call: call.emit("unsqueeze", call[0], axes=call.find_numbers(1, "axes")),
}
"""ONNX's name of an operation that moves numbers -> its translation."""
