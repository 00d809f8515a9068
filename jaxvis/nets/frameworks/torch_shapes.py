"""PyTorch's operations that move numbers, in the words of `jaxvis.nets.frameworks.graph`."""

from typing import Any

from jaxvis.nets.frameworks.torch_names import Call, Translation

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's name of what a pad holds -> its name here."""


def _axis(op: str, *names: str) -> Translation:
    """Translates to an operation along the axis `dim`, with further inputs by name."""

    def translate(call: Call) -> Any:
        inputs = (call[name] for name in names)
        return call.emit(op, call["self"], *inputs, axes=(call.get("dim", 0),))

    return translate


def _join(op: str) -> Translation:
    return lambda call: call.emit(op, call["tensors"], axes=(call.get("dim", 0),))


def _split(call: Call) -> Any:
    sizes = call.get("split_size", call.get("split_sizes"))
    return call.emit("split", call["self"], sizes=sizes, axes=(call["dim"],))


def _unbind(call: Call) -> Any:
    places = range(call.parts)
    return tuple(call.emit("select", call["self"], i, axes=(call["dim"],)) for i in places)


def _slice(call: Call) -> Any:
    cut = (call["start"], call["end"], call["step"])
    return call.emit("slice", call["self"], *cut, axes=(call["dim"],))


def _narrow(call: Call) -> Any:
    start, length = call["start"], call["length"]
    # A cut that ends with the axis has no number for it if it was counted from there.
    end = start + length or None
    return call.emit("slice", call["self"], start, end, axes=(call["dim"],))


def _transpose(call: Call) -> Any:
    order = list(range(call.rank))
    first, second = call.get("dim0", 0), call.get("dim1", -1)
    order[first], order[second] = order[second], order[first]
    return call.emit("permute", call["self"], order=tuple(order))


def _reverse(call: Call) -> Any:
    return call.emit("permute", call["self"], order=tuple(range(call.rank))[::-1])


def _move(call: Call) -> Any:
    def as_tuple(axes: Any) -> tuple[int, ...]:
        return axes if isinstance(axes, tuple) else (axes,)

    source = [axis % call.rank for axis in as_tuple(call["source"])]
    goal = [axis % call.rank for axis in as_tuple(call["destination"])]
    rest = iter(axis for axis in range(call.rank) if axis not in source)
    moved = dict(zip(goal, source))
    order = tuple(moved[axis] if axis in moved else next(rest) for axis in range(call.rank))
    return call.emit("permute", call["self"], order=order)


def _squeeze(call: Call) -> Any:
    axes = call.get("dim")
    axes = axes if axes is None or isinstance(axes, tuple) else (axes,)
    return call.emit("squeeze", call["self"], axes=axes)


def _roll(call: Call) -> Any:
    if not call["dims"]:
        flat = call.emit("reshape", call["self"], shape=(-1,))
        flat = call.emit("roll", flat, shifts=call["shifts"], axes=(0,))
        return call.emit("reshape", flat, shape=call.emit("shape", call["self"]))
    return call.emit("roll", call["self"], shifts=call["shifts"], axes=call["dims"])


def _pad(mode: str | None = None) -> Translation:
    """Translates a pad; PyTorch counts from the last axis, (before, after) each."""

    def translate(call: Call) -> Any:
        numbers = call.get("pad", call.get("padding"))
        pads = tuple(zip(numbers[::2], numbers[1::2]))
        return call.emit(
            "pad",
            call["self"],
            pads,
            call.get("value"),
            mode=mode or MODES[call.get("mode", "constant")],
            axes=tuple(range(-1, -1 - len(pads), -1)),
        )

    return translate


def _index(call: Call) -> Any:
    return call.emit("index", call["self"], *call["indices"])


