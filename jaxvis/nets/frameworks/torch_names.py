"""PyTorch's operations in the words of `jaxvis.nets.frameworks.graph`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxvis.nets.frameworks.build import Builder
from jaxvis.nets.frameworks.graph import Ref

Pair = tuple[int, int]


@dataclass(frozen=True)
class Call:
    """One call of an operation of PyTorch.

    Args:
      builder: takes the operations.
      arguments: its arguments by the names of its schema, with defaults.
      rank: of its first tensor.
      parts: how many tensors it returns.
      dtype: NumPy's name of the type of its result.
    """

    builder: Builder
    arguments: dict[str, Any]
    rank: int
    parts: int
    dtype: str

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def get(self) -> Callable[..., Any]:
        """Gives `dict.get` of the arguments: from a name, and what to return without it."""
        return self.arguments.get

    def emit(self, op: str, *inputs: Any, **options: Any) -> Ref:
        """Adds an operation to the graph; see `Builder.emit`.

        Args:
          op: its name in `OPERATIONS`.
          *inputs, **options: its arguments.
        """
        return self.builder.emit(op, *inputs, **options)


Translation = Callable[[Call], Any]


def _pass(op: str, *names: str, **options: str) -> Translation:
    """Translates to one operation: inputs by name, and options as option="name"."""

    def translate(call: Call) -> Any:
        named = {option: call.get(name) for option, name in options.items()}
        return call.emit(op, *(call.get(name) for name in names), **named)

    return translate


def _keep(call: Call) -> Any:
    """Translates what changes nothing in inference."""
    return call.get("self", call.get("input"))


def _cast(call: Call) -> Any:
    value, dtype = _keep(call), call.get("dtype")
    return value if dtype is None else call.emit("cast", value, dtype=dtype)


def to_pair(value: Any) -> Pair:
    """Returns one number for both axes, or a number each, as two.

    Args:
      value: one number, or one or two in a tuple.
    """
    numbers = value if isinstance(value, tuple) else (value,)
    return (numbers[0], numbers[-1])


def _to_pads(padding: Any) -> Any:
    """Returns the same zeros on both sides of each axis; words are lax's own."""
    if isinstance(padding, str):
        return padding.upper()
    down, across = to_pair(padding)
    return ((down, down), (across, across))


def _convolve(call: Call) -> Ref:
    return call.emit(
        "convolve",
        call["input"],
        call.builder.take(call["weight"], "kernel"),
        call["bias"],
        stride=to_pair(call["stride"]),
        pads=_to_pads(call["padding"]),
        dilation=to_pair(call["dilation"]),
        groups=call["groups"],
    )


def _convolve_transposed(call: Call) -> Ref:
    return call.emit(
        "convolve_transposed",
        call["input"],
        call["weight"],
        call["bias"],
        stride=to_pair(call["stride"]),
        pads=_to_pads(call["padding"]),
        extra=to_pair(call["output_padding"]),
        dilation=to_pair(call["dilation"]),
        groups=call["groups"],
    )


def _connect(call: Call) -> Ref:
    weight = call.builder.take(call["weight"], "matrix")
    return call.emit("connect", call["input"], weight, call["bias"])


def _normalise(call: Call) -> Ref:
    """Translates a norm by the statistics of training, or by those of the one image."""
    own = call.get("training", call.get("use_input_stats"))
    weights = call["weight"], call["bias"]
    if own or call.get("running_mean") is None:
        return call.emit("group_norm", call["input"], *weights, groups=0, epsilon=call["eps"])
    statistics = call["running_mean"], call["running_var"]
    return call.emit("batch_norm", call["input"], *weights, *statistics, epsilon=call["eps"])


def _normalise_layer(call: Call) -> Ref:
    first = -len(call["normalized_shape"])
    inputs = call["input"], call["weight"], call["bias"]
    return call.emit("layer_norm", *inputs, first=first, epsilon=call["eps"])


def _normalise_root(call: Call) -> Ref:
    first, epsilon = -len(call["normalized_shape"]), call["eps"]
    epsilon = 2.0**-23 if epsilon is None else epsilon
    return call.emit("root_norm", call["input"], call["weight"], first=first, epsilon=epsilon)


