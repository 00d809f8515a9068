"""An Equinox module as a Network: every submodule's output is a tap."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Unpack, cast

import jax
import numpy as np

from jaxvis.nets.adapted import Names, adapt
from jaxvis.nets.adaption import Adaption
from jaxvis.nets.capture import Outputs
from jaxvis.nets.marking import collect_outputs, mark_outputs
from jaxvis.nets.preprocessing import ImageOptions, Preprocessing
from jaxvis.network import Network
from jaxvis.types import Array, Params

Path = tuple[str, ...]


def from_equinox(
    module: Any,
    *,
    state: Any = None,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
    **images: Unpack[ImageOptions],
) -> tuple[Network, Params]:
    """Returns an Equinox module as (net, params); every submodule's output is a tap.

    Equal modules give equal nets, which do not compile again. `apply` refuses `start`,
    since a module can only be run from its input. What is computed within a loop of JAX
    (`jax.lax.scan`) has no taps.

    Args:
      module: an `equinox.Module` that takes one image `[C, H, W]` without a batch axis, as
        Equinox's own layers do. A copy of it is put into inference mode. A key that its
        call demands is given to it.
      state: the `equinox.nn.State` that `equinox.nn.make_with_state` returned beside the
        module; None if it has none.
      input_size: (H, W) in pixels of its native image.
      taps, scores, name: see `from_nnx`.
      arguments: further keyword arguments of its call, hashable: {"inference": True}.
      **images: mean, std, range, layout and channels, as in `from_nnx`; but layout="CHW"
        is the default. Maps inside that have the other layout are turned to `[h, w, c]`.

    Returns:
      (net, params): params are the module's arrays as a plain nested dict, named by
      their paths; those of `state` under "state".

    Raises:
      ImportError: without Equinox; says how to install it.
      ValueError: for a missing state, an unknown tap, activations of another layout, or a
        network that fails on such images; says which options it would take.

    >>> import equinox
    >>> import jax
    >>> import jaxvis
    >>> conv = equinox.nn.Conv2d(3, 8, 3, key=jax.random.key(0))
    >>> net, params = jaxvis.from_equinox(equinox.nn.Sequential([conv]), input_size=(16, 16))
    >>> net.apply(params, jax.numpy.zeros((16, 16, 3)))["output"].shape
    (14, 14, 8)
    """
    eqx = _import_equinox()
    module = eqx.nn.inference_mode(module)
    if state is None:
        module, state = _split_state(eqx, module)
    static, params = _split_arrays({"module": module, "state": state})
    run = EquinoxRun(static, tuple(sorted((arguments or {}).items())))
    options: ImageOptions = {"layout": "CHW", **images}
    adaption = Adaption(
        name or type(module).__name__,
        run,
        params,
        Preprocessing(**options),
        batched=False,
        can_be_single=False,
        mixes_layouts=True,
    )
    return adapt(adaption, taps, input_size, scores)


@dataclass(frozen=True)
class EquinoxRun:
    """The run of an Equinox module to its outputs; its parameters are its arrays.

    Args:
      static: the module and its state without arrays.
      arguments: keyword arguments of its call.
    """

    static: "Skeleton"
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, params: Params, images: Array) -> Outputs:
        """Returns every output of one image, `[C, H, W]`."""
        return collect_outputs(self._call, params, images)

    def _call(self, params: Params, image: Array) -> Any:
        eqx = _import_equinox()
        parts = self.static.join(params)
        module, state = parts["module"], parts["state"]
        takes = inspect.signature(type(module).__call__).parameters
        options = dict(self.arguments)
        if "key" in takes and "key" not in options and _is_demanded(takes["key"]):
            options["key"] = jax.random.key(0)  # in inference mode nothing depends on it
        given = [image]
        if jax.tree.leaves(state) and "state" in takes:
            options["state"] = state
        elif jax.tree.leaves(state):
            given.append(state)
        return _without_state(eqx, _record_calls(eqx, module, ())(*given, **options))


class Skeleton:
    """A tree without its arrays; two are equal if they hold equal things.

    Args:
      tree: the tree's definition.
      paths: the path in the nested dict of parameters for each array, None for others.
      others: the leaves that are no arrays.
    """

    def __init__(self, tree: Any, paths: tuple[Path | None, ...], others: tuple[Any, ...]) -> None:
        self._content = (tree, paths, others)
        try:
            self._hash = hash(self._content)
        except TypeError:  # a module may hold what cannot be compared: it equals itself alone
            self._content, self._hash = (tree, paths, _Only(others)), id(self)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Skeleton) or self._hash != other._hash:
            return self is other
        return bool(self._content == other._content)

    def join(self, params: Params) -> Any:
        """Returns the tree with these arrays.

        Args:
          params: nested dict of arrays.
        """
        tree, paths, others = self._content
        rest = iter(others)
        leaves = [next(rest) if path is None else _read(params, path) for path in paths]
        return jax.tree.unflatten(tree, leaves)


class _Only(tuple[Any, ...]):
    """Values that are equal to themselves alone."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _import_equinox() -> ModuleType:
    try:
        return import_module("equinox")
    except ImportError as error:
        raise ImportError(f"from_equinox needs Equinox ({error}): pip install equinox") from None


