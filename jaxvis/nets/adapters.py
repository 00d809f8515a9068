"""A user's own network as a Network: NNX modules, Linen modules and plain functions.

`from_nnx`, `from_linen` and `from_function` return (net, params), which every method
takes. The taps are the outputs of the submodules, named by path: "stem.conv",
"blocks.0.norm". What a module sows is "blocks.0.NAME", and what the whole module returns is
"output". Further calls of a module are "NAME_1", "NAME_2" and so on. An output of several
arrays has a tap for each, "NAME.KEY"; a dict that the whole module returns names its taps
by its own keys.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from jaxvis.nets.capture import FunctionRun, LinenRun, NnxRun, Outputs, output_shapes
from jaxvis.network import Forward, Network
from jaxvis.types import Array, Params, Taps

Names = Sequence[str] | Mapping[str, str] | None
Colour = float | tuple[float, float, float]


@dataclass(frozen=True)
class AdaptedForward(Forward):
    """The forward pass of a user's own network.

    It cannot be cut into segments, so `rematerialise` refuses.

    Args:
      run: hashable function of (params, images) that gives the outputs by name.
      taps: (tap, output) names, in forward order.
      size: (H, W) of the native image in pixels.
      mean, std: the network takes (x - mean) / std of RGB in [0, 1].
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
                    "may depend on the image's size, so adapt it once for every size"
                )
            # Later outputs are dropped here, so under jit they are never computed.
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
    """Returns a Flax NNX module as (net, params); every submodule's output is a tap.

    Equal modules give equal nets, which do not compile again. `apply` refuses `start`,
    since a module can only be run from its input.

    Args:
      module: takes images `[1, H, W, 3]`. A copy of it is put into evaluation mode.
      input_size: (H, W) in pixels of its native image.
      taps: names of the outputs to keep, or a mapping from tap names of your own to those
        names; None keeps all. Taps that nobody uses cost nothing.
      scores: the tap of the class scores before softmax; None takes "output" if that is
        a vector.
      mean, std: the module takes (x - mean) / std of RGB in [0, 1]; one number or three.
      arguments: further keyword arguments of its call, hashable: {"train": False}.
      name: the network's name; None takes the class's name.

    Returns:
      (net, params): params is the module's state as a plain nested dict, without its
      random generators.

    Raises:
      ValueError: for an unknown tap, or one without the batch axis.
    """
    copy = nnx.clone(module)
    copy.eval()
    nnx.pop(copy, nnx.RngState)
    graph, state = nnx.split(copy)
    return _adapt(
        name or type(module).__name__,
        NnxRun(graph, tuple(sorted((arguments or {}).items()))),
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
    """Returns a Flax Linen module as (net, params); every submodule's output is a tap.

    `apply` refuses `start`, since a module can only be run from its input.

    Args:
      module: takes images `[1, H, W, 3]`.
      variables: what `module.init` returned, or trained ones: {"params": ..., ...}.
      input_size, taps, scores, mean, std, name: see `from_nnx`.
      arguments: further keyword arguments of its call, hashable: {"train": False}.

    Returns:
      (net, params): params is `variables` as a plain nested dict.

    Raises:
      ValueError: for an unknown tap, or one without the batch axis.
    """
    return _adapt(
        name or type(module).__name__,
        LinenRun(module, tuple(sorted((arguments or {}).items()))),
        _to_dicts(variables),
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

    `apply` refuses `start`, since a function can only be run from its input.

    Args:
      fn: a pure function; the keys of its dict are the taps. Define it once: a function
        that is made anew is another network, and compiles again.
      params: its first argument, a plain nested dict of arrays; {} if it has none.
      input_size, taps, scores, mean, std: see `from_nnx`.
      batched: False if `fn` takes one image `[H, W, 3]`; True if it takes
        `[1, H, W, 3]` and returns activations with that leading axis.
      name: the network's name; None takes the function's name.

    Returns:
      (net, params): params as given.

    Raises:
      ValueError: for an unknown tap, or one without the batch axis.
    """
    own_name: str = getattr(fn, "__name__", type(fn).__name__)
    return _adapt(
        name or own_name,
        FunctionRun(fn),
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
    """Returns the network around `run`; tracing it once finds the taps."""
    size = (int(input_size[0]), int(input_size[1]))
    shapes = output_shapes(run, params, (1,) * batched + (*size, 3))
    chosen = _choose_taps(name, shapes, taps, batched)
    mean, std = (tuple(np.broadcast_to(value, 3).tolist()) for value in colour)
    if scores is None and len(shapes.get("output", ())) == 1 + batched:
        scores = next((tap for tap, output in chosen if output == "output"), None)
    net = Network(
        name=name,
        forward=AdaptedForward(run, chosen, size, mean, std, batched),
        taps=("input", *(tap for tap, _ in chosen)),
        input_size=size,
        scores=scores,
        classes=scores,
    )
    if scores is not None:
        net.check_taps(scores)
    return net, params


def _choose_taps(
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


def _to_dicts(tree: Any) -> Any:
    """Returns nested mappings, such as FrozenDicts, as plain dicts."""
    if isinstance(tree, Mapping):
        return {key: _to_dicts(value) for key, value in tree.items()}
    return tree
