"""A user's own network as a Network: NNX modules, Linen modules and plain functions.

`from_nnx`, `from_linen` and `from_function` return (net, params), which every method
takes. The taps are the outputs of the submodules, named by path: "stem.conv",
"blocks.0.norm". What a module sows is "blocks.0.NAME", and what the whole module returns is
"output". Further calls of a module are "NAME_1", "NAME_2" and so on. An output of several
arrays has a tap for each, "NAME.KEY"; a dict that the whole module returns names its taps
by its own keys.
"""

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from flax import linen, nnx

from jaxvis.nets.adapted import Names, adapt
from jaxvis.nets.adaption import Adaption
from jaxvis.nets.capture import FunctionRun, LinenRun, NnxRun
from jaxvis.nets.preprocessing import ImageOptions, Preprocessing
from jaxvis.network import Network
from jaxvis.types import Array, Params


def from_nnx(
    module: nnx.Module,
    *,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
    **images: Unpack[ImageOptions],
) -> tuple[Network, Params]:
    """Returns a Flax NNX module as (net, params); every submodule's output is a tap.

    Equal modules give equal nets, which do not compile again. `apply` refuses `start`,
    since a module can only be run from its input.

    Args:
      module: takes images `[1, H, W, C]`. A copy of it is put into evaluation mode.
      input_size: (H, W) in pixels of its native image.
      taps: names of the outputs to keep, or a mapping from tap names of your own to those
        names; None keeps all. Taps that nobody uses cost nothing.
      scores: the tap of the class scores before softmax; None takes "output" if that is
        a vector.
      arguments: further keyword arguments of its call, hashable: {"train": False}.
      name: the network's name; None takes the class's name.
      **images: what the module expects of its images. It takes (x - mean) / std, where x is
        the picture with its values over `range` and its channels in the order `channels`:
        mean=0 and std=1 (one number, or one for each channel), range=(0, 1), or (0, 255) or
        (-1, 1), channels="RGB", "BGR", "grey" or a number, layout="HWC" or "CHW", which is that
        of its activations too. See `jaxvis.nets.preprocessing.Preprocessing`.

    Returns:
      (net, params): params is the module's state as a plain nested dict, without its
      random generators.

    Raises:
      ValueError: for an unknown tap, a wrong batch axis, activations of another layout,
        or a network that fails on such images; says which options it would take.

    >>> from flax import nnx
    >>> import jaxvis
    >>> module = nnx.Sequential(nnx.Conv(3, 8, (3, 3), rngs=nnx.Rngs(0)), nnx.relu)
    >>> net, params = jaxvis.from_nnx(module, input_size=(16, 16))
    >>> net.shape(params, "output")
    (16, 16, 8)
    """
    copy = nnx.clone(module)
    copy.eval()
    nnx.pop(copy, nnx.RngState)
    graph, state = nnx.split(copy)
    adaption = Adaption(
        name or type(module).__name__,
        NnxRun(graph, tuple(sorted((arguments or {}).items()))),
        nnx.to_pure_dict(state),
        Preprocessing(**images),
        batched=True,
        can_be_single=False,
    )
    return adapt(adaption, taps, input_size, scores)


def from_linen(
    module: linen.Module,
    variables: Mapping[str, Any],
    *,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
    **images: Unpack[ImageOptions],
) -> tuple[Network, Params]:
    """Returns a Flax Linen module as (net, params); every submodule's output is a tap.

    `apply` refuses `start`, since a module can only be run from its input.

    Args:
      module: takes images `[1, H, W, C]`.
      variables: what `module.init` returned, or trained ones: {"params": ..., ...}.
      input_size, taps, scores, name: see `from_nnx`.
      arguments: further keyword arguments of its call, hashable: {"train": False}.
      **images: mean, std, range, layout and channels, as in `from_nnx`.

    Returns:
      (net, params): params is `variables` as a plain nested dict.

    Raises:
      ValueError: for an unknown tap, a wrong batch axis, activations of another layout,
        or a network that fails on such images; says which options it would take.

    >>> from flax import linen
    >>> import jax
    >>> import jaxvis
    >>> module = linen.Conv(8, (3, 3))
    >>> variables = module.init(jax.random.key(0), jax.numpy.zeros((1, 16, 16, 3)))
    >>> net, params = jaxvis.from_linen(module, variables, input_size=(16, 16))
    >>> net.shape(params, "output")
    (16, 16, 8)
    """
    adaption = Adaption(
        name or type(module).__name__,
        LinenRun(module, tuple(sorted((arguments or {}).items()))),
        _to_dicts(variables),
        Preprocessing(**images),
        batched=True,
        can_be_single=False,
    )
    return adapt(adaption, taps, input_size, scores)


def from_function(
    fn: Callable[[Any, Array], Any],
    params: Params,
    *,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    batched: bool = False,
    name: str | None = None,
    **images: Unpack[ImageOptions],
) -> tuple[Network, Params]:
    """Returns a function (params, image) -> {tap: activation} as (net, params).

    `apply` refuses `start`, since a function can only be run from its input.

    Args:
      fn: a pure function; the keys of its dict are the taps. Define it once: a function
        that is made anew is another network, and compiles again.
      params: its first argument, a plain nested dict of arrays; {} if it has none.
      input_size, taps, scores: see `from_nnx`.
      batched: False if `fn` takes one image `[H, W, C]`; True if it takes
        `[1, H, W, C]` and returns activations with that leading axis.
      name: the network's name; None takes the function's name.
      **images: mean, std, range, layout and channels, as in `from_nnx`.

    Returns:
      (net, params): params as given.

    Raises:
      ValueError: for an unknown tap, a wrong batch axis, activations of another layout,
        or a network that fails on such images; says which options it would take.

    >>> import jaxvis
    >>> def measure(params, image):
    ...     light = image.mean(-1)
    ...     return {"light": light[..., None], "scores": params["scale"] * light.ravel()}
    >>> jaxvis.from_function(measure, {"scale": 2.0}, input_size=(4, 4), scores="scores")[0]
    Network('measure', 4x4, 3 taps from input to scores)
    """
    own_name: str = getattr(fn, "__name__", type(fn).__name__)
    adaption = Adaption(
        name or own_name,
        FunctionRun(fn),
        params,
        Preprocessing(**images),
        batched=batched,
        can_be_single=True,
    )
    return adapt(adaption, taps, input_size, scores)


def _to_dicts(tree: Any) -> Any:
    """Returns nested mappings, such as FrozenDicts, as plain dicts."""
    if isinstance(tree, Mapping):
        return {key: _to_dicts(value) for key, value in tree.items()}
    return tree