def _pool_max(call: Call) -> Ref:
    return call.emit(
        "pool_max",
        call["self"],
        size=to_pair(call["kernel_size"]),
        stride=to_pair(call["stride"] or call["kernel_size"]),
        pads=_to_pads(call["padding"]),
        dilation=to_pair(call["dilation"]),
        ceil=call["ceil_mode"],
    )


def _pool_mean(call: Call) -> Ref:
    return call.emit(
        "pool_mean",
        call["self"],
        size=to_pair(call["kernel_size"]),
        stride=to_pair(call["stride"] or call["kernel_size"]),
        pads=_to_pads(call["padding"]),
        ceil=call["ceil_mode"],
        with_pads=call["count_include_pad"],
        divisor=call["divisor_override"],
    )


def _pool_adaptively(largest: bool) -> Translation:
    def translate(call: Call) -> Ref:
        size = to_pair(call["output_size"])
        return call.emit("pool_adaptively", call["self"], size=size, largest=largest)

    return translate


def _resize(method: str, coordinates: str, rounding: str | None = None) -> Translation:
    def translate(call: Call) -> Ref:
        factors = call.get("scale_factors")
        if "scales_h" in call.arguments and call["scales_h"] is not None:
            factors = (call["scales_h"], call["scales_w"])
        places = "align_corners" if call.get("align_corners") else coordinates
        return call.emit(
            "resize",
            call.get("input", call.get("self")),
            call["output_size"],
            factors,
            method=method,
            coordinates=places,
            rounding=rounding,
        )

    return translate


def _first(translation: Translation) -> Translation:
    """Translates an operation that returns its result and something that is not needed."""
    return lambda call: (translation(call), None)


def _gelu(call: Call) -> Ref:
    return call.emit("gelu", call["self"], tanh=call["approximate"] == "tanh")


def _attend(call: Call) -> Ref:
    inputs = call["query"], call["key"], call["value"], call["attn_mask"]
    return call.emit("attend", *inputs, causal=call["is_causal"], scale=call["scale"])


def _glu(call: Call) -> Ref:
    halves = call.emit("chunk", call["self"], count=2, axes=(call["dim"],))
    first, gate = (call.emit("item", halves, place=place) for place in (0, 1))
    return call.emit("multiply", first, call.emit("sigmoid", gate))


LAYERS: dict[str, Translation] = {
    "_native_batch_norm_legit": _first(_normalise),
    "_native_batch_norm_legit_no_training": _first(_normalise),
    "_adaptive_avg_pool2d": _pool_adaptively(False),
    "_upsample_nearest_exact2d": _resize("nearest", "half_pixel", "round_prefer_ceil"),
    "adaptive_avg_pool2d": _pool_adaptively(False),
    "adaptive_max_pool2d": _first(_pool_adaptively(True)),
    "avg_pool2d": _pool_mean,
    "batch_norm": _normalise,
    "conv2d": _convolve,
    "conv_transpose2d": _convolve_transposed,
    "gelu": _gelu,
    "glu": _glu,
    "group_norm": _pass(
        "group_norm", "input", "weight", "bias", groups="num_groups", epsilon="eps"
    ),
    "instance_norm": _normalise,
    "layer_norm": _normalise_layer,
    "linear": _connect,
    "max_pool2d": _pool_max,
    "max_pool2d_with_indices": _first(_pool_max),
    "pixel_shuffle": _pass("channels_to_blocks", "self", block="upscale_factor"),
    "pixel_unshuffle": _pass("blocks_to_channels", "self", block="downscale_factor"),
    "prelu": _pass("prelu", "self", "weight"),
    "rms_norm": _normalise_root,
    "scaled_dot_product_attention": _attend,
    "upsample_bicubic2d": _resize("cubic", "half_pixel"),
    "upsample_bilinear2d": _resize("linear", "half_pixel"),
    "upsample_nearest2d": _resize("nearest", "asymmetric"),
}
"""Name of an ATen operation -> its translation, for layers of networks."""

KEPT: dict[str, Translation] = {
    **dict.fromkeys(
        (
            "alias alpha_dropout clone contiguous detach dropout feature_dropout lift_fresh "
            "lift_fresh_copy"
        ).split(),
        _keep,
    ),
    **dict.fromkeys(("_to_copy", "to"), _cast),
}
"""The same for what changes nothing, or the type alone."""
