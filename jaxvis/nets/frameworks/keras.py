"""A Keras 3 model on the JAX backend as a Network: every layer's output is a tap."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from threading import RLock
from typing import Any, Unpack

import jax

from jaxvis.nets.adapted import Names, adapt
from jaxvis.nets.adaption import Adaption
from jaxvis.nets.capture import Outputs
from jaxvis.nets.marking import collect_outputs, mark_outputs
from jaxvis.nets.preprocessing import ImageOptions, Preprocessing
from jaxvis.network import Network
from jaxvis.types import Array, Params

SCORES = "scores"
"""The last part of the name of what goes into a softmax: "predictions.scores"."""
_RECORDING: ContextVar[bool] = ContextVar("recording", default=False)
"""Whether the calls of layers are recorded, in this thread alone."""
_LOCK = RLock()
"""Held while the layers of a model have other methods than their own."""


def from_keras(
    model: Any,
    *,
    input_size: tuple[int, int] | None = None,
    taps: Names = None,
    scores: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
    **images: Unpack[ImageOptions],
) -> tuple[Network, Params]:
    """Returns a Keras 3 model as (net, params); every layer's output is a tap.

    The model is functional, Sequential or a subclass, runs on Keras's JAX backend, and is
    called in inference mode. The layers of a layer are "block.conv". What goes into a softmax
    is a tap too, "predictions.scores". Models with equal configurations give equal nets,
    which do not compile again. `apply` refuses `start`, since a model can only be run from
    its input.

    Args:
      model: a `keras.Model` that takes images `[1, H, W, C]` and is built: it has been
        called, or has an input.
      input_size: (H, W) in pixels of its native image; None takes that of its input.
      taps, name: see `from_nnx`.
      scores: the tap of the class scores before softmax; None takes what goes into the
        softmax that the model ends with, or else "output" if that is a vector.
      arguments: further keyword arguments of its call, hashable.
      **images: mean, std, range, layout and channels, as in `from_nnx`. Many models of
        `keras.applications` take range=(0, 255), and preprocess within.

    Returns:
      (net, params): params are the model's variables by the path of their layer,
      {"block/conv": {"kernel": ..., "bias": ...}}.

    Raises:
      ValueError: for a Keras on another backend (set KERAS_BACKEND=jax before it is
        imported), a model that is not built, an unknown tap, or a model that fails on such
        images; says which options it would take.

    >>> import os
    >>> os.environ["KERAS_BACKEND"] = "jax"
    >>> import keras
    >>> import jaxvis
    >>> conv = keras.layers.Conv2D(8, 3, name="conv")
    >>> net, params = jaxvis.from_keras(keras.Sequential([keras.Input((16, 16, 3)), conv]))
    >>> net.shape(params, "conv")
    (14, 14, 8)
    """
    _check_backend(model)
    if not model.built:
        raise ValueError(
            f"{model.name} has no parameters yet: call it once on an image, or build it with "
            f"{model.name}.build((None, H, W, 3))"
        )
    size = _find_input_size(model) if input_size is None else input_size
    variables = _name_variables(model)
    run = KerasRun(
        _describe(model), tuple(sorted((arguments or {}).items())), tuple(variables), model
    )
    params: dict[str, dict[str, Array]] = {}
    for (layer, leaf), variable in variables.items():
        params.setdefault(layer, {})[leaf] = jax.numpy.asarray(variable.value)
    adaption = Adaption(
        name or model.name,
        run,
        params,
        Preprocessing(**images),
        batched=True,
        can_be_single=False,
        mixes_layouts=True,
    )
    return adapt(adaption, taps, size, scores or _find_scores(adaption, size, taps))


@dataclass(frozen=True)
class KerasRun:
    """The run of a Keras model to its outputs; its parameters are its variables.

    Args:
      what: the model's class and configuration, which two equal models share.
      arguments: keyword arguments of its call.
      names: of the parameters.
      model: the model; of its own variables only the states of random generators are used.
    """

    what: tuple[Any, ...]
    arguments: tuple[tuple[str, Any], ...]
    names: tuple[tuple[str, str], ...]
    model: Any = field(compare=False, repr=False)

    def __call__(self, params: Params, images: Array) -> Outputs:
        """Returns every output of images `[1, H, W, C]`."""
        return collect_outputs(self._call, params, images)

    def _call(self, params: Params, images: Array) -> Any:
        named = _name_variables(self.model).values()
        values = {
            id(variable): params[layer][leaf] for (layer, leaf), variable in zip(self.names, named)
        }
        trained, others = (
            [values.get(id(variable), variable.value) for variable in variables]
            for variables in (self.model.trainable_variables, self.model.non_trainable_variables)
        )
        with _record_calls(self.model):
            output, _ = self.model.stateless_call(
                trained,
                others,
                images,
                **_choose_arguments(self.model, self.arguments),
            )
        return output


def _choose_arguments(model: Any, given: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Returns the keyword arguments of a model's call, with training=False if it takes that."""
    takes = inspect.signature(model.call).parameters.values()
    knows = any(one.name == "training" or one.kind == one.VAR_KEYWORD for one in takes)
    return {**({"training": False} if knows else {}), **dict(given)}


