"""ONNX's layers in the words of `jaxvis.nets.frameworks.graph`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxvis.nets.frameworks.build import Builder
from jaxvis.nets.frameworks.graph import Constant, Ref, Weight, as_constant

PADS = {"SAME_UPPER": "SAME", "SAME_LOWER": "SAME_LOWER", "VALID": "VALID"}
"""ONNX's words for pads -> those of lax."""


@dataclass(frozen=True)
class OnnxCall:
    """One node of an ONNX graph.

    Args:
      builder: takes the operations.
      op: the node's operation.
      inputs: its inputs; None where one is left out.
      attributes: its attributes by name.
      outputs: how many it has.
      version: of the operations, the model's opset.
    """

    builder: Builder
    op: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any]
    outputs: int
    version: int

    def __getitem__(self, place: int) -> Any:
        return self.inputs[place] if place < len(self.inputs) else None

    @property
    def get(self) -> Callable[..., Any]:
        """Gives `dict.get` of the attributes: from a name, and what to return without it."""
        return self.attributes.get

    def emit(self, op: str, *inputs: Any, **options: Any) -> Ref:
        """Adds an operation to the graph; see `Builder.emit`.

        Args:
          op: its name in `OPERATIONS`.
          *inputs, **options: its arguments.
        """
        return self.builder.emit(op, *inputs, **options)

    def find(self, place: int, name: str) -> Any:
        """Returns what newer versions take as an input, and older ones as an attribute.

        Args:
          place: of the input.
          name: of the attribute.
        """
        value = self[place]
        return self.get(name) if value is None else self.settle(value)

    def settle(self, value: Any) -> Any:
        """Returns a value that belongs to the graph, and not to the parameters, if it is known.

        Args:
          value: a Weight, a Constant, or what is computed.
        """
        return as_constant(self.builder.arrays[value.path]) if isinstance(value, Weight) else value

    def find_numbers(self, place: int, name: str) -> tuple[int, ...] | None:
        """Returns whole numbers that are an input or an attribute; None where neither is there.

        Args:
          place: of the input.
          name: of the attribute.

        Raises:
          ValueError: if they are computed from the image.
        """
        found = self.find(place, name)
        if isinstance(found, Constant):
            return tuple(int(number) for number in np.reshape(found.array, -1))
        if isinstance(found, Ref):
            raise ValueError(f"the {name} of {self.op} are computed, and must be constants")
        return found if found is None or isinstance(found, tuple) else (found,)

    def refuse(self, what: str) -> ValueError:
        """Returns the error of a node that is not known with these options.

        Args:
          what: the options.
        """
        return ValueError(f"jaxvis does not know {self.op} with {what}")


Translation = Callable[[OnnxCall], Any]


def _find_pads(call: OnnxCall) -> Any:
    word = call.get("auto_pad", "NOTSET")
    if word != "NOTSET":
        return PADS[word]
    above, left, below, right = call.get("pads", (0, 0, 0, 0))
    return ((above, below), (left, right))


def _check_map(call: OnnxCall, sides: Any) -> None:
    if len(sides) != 2:
        raise call.refuse(f"{len(sides)} axes of places, for it takes two")


def _convolve(call: OnnxCall) -> Ref:
    _check_map(call, call.get("kernel_shape", (1, 1)))
    return call.emit(
        "convolve",
        call[0],
        call.builder.take(call[1], "kernel"),
        call[2],
        stride=call.get("strides", (1, 1)),
        pads=_find_pads(call),
        dilation=call.get("dilations", (1, 1)),
        groups=call.get("group", 1),
    )


def _convolve_transposed(call: OnnxCall) -> Ref:
    if "output_shape" in call.attributes or call.get("auto_pad", "NOTSET") != "NOTSET":
        raise call.refuse("output_shape or auto_pad")
    return call.emit(
        "convolve_transposed",
        *(call[place] for place in range(3)),
        stride=call.get("strides", (1, 1)),
        pads=_find_pads(call),
        extra=call.get("output_padding", (0, 0)),
        dilation=call.get("dilations", (1, 1)),
        groups=call.get("group", 1),
    )


