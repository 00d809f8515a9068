"""The evaluation of a traced computation, with some of its operations replaced.

JAX traces any function, a user's own network too, to a list of equations. Evaluated one by
one, they compute the same; what is replaced on the way has another value or another gradient.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxvis.jax_internals import ClosedJaxpr, Jaxpr, JaxprEqn

Choose = Callable[[JaxprEqn], bool]
"""Says whether an equation is to be replaced."""
Replace = Callable[[JaxprEqn, list[Any]], list[Any]]
"""Gives the results of an equation that is replaced, from its inputs."""

_INNER = {
    "jit": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vmap_call": "call",
}
"""Operation -> its parameter that is a computation of its own, run once on its inputs."""


def find_inner(equation: JaxprEqn) -> ClosedJaxpr | None:
    """Finds the computation inside an operation that runs it once; None where there is none.

    Args:
      equation: the operation.
    """
    inner = equation.params.get(_INNER.get(equation.primitive.name, ""))
    if inner is None:
        return None
    return ClosedJaxpr(inner, ()) if isinstance(inner, Jaxpr) else inner


def evaluate(
    jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any], choose: Choose, replace: Replace
) -> list[Any]:
    """Evaluates a traced computation; the chosen equations are replaced.

    Args:
      jaxpr, consts: the computation.
      inputs: arrays of the shapes that it was traced for.
      choose, replace: which equations are replaced, and by what. Those within a loop of JAX
        (`jax.lax.scan`, `while_loop`, `cond`) are never replaced.
    """
    values: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs]))
    for equation in jaxpr.eqns:
        given = [read(atom, values) for atom in equation.invars]
        inner = find_inner(equation)
        if choose(equation):
            out = replace(equation, given)
        elif inner is not None and _has_chosen(inner.jaxpr, choose):
            out = evaluate(inner.jaxpr, inner.consts, given, choose, replace)
        else:
            out = bind_equation(equation, given)
        values.update(zip(equation.outvars, out))
    return [read(atom, values) for atom in jaxpr.outvars]


def read(atom: Any, values: dict[Any, Any]) -> Any:
    """Reads an input of an equation: a number that stands in it, or a known value.

    Args:
      atom: the input.
      values: variable -> value.
    """
    return atom.val if hasattr(atom, "val") else values[atom]


def bind_equation(equation: JaxprEqn, given: Sequence[Any]) -> list[Any]:
    """Computes one operation as it is.

    Args:
      equation: the operation.
      given: its inputs.
    """
    options = equation.primitive.get_bind_params(equation.params)
    with equation.ctx.manager:
        result = equation.primitive.bind(*given, **options)
    return result if equation.primitive.multiple_results else [result]


def walk_jaxprs(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    """Yields a computation and all within it, those of loops too.

    Args:
      jaxpr: the computation.
    """
    yield jaxpr
    for equation in jaxpr.eqns:
        for option in equation.params.values():
            for inner in option if isinstance(option, tuple | list) else (option,):
                if isinstance(inner, ClosedJaxpr):
                    yield from walk_jaxprs(inner.jaxpr)
                elif isinstance(inner, Jaxpr):
                    yield from walk_jaxprs(inner)


def _has_chosen(jaxpr: Jaxpr, choose: Choose) -> bool:
    inner = [find_inner(equation) for equation in jaxpr.eqns]
    return any(map(choose, jaxpr.eqns)) or any(
        one is not None and _has_chosen(one.jaxpr, choose) for one in inner
    )
