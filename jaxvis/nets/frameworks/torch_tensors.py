"""PyTorch's operations on tensors of any kind, in the words of `jaxvis.nets.frameworks.graph`."""

from typing import Any

from jaxvis.nets.frameworks.torch_names import Call, Translation

NUMBERWISE = {
    "__and__": "logical_and",
    "__or__": "logical_or",
    "bitwise_and": "logical_and",
    "bitwise_not": "logical_not",
    "bitwise_or": "logical_or",
    "eq": "equal",
    "ge": "greater_equal",
    "gt": "greater",
    "le": "less_equal",
    "lt": "less",
    "mul": "multiply",
    "ne": "not_equal",
    "neg": "negative",
    "pow": "power",
    **{
        name: name
        for name in (
            "abs ceil cos erf exp expm1 floor hardsigmoid hardswish log log1p logical_and "
            "logical_not logical_or maximum minimum mish multiply reciprocal relu remainder round "
            "rsqrt sigmoid sign silu sin sqrt square tanh"
        ).split()
    },
}
"""Name of an ATen operation that works number by number -> its name here."""

REDUCTIONS = {
    "all": "all",
    "amax": "max",
    "amin": "min",
    "any": "any",
    "mean": "mean",
    "prod": "product",
    "sum": "sum",
}
"""Name of an ATen operation that takes axes away -> its name here."""


def _translate_pointwise(op: str) -> Translation:
    def translate(call: Call) -> Any:
        names = [name for name in ("self", "other", "exponent") if name in call.arguments]
        return call.emit(op, *(call[name] for name in names))

    return translate


def _translate_reduction(op: str) -> Translation:
    def translate(call: Call) -> Any:
        return call.emit(op, call["self"], axes=_axes(call), keep=call.get("keepdim", False))

    return translate


def _axes(call: Call) -> tuple[int, ...] | None:
    """Returns the axes of a reduction; none means all."""
    axes = call.get("dim")
    if axes is None or axes == ():
        return None
    return axes if isinstance(axes, tuple) else (axes,)


def _find_extreme(op: str, pointwise: str) -> Translation:
    def translate(call: Call) -> Any:
        if "other" in call.arguments:
            return call.emit(pointwise, call["self"], call["other"])
        found = call.emit(op, call["self"], axes=_axes(call), keep=call.get("keepdim", False))
        return (found, None) if "dim" in call.arguments else found

    return translate


def _vary(root: bool) -> Translation:
    def translate(call: Call) -> Any:
        correction = call.get("correction", float(call.get("unbiased", True)))
        return call.emit(
            "variance",
            call["self"],
            axes=_axes(call),
            keep=call.get("keepdim", False),
            correction=1.0 if correction is None else correction,
            root=root,
        )

    return translate


def _measure(call: Call) -> Any:
    order = call.get("ord", call.get("p"))
    order = 2.0 if order is None else float(order)
    return call.emit(
        "norm", call["self"], axes=_axes(call), keep=call.get("keepdim", False), order=order
    )


def _add(op: str, swap: bool = False) -> Translation:
    def translate(call: Call) -> Any:
        inputs = (call["self"], call["other"])
        return call.emit(op, *(inputs[::-1] if swap else inputs), factor=call.get("alpha", 1))

    return translate


def _subtract_from(call: Call) -> Any:
    scaled = call["self"]
    return call.emit("subtract", call["other"], scaled, factor=call.get("alpha", 1))


def _divide(call: Call) -> Any:
    rounding = call.get("rounding_mode")
    return call.emit("divide", call["self"], call["other"], rounding=rounding)


def _clamp(low: str | None, high: str | None) -> Translation:
    def translate(call: Call) -> Any:
        bounds = (None if name is None else call[name] for name in (low, high))
        return call.emit("clamp", call["self"], *bounds)

    return translate


def _bend(op: str, **options: str) -> Translation:
    """Translates an activation function whose options are numbers."""
    return lambda call: call.emit(
        op, call["self"], **{option: call[name] for option, name in options.items()}
    )


def _elu(call: Call) -> Any:
    alpha = call["alpha"]
    scale, inner = call.get("scale", 1.0), call.get("input_scale", 1.0)
    return call.emit("elu", call["self"], alpha=alpha, scale=scale, input_scale=inner)


def _selu(call: Call) -> Any:
    # The constants of Klambauer et al., Self-normalizing neural networks, 2017.
    return call.emit("elu", call["self"], alpha=1.6732632423543772, scale=1.0507009873554805)


POINTWISE: dict[str, Translation] = {
    **{name: _translate_pointwise(op) for name, op in NUMBERWISE.items()},
    **{name: _translate_reduction(op) for name, op in REDUCTIONS.items()},
    "add": _add("add"),
    "clamp": _clamp("min", "max"),
    "clamp_max": _clamp(None, "max"),
    "clamp_min": _clamp("min", None),
    "div": _divide,
    "elu": _elu,
    "floor_divide": lambda call: call.emit("divide", call["self"], call["other"], rounding="floor"),
    "hardtanh": _clamp("min_val", "max_val"),
    "leaky_relu": _bend("leaky_relu", slope="negative_slope"),
    "linalg_vector_norm": _measure,
    "log_softmax": lambda call: call.emit("log_softmax", call["self"], axes=(call["dim"],)),
    "max": _find_extreme("max", "maximum"),
    "min": _find_extreme("min", "minimum"),
    "norm": _measure,
    "relu6": lambda call: call.emit("clamp", call["self"], 0.0, 6.0),
    "rsub": _subtract_from,
    "selu": _selu,
    "softmax": lambda call: call.emit("softmax", call["self"], axes=(call["dim"],)),
    "softplus": _bend("softplus", beta="beta", threshold="threshold"),
    "std": _vary(True),
    "sub": _add("subtract"),
    "threshold": _bend("threshold", low="threshold", value="value"),
    "true_divide": _divide,
    "var": _vary(False),
    "where": lambda call: call.emit("where", call["condition"], call["self"], call["other"]),
    "masked_fill": lambda call: call.emit("where", call["mask"], call["value"], call["self"]),
}
"""Name of an ATen operation -> its translation: number by number, or over axes."""

MATRICES: dict[str, Translation] = {
    **{
        name: lambda call: call.emit("matmul", call["self"], call.get("other", call.get("mat2")))
        for name in ("bmm", "matmul", "mm")
    },
    "addmm": lambda call: call.emit(
        "multiply_and_add",
        *(call[name] for name in ("self", "mat1", "mat2")),
        alpha=call["alpha"],
        beta=call["beta"],
    ),
    "baddbmm": lambda call: call.emit(
        "multiply_and_add",
        *(call[name] for name in ("self", "batch1", "batch2")),
        alpha=call["alpha"],
        beta=call["beta"],
    ),
    "einsum": lambda call: call.emit("einsum", *call["tensors"], equation=call["equation"]),
}
"""The same for products of matrices."""