def _check_backend(model: Any) -> None:
    try:
        keras = import_module("keras")
    except ImportError as error:
        raise ImportError(f"from_keras needs Keras 3 ({error}): pip install keras") from None
    backend = keras.config.backend()
    if backend != "jax":
        raise ValueError(
            f"Keras runs on {backend} here, and from_keras needs JAX: set the environment "
            "variable KERAS_BACKEND=jax before keras is imported, and load the model again"
        )
    if not isinstance(model, keras.Model):
        raise ValueError(f"model is a keras.Model, not {type(model).__name__}")


def _find_input_size(model: Any) -> tuple[int, int]:
    """Returns (H, W) of a model's input, where it has one of a fixed size."""
    shape = getattr(model, "input_shape", None)
    channels_first = import_module("keras").config.image_data_format() == "channels_first"
    if isinstance(shape, tuple) and len(shape) == 4:
        sides = shape[2:] if channels_first else shape[1:3]
        if None not in sides:
            return int(sides[0]), int(sides[1])
    raise ValueError(f"{model.name} takes images of several sizes: pass input_size=(H, W)")


def _name_variables(model: Any) -> dict[tuple[str, str], Any]:
    """Returns the variables by (path of their layer, name), numbered where two have the same.

    The states of random generators are left out.
    """
    names: dict[tuple[str, str], Any] = {}
    for variable in model.variables:
        if variable.path.endswith("seed_generator_state"):
            continue
        layer, _, leaf = variable.path.removeprefix(f"{model.name}/").rpartition("/")
        number, name = 1, (layer or model.name, leaf)
        while name in names:
            number += 1
            name = (name[0], f"{leaf}_{number}")
        names[name] = variable
    return names


def _describe(model: Any) -> tuple[Any, ...]:
    """Returns what equal models share, hashable: class and configuration, or the model itself."""
    try:
        facts = model.get_config()
        config = json.dumps(facts, sort_keys=True)
    except Exception:  # a subclass may have no configuration, or one that cannot be written
        return (type(model), id(model))
    # Keras counts inputs and models in a process; their names mean nothing for the network.
    for number, name in enumerate([model.name, *_list_inputs(facts)]):
        config = config.replace(json.dumps(name), json.dumps(f"#{number}"))
    return (type(model), config)


def _list_inputs(config: Any) -> Iterator[str]:
    """Yields the names of the inputs in a configuration, also of models inside."""
    if isinstance(config, Mapping):
        if config.get("class_name") == "InputLayer":
            yield config["config"]["name"]
        config = list(config.values())
    if isinstance(config, list | tuple):
        for part in config:
            yield from _list_inputs(part)


def _is_input(layer: Any) -> bool:
    return type(layer).__name__ == "InputLayer"


def _find_scores(found: Adaption, size: tuple[int, int], taps: Names) -> str | None:
    """Returns the tap of what goes into the softmax that a model ends with, or None."""
    shapes = found.find_shapes((int(size[0]), int(size[1])))
    names = [key for key in shapes if key.endswith(f".{SCORES}")]
    if not names or shapes[names[-1]] != shapes.get("output") or len(shapes[names[-1]]) != 2:
        return None
    own = {name: name for name in names} if taps is None else taps
    pairs = own.items() if isinstance(own, Mapping) else ((tap, tap) for tap in own)
    return next((tap for tap, output in pairs if output == names[-1]), None)


def _list_layers(layer: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yields (path, operation) of everything that a layer calls; each operation once."""
    below = list(layer._flatten_layers(include_self=False, recursive=False))
    below += [one for one in getattr(layer, "operations", ()) if one not in below]
    for one in below:
        if id(one) in seen or _is_input(one):
            continue
        seen.add(id(one))
        name = (*path, one.name)
        yield ".".join(name), one
        if hasattr(one, "_flatten_layers"):
            yield from _list_layers(one, name, seen)


@contextmanager
def _record_calls(model: Any) -> Iterator[None]:
    """Within it, the layers of a model mark what their calls return, in this thread alone."""
    with _LOCK:
        changed: list[tuple[Any, str, Any]] = []
        token = _RECORDING.set(True)
        try:
            for name, layer in _list_layers(model, (), {id(model)}):
                for method, replacement in _wrap_methods(name, layer):
                    # Past Keras's own, which would look for variables in what is set.
                    vars(layer)[method], old = replacement, vars(layer).get(method)
                    changed.append((layer, method, old))
            yield
        finally:
            _RECORDING.reset(token)
            for layer, method, old in changed:
                if old is None:
                    del vars(layer)[method]
                else:
                    vars(layer)[method] = old


def _wrap_methods(name: str, layer: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yields (method, its replacement that marks its result) of a layer."""
    softmax: Callable[..., Any] = import_module("keras").activations.softmax
    call, is_softmax = layer.call, type(layer).__name__ == "Softmax"

    def record(*args: Any, **kwargs: Any) -> Any:
        if not _RECORDING.get():
            return call(*args, **kwargs)
        if is_softmax and args:
            args = (mark_outputs(f"{name}.{SCORES}", args[0]), *args[1:])
        return mark_outputs(name, call(*args, **kwargs))

    yield "call", record
    if getattr(layer, "activation", None) is softmax:
        yield (
            "activation",
            lambda x: softmax(mark_outputs(f"{name}.{SCORES}", x) if _RECORDING.get() else x),
        )