def _fill(value: float | None, shape: str = "size") -> Translation:
    """Translates to an array of one number; the shape is given, or that of an array."""

    def translate(call: Call) -> Any:
        sides = call.emit("shape", call["self"]) if shape == "self" else call[shape]
        number = call.get("fill_value", call.get("value")) if value is None else value
        return call.emit("full", sides, number, dtype=call.get("dtype") or call.dtype)

    return translate


def _arange(call: Call) -> Any:
    start, step = call.get("start", 0), call.get("step", 1)
    numbers = (start, call["end"], 1 if step is None else step)
    whole = all(not isinstance(number, float) for number in numbers)
    dtype = call.get("dtype") or ("int64" if whole else "float32")
    return call.emit("arange", *numbers, dtype=dtype)


def _scatter_slice(call: Call) -> Any:
    cut = (call["start"], call["end"], call["step"])
    return call.emit("set_slice", call["self"], call["src"], *cut, axes=(call["dim"],))


def _as(op: str, name: str = "other") -> Translation:
    return lambda call: call.emit(op, call["self"], call.emit("shape", call[name]))


SHAPES: dict[str, Translation] = {
    "T": _reverse,
    "_unsafe_view": lambda call: call.emit("reshape", call["self"], shape=call["size"]),
    "arange": _arange,
    "broadcast_to": lambda call: call.emit("expand", call["self"], call["size"]),
    "cat": _join("concatenate"),
    "chunk": lambda call: call.emit(
        "chunk", call["self"], count=call["chunks"], axes=(call["dim"],)
    ),
    "concat": _join("concatenate"),
    "concatenate": _join("concatenate"),
    "constant_pad_nd": _pad("constant"),
    "copy": lambda call: call.emit("expand", call["src"], call.emit("shape", call["self"])),
    "cumsum": _axis("cumulate"),
    "expand": lambda call: call.emit("expand", call["self"], call["size"]),
    "expand_as": _as("expand"),
    "fill": _fill(None, "self"),
    "flatten": lambda call: call.emit(
        "flatten", call["self"], start=call["start_dim"], end=call["end_dim"]
    ),
    "flip": lambda call: call.emit("flip", call["self"], axes=call["dims"]),
    "full": _fill(None),
    "full_like": _fill(None, "self"),
    "index": _index,
    "index_select": _axis("take_all", "index"),
    "movedim": _move,
    "narrow": _narrow,
    "new_full": _fill(None),
    "new_ones": _fill(1.0),
    "new_zeros": _fill(0.0),
    "numpy_T": _reverse,
    "ones": _fill(1.0),
    "ones_like": _fill(1.0, "self"),
    "pad": _pad(),
    "permute": lambda call: call.emit("permute", call["self"], order=call["dims"]),
    "reflection_pad2d": _pad("reflect"),
    "repeat": lambda call: call.emit("tile", call["self"], call["repeats"]),
    "replication_pad2d": _pad("edge"),
    "reshape": lambda call: call.emit("reshape", call["self"], shape=call["shape"]),
    "roll": _roll,
    "scalar_tensor": lambda call: call.emit("full", (), call["s"], dtype=call.dtype),
    "select": _axis("select", "index"),
    "select_scatter": lambda call: call.emit(
        "set_selection", call["self"], call["src"], call["index"], axes=(call["dim"],)
    ),
    "slice": _slice,
    "slice_scatter": _scatter_slice,
    "split": _split,
    "split_with_sizes": _split,
    "squeeze": _squeeze,
    "stack": _join("stack"),
    "t": _reverse,
    "transpose": _transpose,
    "unbind": _unbind,
    "unflatten": lambda call: call.emit(
        "unflatten", call["self"], axis=call["dim"], sizes=call["sizes"]
    ),
    "unsqueeze": _axis("unsqueeze"),
    "view": lambda call: call.emit("reshape", call["self"], shape=call["size"]),
    "zeros": _fill(0.0),
    "zeros_like": _fill(0.0, "self"),
}
"""Name of an ATen operation -> its translation."""
