"""The outputs of every module inside a Flax module, by the module's path."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import new_class
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from jaxvis.types import Array, Params

Outputs = dict[str, Array]

_COUNT: ContextVar[Iterator[int] | None] = ContextVar("count", default=None)
"""The numbers of the calls that are being recorded; None where nothing is recorded."""


class CallOutput(nnx.Intermediate):
    """An output of an NNX module's call; its name is the call's number."""


@dataclass(frozen=True)
class NnxRun:
    """The run of an NNX module to its outputs; its parameters are its pure dict."""

    graph: nnx.GraphDef
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, params: Params, images: Array) -> Outputs:
        """Returns every output of images `[1, H, W, C]`."""
        module = nnx.merge(self.graph, params)
        return capture_nnx_outputs(module, images, dict(self.arguments))


@dataclass(frozen=True)
class LinenRun:
    """The run of a Linen module to its outputs; its parameters are its variables."""

    module: linen.Module
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, params: Params, images: Array) -> Outputs:
        """Returns every output of images `[1, H, W, C]`."""
        return capture_linen_outputs(self.module, params, images, dict(self.arguments))


@dataclass(frozen=True)
class FunctionRun:
    """The run of a function of (params, images) to what it returns, by name."""

    fn: Callable[[Any, Array], Any]

    def __call__(self, params: Params, images: Array) -> Outputs:
        """Returns every output of images `[1, H, W, C]`, or of one image `[H, W, C]`."""
        return name_outputs("output", self.fn(params, images), root=True)


def name_outputs(name: str, value: Any, *, root: bool = False) -> Outputs:
    """Returns the arrays of an output by name: "NAME", or "NAME.KEY" where it has several.

    Args:
      name: the output's name.
      value: an array of any shape, or a tree of them.
      root: whether it is what the whole module returns. The keys of a dict then are names
        by themselves.
    """
    bare = root and isinstance(value, Mapping)
    return {
        ".".join(map(str, path if bare else (name, *path))): leaf
        for path, leaf in _walk_arrays(value)
    }


def _walk_arrays(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Array]]:
    """Yields (path, array) of a tree; dicts keep their own order and are not sorted."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _walk_arrays(part, (*path, key))
        return
    for keys, leaf in jax.tree_util.tree_flatten_with_path(value)[0]:
        yield (*path, *(jax.tree_util.keystr((key,), simple=True) for key in keys)), leaf


def capture_nnx_outputs(module: nnx.Module, images: Array, arguments: Mapping[str, Any]) -> Outputs:
    """Returns the outputs of an NNX module and its submodules, and what they sow.

    Args:
      module: called with `images` and `arguments`. It must be the caller's own copy,
        because its parts are changed into modules that record their calls.
      images: `[1, H, W, C]`.
      arguments: keyword arguments of the call.
    """
    run = nnx.capture(lambda m, x: m(x, **arguments), CallOutput, nnx.Intermediate)
    for _, part in nnx.iter_modules(module):
        _record_calls(part)
    with _number_calls():
        output, *states = run(module, images)
    calls, sown = states
    found: list[tuple[float, tuple, Any]] = [
        (int(call), path, value[0])
        for path, call, value in _walk_leaves(nnx.to_pure_dict(calls))
        if path
    ]
    ends = {path: call for call, path, _ in found}
    for path, name, values in _walk_leaves(nnx.to_pure_dict(sown)):
        found += _place_sown(ends, path, name, values)
    return _name_calls(found, output)


