"""A user's own network, as a Network: NNX modules, Linen modules, plain functions.

`from_nnx`, `from_linen` and `from_function` return (net, params), which every method
takes. Taps are the outputs of the submodules, by path: "stem.conv", "blocks.0.norm";
what a module sows is "blocks.0.NAME", what the whole returns is "output". A module
called again has "NAME_1", then "NAME_2"; an output of several arrays has one tap each,
"NAME.KEY". A dict that the whole returns gives its own keys as names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from jaxvis.nets.capture import (
    Outputs,
    linen_outputs,
    named_outputs,
    nnx_outputs,
    output_shapes,
)
from jaxvis.network import Forward, Network
from jaxvis.types import Array, Params, Taps

Names = Sequence[str] | Mapping[str, str] | None
Colour = float | tuple[float, float, float]


@dataclass(frozen=True)
class _Nnx:
    """Returns the outputs inside an NNX module; its parameters are its pure dict."""

    graph: nnx.GraphDef
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, params: Params, images: Array) -> Outputs:
        module = nnx.merge(self.graph, params)
        return nnx_outputs(module, images, dict(self.arguments))


@dataclass(frozen=True)
class _Linen:
    """Returns the outputs inside a Linen module; its parameters are its variables."""

    module: linen.Module
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, params: Params, images: Array) -> Outputs:
        return linen_outputs(self.module, params, images, dict(self.arguments))


@dataclass(frozen=True)
class _Function:
    """Returns what a function of (params, images) returns, by name."""

    fn: Callable[[Any, Array], Any]

    def __call__(self, params: Params, images: Array) -> Outputs:
        return named_outputs("output", self.fn(params, images), root=True)


@dataclass(frozen=True)
class Adapted(Forward):
    """Returns taps: the forward pass of somebody else's network.

    Args:
      run: hashable function of (params, images) to outputs by name.
      taps: (tap, output) names, in forward order.
      size: (H, W) of the native image in pixels.
      mean, std: what the network wants of RGB in [0, 1]: (x - mean) / std.
      batched: whether `run` takes and returns a leading batch axis.
    """

    run: Callable[[Params, Array], Outputs]
    taps: tuple[tuple[str, str], ...]
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    batched: bool

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns `input` and every tap up to the last of `wanted`."""
        if set(values) != {"input"}:
            raise ValueError(
                f"cannot start at {', '.join(map(repr, values))}: an adapted network "
                "runs from the image only; start= needs a network built from a table"
            )
        taps = {"input": values["input"]}
        names = [tap for tap, _ in self.taps]
        last = max((names.index(tap) for tap in wanted if tap in names), default=-1)
        if last < 0:
            return taps
        outputs = self._outputs(params, values["input"])
        for tap, output in self.taps[: last + 1]:
            if output not in outputs:
                raise ValueError(
                    f"the network computed no {output!r} for this image: its layers "
                    "may depend on the image's size, so adapt it once per size"
                )
            # Later outputs are dropped here, and under jit never computed.
            taps[tap] = outputs[output][0] if self.batched else outputs[output]
        return taps

    def _outputs(self, params: Params, image: Array) -> Outputs:
        x = (image - jnp.array(self.mean)) / jnp.array(self.std)
        size = tuple(image.shape[:2])
        try:
            return self.run(params, x[None] if self.batched else x)
        except (TypeError, ValueError) as error:
            if size == self.size:
                raise
            raise ValueError(
                f"the network failed on an image of {size[0]}x{size[1]}; its native "
                f"size is {self.size[0]}x{self.size[1]}: {error}"
            ) from error