def _split_state(eqx: ModuleType, module: Any) -> tuple[Any, Any]:
    """Returns a module and its state, where its layers still hold their initial state."""
    indices = [
        leaf
        for leaf in jax.tree.leaves(module, is_leaf=lambda x: isinstance(x, eqx.nn.StateIndex))
        if isinstance(leaf, eqx.nn.StateIndex)
    ]
    if not indices:
        return module, None
    if not all(jax.tree.leaves(index.init) for index in indices):
        raise ValueError(
            f"{type(module).__name__} has a state of its own: pass it, state=, as "
            "equinox.nn.make_with_state returned it beside the module"
        )
    return eqx.nn.make_with_state(lambda: module)()


def _split_arrays(tree: Any) -> tuple[Skeleton, Params]:
    """Returns a tree without its arrays, and the arrays as a nested dict.

    What is not in "state" loses its first name, "module".
    """
    leaves, definition = jax.tree_util.tree_flatten_with_path(tree)
    params: Params = {}
    paths: list[Path | None] = []
    others = []
    for keys, leaf in leaves:
        if not isinstance(leaf, jax.Array | np.ndarray):
            paths.append(None)
            others.append(leaf)
            continue
        names = _name_path(keys)
        path = names if names[0] == "state" else names[1:]
        paths.append(path)
        _write(params, path, jax.numpy.asarray(leaf))
    return Skeleton(definition, tuple(paths), tuple(others)), params


def _name_path(keys: tuple[Any, ...]) -> Path:
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in keys)


def _write(params: Any, path: Path, value: Any) -> None:
    for name in path[:-1]:
        params = params.setdefault(name, {})
    params[path[-1]] = value


def _read(params: Any, path: Path) -> Any:
    for name in path:
        params = params[name]
    return params


def _is_demanded(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _without_state(eqx: ModuleType, output: Any) -> Any:
    """Returns what a module returned, without the new state."""
    if not isinstance(output, tuple):
        return output
    rest = tuple(part for part in output if not isinstance(part, eqx.nn.State))
    return rest[0] if len(rest) == 1 else rest


def _record_calls(eqx: ModuleType, module: Any, path: Path) -> Any:
    """Returns a copy of a module in which every submodule marks what its calls return."""

    def is_below(part: Any) -> bool:
        return part is not module and isinstance(part, eqx.Module)

    parts, tree = jax.tree_util.tree_flatten_with_path(module, is_leaf=is_below)
    copy = jax.tree.unflatten(
        tree,
        [
            _record_calls(eqx, part, path + _name_path(keys)) if is_below(part) else part
            for keys, part in parts
        ],
    )
    if path and "__call__" in dir(type(copy)):
        opaque, cls = (eqx.Module, eqx.nn.State), cast(Any, type(copy))
        object.__setattr__(copy, "__class__", _recorder_of(cls, ".".join(path), opaque))
    return copy


@cache
def _recorder_of(cls: Any, name: str, opaque: tuple[type, ...]) -> Any:
    """Returns the subclass that marks what calls return, for the module of this path.

    The path belongs to the class: instances are taken apart and put together again by
    every transformation of JAX, and keep only their fields.
    """
    call: Callable[..., Any] = cls.__call__

    def record(self: Any, *args: Any, **kwargs: Any) -> Any:
        return mark_outputs(name, call(self, *args, **kwargs), opaque=opaque)

    names = ("__module__", "__qualname__", "__doc__")
    body = {key: vars(cls)[key] for key in names if key in vars(cls)}
    return type(cls)(cls.__name__, (cls,), {**body, "__call__": record})