def capture_linen_outputs(
    module: linen.Module,
    variables: Mapping[str, Any],
    images: Array,
    arguments: Mapping[str, Any],
) -> Outputs:
    """Returns the outputs of a Linen module and its submodules, and what they sow.

    Args:
      module: applied to `images` and `arguments`.
      variables: its variables.
      images: `[1, H, W, C]`.
      arguments: keyword arguments of the call.
    """
    given = {key: value for key, value in variables.items() if key != "intermediates"}
    ends: dict[tuple, int] = {}

    def note_end(call: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
        result = call(*args, **kwargs)
        if context.method_name == "__call__":
            ends.setdefault(context.module.path, len(ends))
        return result

    with linen.intercept_methods(note_end):
        output, state = module.apply(
            given,
            images,
            **arguments,
            capture_intermediates=True,
            mutable=["intermediates"],
        )
    found = []
    for path, name, values in _walk_leaves(state["intermediates"]):
        if name != "__call__":
            found += _place_sown(ends, path, name, values)
        elif path:
            found += [(ends.get(path, len(ends)), path, value) for value in values]
    return _name_calls(found, output)


def output_shapes(
    run: Callable[[Params, Array], Outputs], params: Params, shape: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a run's outputs, in the order in which they are computed.

    Args:
      run: a function of (params, images).
      params: its parameters, as arrays or as their shapes.
      shape: the shape of the images.
    """
    found: dict[str, tuple[int, ...]] = {}

    def look(params: Params, images: Array) -> None:
        outputs = run(params, images)
        found.update({key: tuple(jnp.shape(x)) for key, x in outputs.items()})

    jax.eval_shape(look, params, jax.ShapeDtypeStruct(shape, jnp.float32))
    return found


def _place_sown(ends: Mapping[tuple, float], path: tuple, name: str, values: Any) -> list:
    """Returns sown values as (place, path, value), placed before their module's output."""
    # Flax gathers the values in a tuple, unless the module says otherwise.
    values = values if isinstance(values, tuple) else (values,)
    place = ends.get(path, len(ends)) - 0.5
    return [(place, (*path, name), value) for value in values]


def _name_calls(found: list[tuple[float, tuple, Any]], output: Any) -> Outputs:
    """Returns the outputs by path, in order; further calls of one module are numbered.

    Args:
      found: (place, path, value) of every submodule's output.
      output: that of the whole module. Flax's record of it has the keys of dicts sorted.
    """
    outputs: Outputs = {}
    calls: dict[tuple, int] = {}
    for _, path, value in sorted(found, key=lambda entry: entry[0]):
        call = calls[path] = calls.get(path, -1) + 1
        suffix = f"_{call}" if call else ""
        outputs |= name_outputs(".".join(map(str, path)) + suffix, value)
    return outputs | name_outputs("output", output, root=True)


def _walk_leaves(tree: Mapping, path: tuple = ()) -> Iterator[tuple[tuple, str, Any]]:
    """Yields (path, name, value) of nested mappings, inner ones first."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _walk_leaves(value, (*path, key))
    for key, value in tree.items():
        if not isinstance(value, Mapping):
            yield path, key, value


def _record_calls(part: nnx.Module) -> None:
    """Changes one module into an instance of a subclass that sows what its calls return.

    Only this instance changes. `nnx.capture(method_outputs=...)` would replace methods of
    the module's class, for the whole process; it also misses a `__call__` that a class
    inherits, and does not say in which order calls end.
    """
    if "__call__" in dir(type(part)):
        is_pytree = not jax.tree_util.all_leaves([part])
        object.__setattr__(part, "__class__", _recorder_of(type(part), is_pytree))


@cache
def _recorder_of(cls: type[nnx.Module], is_pytree: bool) -> type[nnx.Module]:
    """Returns the subclass that records calls; Flax keeps every class that it meets."""

    def record(self: nnx.Module, *args: Any, **kwargs: Any) -> Any:
        result = cls.__call__(self, *args, **kwargs)
        count = _COUNT.get()
        if count is not None:
            self.sow(CallOutput, f"{next(count)}", result)
        return result

    names = ("__module__", "__qualname__", "__doc__")
    body = {name: vars(cls)[name] for name in names if name in vars(cls)}
    body["__call__"] = record
    options = {} if is_pytree else {"pytree": False}
    return new_class(cls.__name__, (cls,), options, lambda space: space.update(body))


@contextmanager
def _number_calls() -> Iterator[None]:
    """Within it, the calls of recording modules are numbered, in this thread alone."""
    token = _COUNT.set(itertools.count())
    try:
        yield
    finally:
        _COUNT.reset(token)