def _connect(call: OnnxCall) -> Ref:
    a, b, c = (call[place] for place in range(3))
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    a = call.emit("permute", a) if call.get("transA", 0) else a
    if (alpha, beta) == (1.0, 1.0):
        return call.emit(
            "connect", a, call.builder.take(b, "matrix") if call.get("transB") else b, c
        )
    b = call.emit("permute", b) if call.get("transB") else b
    return call.emit("multiply_and_add", 0.0 if c is None else c, a, b, alpha=alpha, beta=beta)


def _normalise_batch(call: OnnxCall) -> Ref:
    inputs = (call[place] for place in range(5))
    return call.emit("batch_norm", *inputs, epsilon=call.get("epsilon", 1e-5))


def _normalise_groups(call: OnnxCall) -> Ref:
    inputs = (call[place] for place in range(3))
    groups = call.get("num_groups", 0)
    return call.emit("group_norm", *inputs, groups=groups, epsilon=call.get("epsilon", 1e-5))


def _normalise_layer(call: OnnxCall) -> Ref:
    inputs = (call[place] for place in range(3))
    first, epsilon = call.get("axis", -1), call.get("epsilon", 1e-5)
    return call.emit("layer_norm", *inputs, first=first, epsilon=epsilon)


def _normalise_locally(call: OnnxCall) -> Ref:
    size = call.get("size")
    return call.emit(
        "local_norm",
        call[0],
        size=size,
        alpha=call.get("alpha", 1e-4),
        beta=call.get("beta", 0.75),
        kappa=call.get("bias", 1.0),
        before=(size - 1) // 2,
    )


def _pool(op: str) -> Translation:
    def translate(call: OnnxCall) -> Ref:
        size = call.get("kernel_shape")
        _check_map(call, size)
        options = {"size": size, "stride": call.get("strides", (1, 1)), "pads": _find_pads(call)}
        options["ceil"] = bool(call.get("ceil_mode", 0))
        if op == "pool_max":
            options["dilation"] = call.get("dilations", (1, 1))
        else:
            options["with_pads"] = bool(call.get("count_include_pad", 0))
            if call.get("dilations", (1, 1)) != (1, 1):
                raise call.refuse("dilations")
        return call.emit(op, call[0], **options)

    return translate


def _resize(call: OnnxCall) -> Ref:
    methods = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}
    old = call.op == "Upsample" or call.version < 11
    factors = call.find(1 if old else 2, "scales")
    if isinstance(factors, Constant):
        factors = tuple(factors.array.tolist())
    size = None if old else call[3]
    coordinates = call.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    if coordinates.startswith("tf_") or call.get("antialias", 0) or call.get("axes"):
        raise call.refuse("axes, antialias or cropping")
    return call.emit(
        "resize",
        call[0],
        size,
        factors if size is None else None,
        method=methods[call.get("mode", "nearest")],
        coordinates=coordinates,
        rounding=call.get("nearest_mode", "floor" if old else "round_prefer_floor"),
        cubic=call.get("cubic_coeff_a", -0.75),
    )


def _rectify_parametrically(call: OnnxCall) -> Ref:
    negative = call.emit("minimum", call[0], 0.0)
    return call.emit("add", call.emit("relu", call[0]), call.emit("multiply", call[1], negative))


LAYERS: dict[str, Translation] = {
    "AveragePool": _pool("pool_mean"),
    "BatchNormalization": _normalise_batch,
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "DepthToSpace": lambda call: call.emit(
        "channels_to_blocks", call[0], block=call.get("blocksize"), order=call.get("mode", "DCR")
    ),
    "Dropout": lambda call: call[0],
    "Gemm": _connect,
    "GlobalAveragePool": lambda call: call.emit("mean", call[0], axes=(2, 3), keep=True),
    "GlobalMaxPool": lambda call: call.emit("max", call[0], axes=(2, 3), keep=True),
    "GroupNormalization": _normalise_groups,
    "Identity": lambda call: call[0],
    "InstanceNormalization": _normalise_groups,
    "LRN": _normalise_locally,
    "LayerNormalization": _normalise_layer,
    "MatMul": lambda call: call.emit("matmul", call[0], call[1]),
    "MaxPool": _pool("pool_max"),
    "PRelu": _rectify_parametrically,
    "Resize": _resize,
    "SpaceToDepth": lambda call: call.emit(
        "blocks_to_channels", call[0], block=call.get("blocksize"), order="DCR"
    ),
    "Upsample": _resize,
}
"""ONNX's name of an operation -> its translation, for layers of networks."""
