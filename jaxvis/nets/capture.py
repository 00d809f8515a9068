"""Every output inside a Flax module, by the path of the submodule that made it."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from jaxvis.types import Array, Params

Outputs = dict[str, Array]


class CallOutput(nnx.Intermediate):
    """An output of an NNX module's call; its name is the call's place in the order."""


_PATCHED = threading.RLock()


def named_outputs(name: str, value: Any, *, root: bool = False) -> Outputs:
    """Returns the arrays of an output by name: "NAME", or "NAME.KEY" for several.

    Args:
      name: of the output.
      value: an array, or a tree of them.
      root: whether it is what the whole returns: a dict's keys then stand alone.
    """
    bare = root and isinstance(value, Mapping)
    return {
        ".".join(map(str, path if bare else (name, *path))): leaf for path, leaf in _parts(value)
    }


def _parts(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Array]]:
    """Yields (path, array) of a tree, dicts in their own order and not sorted."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _parts(part, (*path, key))
        return
    for keys, leaf in jax.tree_util.tree_flatten_with_path(value)[0]:
        yield (*path, *(_key(entry) for entry in keys)), leaf


def nnx_outputs(module: nnx.Module, images: Array, arguments: Mapping[str, Any]) -> Outputs:
    """Returns the outputs of an NNX module and its submodules, and what they sow.

    Args:
      module: called with `images` and `arguments`.
      images: `[1, H, W, 3]`.
      arguments: keyword arguments of the call.
    """
    run = nnx.capture(lambda m, x: m(x, **arguments), CallOutput, nnx.Intermediate)
    with _recorded_calls(module):
        output, calls, sown = run(module, images)
    found = [
        (int(call), path, value[0])
        for path, call, value in _leaves(nnx.to_pure_dict(calls))
        if path
    ]
    ends = {path: call for call, path, _ in found}
    for path, name, values in _leaves(nnx.to_pure_dict(sown)):
        found += _sown(ends, path, name, values)
    return _named(found, output)


def linen_outputs(
    module: linen.Module,
    variables: Mapping[str, Any],
    images: Array,
    arguments: Mapping[str, Any],
) -> Outputs:
    """Returns the outputs of a Linen module and its submodules, and what they sow.

    Args:
      module: applied to `images` and `arguments`.
      variables: its variables.
      images: `[1, H, W, 3]`.
      arguments: keyword arguments of the call.
    """
    given = {key: value for key, value in variables.items() if key != "intermediates"}
    ends: dict[tuple, int] = {}

    def note(call: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
        result = call(*args, **kwargs)
        if context.method_name == "__call__":
            ends.setdefault(context.module.path, len(ends))
        return result

    with linen.intercept_methods(note):
        output, state = module.apply(
            given,
            images,
            **arguments,
            capture_intermediates=True,
            mutable=["intermediates"],
        )
    found = []
    for path, name, values in _leaves(state["intermediates"]):
        if name != "__call__":
            found += _sown(ends, path, name, values)
        elif path:
            found += [(ends.get(path, len(ends)), path, value) for value in values]
    return _named(found, output)


def _sown(ends: Mapping[tuple, int], path: tuple, name: str, values: Any) -> list:
    """Returns sown values as (place, path, value), before their module's output."""
    # Flax gathers the values into a tuple, unless told otherwise.
    values = values if isinstance(values, tuple) else (values,)
    place = ends.get(path, len(ends)) - 0.5
    return [(place, (*path, name), value) for value in values]


def output_shapes(
    run: Callable[[Params, Array], Outputs], params: Params, shape: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a run's outputs, in the order in which they are computed.

    Args:
      run: function of (params, images).
      params: its parameters; arrays or their shapes.
      shape: of its images.
    """
    found: dict[str, tuple[int, ...]] = {}

    def look(params: Params, images: Array) -> None:
        outputs = run(params, images)
        found.update({key: tuple(jnp.shape(x)) for key, x in outputs.items()})

    jax.eval_shape(look, params, jax.ShapeDtypeStruct(shape, jnp.float32))
    return found


def _named(found: list[tuple[float, tuple, Any]], output: Any) -> Outputs:
    """Returns the outputs by path, in order, further calls of one numbered.

    Args:
      found: (place, path, value) of every submodule's output.
      output: of the whole. What Flax stores of it has the keys of dicts sorted.
    """
    outputs: Outputs = {}
    calls: dict[tuple, int] = {}
    for _, path, value in sorted(found, key=lambda entry: entry[0]):
        call = calls[path] = calls.get(path, -1) + 1
        suffix = f"_{call}" if call else ""
        outputs |= named_outputs(".".join(map(str, path)) + suffix, value)
    return outputs | named_outputs("output", output, root=True)


def _leaves(tree: Mapping, path: tuple = ()) -> Iterator[tuple[tuple, str, Any]]:
    """Yields (path, name, value) of nested mappings, inner ones first."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
    for key, value in tree.items():
        if not isinstance(value, Mapping):
            yield path, key, value


def _key(entry: Any) -> Any:
    """Returns the key, index or attribute name of one step of a tree path."""
    return next(getattr(entry, field) for field in ("key", "idx", "name") if hasattr(entry, field))


@contextmanager
def _recorded_calls(module: nnx.Module) -> Iterator[None]:
    """Within it, modules of this one's classes sow the output of every call.

    `nnx.capture(method_outputs=...)` does the same to classes, but misses a `__call__`
    that a class inherits and does not say in which order calls ended.
    """
    classes = {type(part) for _, part in nnx.iter_modules(module)}
    calls = {cls: call for cls in classes if (call := _call(cls)) is not None}
    count = itertools.count()
    with _PATCHED:
        own = {cls: cls.__dict__.get("__call__") for cls in calls}
        for cls, call in calls.items():
            cls.__call__ = _recorded(cls, call, count)
        try:
            yield
        finally:
            for cls, call in own.items():
                if call is None:
                    del cls.__call__
                else:
                    cls.__call__ = call


def _call(cls: type) -> Callable | None:
    """Returns the `__call__` of a class's instances, its own or inherited."""
    found = (base.__dict__.get("__call__") for base in cls.__mro__)
    return next((call for call in found if call is not None), None)


def _recorded(cls: type, call: Callable, count: Iterator[int]) -> Callable:
    owner = threading.get_ident()

    @wraps(call)
    def wrapper(self: nnx.Module, *args: Any, **kwargs: Any) -> Any:
        result = call(self, *args, **kwargs)
        # Not a call through super(), nor another thread's.
        if type(self) is cls and threading.get_ident() == owner:
            self.sow(CallOutput, f"{next(count)}", result)
        return result

    return wrapper