def from_nnx(
    module: nnx.Module,
    *,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    mean: Colour = 0.0,
    std: Colour = 1.0,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> tuple[Network, Params]:
    """Returns a Flax NNX module as (net, params), every submodule's output a tap.

    Args:
      module: takes images `[1, H, W, 3]`; it is put into evaluation mode in a copy.
      input_size: (H, W) in pixels of its native image.
      taps: names to keep, in forward order, or a mapping from tap names of your own to
        those names; None keeps all. Tracing costs nothing for taps that nobody uses.
      scores: the tap of the class scores before softmax; None takes "output" if that
        is a vector.
      mean, std: what the module wants of RGB in [0, 1], (x - mean) / std; one number
        or three.
      arguments: further keyword arguments of its call, hashable: {"train": False}.
      name: of the network; None is the class's name.

    Returns:
      (net, params): params is the module's state as a plain nested dict, without its
      random generators.

    Raises:
      ValueError: for an unknown tap, or one without the batch axis.

    Departures: `start` is refused, since a module can only be run from its input.
      Equal modules give equal nets, which do not compile again.
    """
    copy = nnx.clone(module)
    copy.eval()
    nnx.pop(copy, nnx.RngState)
    graph, state = nnx.split(copy)
    return _adapt(
        name or type(module).__name__,
        _Nnx(graph, tuple(sorted((arguments or {}).items()))),
        nnx.to_pure_dict(state),
        taps,
        input_size,
        scores,
        (mean, std),
        batched=True,
    )


def from_linen(
    module: linen.Module,
    variables: Mapping[str, Any],
    *,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    mean: Colour = 0.0,
    std: Colour = 1.0,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> tuple[Network, Params]:
    """Returns a Flax Linen module as (net, params), every submodule's output a tap.

    Args:
      module: takes images `[1, H, W, 3]`.
      variables: what `module.init` returned, or trained ones: {"params": ..., ...}.
      input_size, taps, scores, mean, std, name: see `from_nnx`.
      arguments: further keyword arguments of its call, hashable: {"train": False}.

    Returns:
      (net, params): params is `variables` as a plain nested dict.

    Raises:
      ValueError: for an unknown tap, or one without the batch axis.

    Departures: `start` is refused, since a module can only be run from its input.
    """
    return _adapt(
        name or type(module).__name__,
        _Linen(module, tuple(sorted((arguments or {}).items()))),
        _plain(variables),
        taps,
        input_size,
        scores,
        (mean, std),
        batched=True,
    )


def from_function(
    fn: Callable[[Any, Array], Any],
    params: Params,
    *,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    mean: Colour = 0.0,
    std: Colour = 1.0,
    batched: bool = False,
    name: str | None = None,
) -> tuple[Network, Params]:
    """Returns a function (params, image) -> {tap: activation} as (net, params).

    Args:
      fn: pure; its dict's keys are the taps. Define it once: a function made anew is
        another network, and compiles again.
      params: its first argument, a plain nested dict of arrays; {} if it has none.
      input_size, taps, scores, mean, std: see `from_nnx`.
      batched: False if `fn` takes one image `[H, W, 3]`; True if it takes
        `[1, H, W, 3]` and returns activations with that leading axis.
      name: of the network; None is the function's name.

    Returns:
      (net, params): params as given.

    Raises:
      ValueError: for an unknown tap, or one without the batch axis.

    Departures: `start` is refused, since a function can only be run from its input.
    """
    return _adapt(
        name or getattr(fn, "__name__", type(fn).__name__),
        _Function(fn),
        params,
        taps,
        input_size,
        scores,
        (mean, std),
        batched=batched,
    )


def _adapt(
    name: str,
    run: Callable[[Params, Array], Outputs],
    params: Params,
    taps: Names,
    input_size: tuple[int, int],
    scores: str | None,
    colour: tuple[Colour, Colour],
    *,
    batched: bool,
) -> tuple[Network, Params]:
    """Returns the network around `run`, its taps found by tracing it once."""
    size = (int(input_size[0]), int(input_size[1]))
    shapes = output_shapes(run, params, (1,) * batched + (*size, 3))
    chosen = _choose(name, shapes, taps, batched)
    mean, std = (tuple(np.broadcast_to(value, 3).tolist()) for value in colour)
    if scores is None and len(shapes.get("output", ())) == 1 + batched:
        scores = next((tap for tap, output in chosen if output == "output"), None)
    net = Network(
        name=name,
        forward=Adapted(run, chosen, size, mean, std, batched),
        taps=("input", *(tap for tap, _ in chosen)),
        input_size=size,
        scores=scores,
        classes=scores,
    )
    if scores is not None:
        net.named(scores)
    return net, params


def _choose(
    name: str, shapes: dict[str, tuple[int, ...]], taps: Names, batched: bool
) -> tuple[tuple[str, str], ...]:
    """Returns (tap, output) pairs in forward order, checked."""
    fits = {k: s for k, s in shapes.items() if s and (not batched or s[0] == 1)}
    taps = tuple(fits) if taps is None else taps
    pairs = taps.items() if isinstance(taps, Mapping) else ((tap, tap) for tap in taps)
    chosen = dict(pairs)
    for tap, output in chosen.items():
        if output not in fits:
            got = f", shape {shapes[output]}" if output in shapes else ""
            raise ValueError(
                f"{name} has no output {output!r}{' per image' if got else ''}{got}; "
                f"its outputs are {', '.join(fits)}"
            )
        if tap == "input":
            raise ValueError("a tap cannot be called 'input', which is the image")
    if not chosen:
        raise ValueError(f"{name} returns no activation of rank one or more")
    order = list(shapes)
    return tuple(sorted(chosen.items(), key=lambda pair: order.index(pair[1])))


def _plain(tree: Any) -> Any:
    """Returns nested mappings, such as FrozenDicts, as plain dicts."""
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    return tree
