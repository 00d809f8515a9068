"""Outputs inside a computation that are replaced, and what is then computed from them.

A user's own network is a function from its input alone. To enter it in the middle it is
traced, and what is traced is evaluated again: where it has computed an output by that name,
it goes on with another value. Outputs are told by what they are, not by what they hold, so
the value that later layers read must be the output itself and no copy of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from jaxvis.jax_internals import ClosedJaxpr, Jaxpr, JaxprEqn
from jaxvis.nets.capture import Outputs
from jaxvis.nets.equations import bind_equation
from jaxvis.types import Array, Params

_INNER = {"jit": "jaxpr", "remat2": "jaxpr", "checkpoint": "jaxpr", "closed_call": "call_jaxpr"}
"""Operation -> its parameter that is a computation, run once, whose parts may be replaced.
Functions with a gradient of their own stay whole, so that they keep it."""


class _Slot:
    """A value of a computation, the same inside an inner computation and outside of it."""


@dataclass(frozen=True)
class _Steps:
    """A computation as one list of operations, each (equation, slots it reads, it fills)."""

    operations: list[tuple[JaxprEqn, list[Any], list[Any]]] = field(default_factory=list)
    consts: dict[Any, Any] = field(default_factory=dict)

    def append(self, jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """Appends the operations of a computation, and returns the slots of its results."""
        fixed = [_Slot() for _ in consts]
        self.consts.update(zip(fixed, consts))
        slots: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*fixed, *inputs]))

        def find(atom: Any) -> Any:
            return atom if hasattr(atom, "val") else slots[atom]

        for equation in jaxpr.eqns:
            given = [find(atom) for atom in equation.invars]
            inner = equation.params.get(_INNER.get(equation.primitive.name, ""))
            if inner is None:
                made: list[Any] = [_Slot() for _ in equation.outvars]
                self.operations.append((equation, given, made))
            else:
                closed = ClosedJaxpr(inner, ()) if isinstance(inner, Jaxpr) else inner
                made = self.append(closed.jaxpr, closed.consts, given)
            slots.update(zip(equation.outvars, made))
        return [find(atom) for atom in jaxpr.outvars]

    def run(self, values: Mapping[Any, Any], others: Mapping[Any, Any]) -> dict[Any, Any]:
        """Returns slot -> value, of the inputs and all that follows; `others` stay as given."""
        found = {**self.consts, **values, **others}
        for equation, given, made in self.operations:
            results = bind_equation(equation, [_read(slot, found) for slot in given])
            found.update((s, value) for s, value in zip(made, results) if s not in others)
        return found


def _read(slot: Any, values: Mapping[Any, Any]) -> Any:
    return slot.val if hasattr(slot, "val") else values[slot]


def replace_outputs(
    run: Callable[[Params, Array], Outputs],
    params: Params,
    images: Array,
    others: Mapping[str, Array],
) -> Outputs:
    """Runs a function with other values in the place of some of its outputs.

    What is computed within a loop of JAX (`jax.lax.scan`, `while_loop`, `cond`), or within
    `jax.vmap` of a part, is replaced only where it has left it. An output that nothing else
    is computed from changes alone.

    Args:
      run: function of (params, images) that gives its outputs by name.
      params: its parameters.
      images: of the shape that it takes.
      others: name of an output -> the value in its place, of the same shape.

    Returns:
      dict: the outputs by name; those that are computed from a replaced one are new.

    Raises:
      ValueError: for an output that is a fixed number, which nothing can be put in place of.
    """
    traced, shape = jax.make_jaxpr(run, return_shape=True)(params, images)
    leaves = jax.tree.leaves((params, images))
    inputs, steps = [_Slot() for _ in leaves], _Steps()
    results = steps.append(traced.jaxpr, traced.consts, inputs)
    named: dict[str, Any] = jax.tree.unflatten(jax.tree.structure(shape), results)
    for name in others:
        if not isinstance(named[name], _Slot):
            raise ValueError(f"{name!r} is a fixed number: nothing can be put in its place")
    fixed = {named[name]: value.astype(shape[name].dtype) for name, value in others.items()}
    found = steps.run(dict(zip(inputs, leaves)), fixed)
    return {name: _read(slot, found) for name, slot in named.items()}
