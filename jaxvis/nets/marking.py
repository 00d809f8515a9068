"""Values inside a computation that are marked by name, and come out beside its result.

A layer may be called within `jax.vmap`, `jax.jit` or `jax.checkpoint`, where a value that is
put aside would be lost to JAX: it belongs to the inner transformation. So the value is
marked by an operation that does nothing. The whole computation is traced, and what is
traced is then evaluated with an eye on the marks: a marked value of a layer that is mapped
over pixels is that of all pixels, `[h, w, c]`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxvis.jax_internals import JaxprEqn, Primitive, ad, batching, mlir
from jaxvis.nets.capture import Outputs, name_outputs
from jaxvis.nets.equations import evaluate
from jaxvis.types import Array, Params

_MARK = Primitive("jaxvis_mark")


def mark_outputs(name: str, value: Any, *, opaque: tuple[type, ...] = ()) -> Any:
    """Marks every array of a module's output, and gives the output with the marks.

    Args:
      name: the module's path, "blocks.0.norm".
      value: an array of any shape, or a tree of them.
      opaque: types of parts that are no activations and stay as they are.
    """
    leaves, tree = jax.tree.flatten(value, is_leaf=lambda part: isinstance(part, opaque))
    paths = jax.tree.unflatten(tree, range(len(leaves)))
    arrays = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
    names: dict[Any, str] = {i: part for part, i in name_outputs("", paths).items()}
    for i in arrays:
        part = names[i] if len(arrays) > 1 else ""
        leaves[i] = _MARK.bind(leaves[i], name=name, part=part)
    return jax.tree.unflatten(tree, leaves)


def collect_outputs(run: Callable[[Params, Array], Any], params: Params, images: Array) -> Outputs:
    """Runs a function, and gives what it marks and returns, by name and in order.

    Further marks of one name are numbered. What is marked within a loop of JAX
    (`jax.lax.scan`, `while_loop`, `cond`) stays inside.

    Args:
      run: function of (params, images) that marks its parts' outputs, and returns arrays.
      params: its parameters.
      images: of the shape that it takes.
    """
    traced, shape = jax.make_jaxpr(run, return_shape=True)(params, images)
    found: list[tuple[str, str, Array]] = []
    inputs = jax.tree.leaves((params, images))

    def note(equation: JaxprEqn, given: list[Any]) -> list[Any]:
        found.append((equation.params["name"], equation.params["part"], given[0]))
        return given

    results = evaluate(traced.jaxpr, traced.consts, inputs, _is_mark, note)
    outputs: Outputs = {}
    calls: dict[tuple[str, str], int] = {}
    for name, part, value in found:
        call = calls[name, part] = calls.get((name, part), -1) + 1
        outputs[name + (f"_{call}" if call else "") + part] = value
    output = jax.tree.unflatten(jax.tree.structure(shape), results)
    return outputs | name_outputs("output", output, root=True)


def _is_mark(equation: JaxprEqn) -> bool:
    return equation.primitive is _MARK


def _map_mark(values: Sequence[Array], axes: Sequence[int], **names: str) -> tuple[Array, int]:
    # Where JAX keeps the axis of vmap is its own affair: it comes first.
    return _MARK.bind(jax.numpy.moveaxis(values[0], axes[0], 0), **names), 0


# The operation does nothing: to its value, its tangents and its cotangents.
_MARK.def_impl(lambda value, **names: value)
_MARK.def_abstract_eval(lambda value, **names: value)
mlir.register_lowering(_MARK, lambda context, value, **names: [value])
batching.primitive_batchers[_MARK] = _map_mark
ad.primitive_jvps[_MARK] = lambda primals, tangents, **names: (
    _MARK.bind(primals[0], **names),
    tangents[0],
)
