"""A computation evaluated for two inputs at once, whose gradient is made of differences.

Every value is known for the image and for the baseline. An operation f that is not linear
gets the gradient (f(x) - f(b)) / (x - b), so the gradients of the whole computation, times
the image less the baseline, add up to the difference of its results, exactly.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.jax_internals import Jaxpr, JaxprEqn
from jaxvis.nets.equations import bind_equation, find_inner, read
from jaxvis.types import Array

LINEAR = frozenset(
    "add sub neg add_any reduce_sum broadcast_in_dim reshape transpose squeeze expand_dims slice "
    "dynamic_slice concatenate pad rev convert_element_type gather reduce_window_sum cumsum copy "
    "copy_p real optimization_barrier reduce_precision device_put split sharding_constraint "
    "stop_gradient jaxvis_mark".split()
)
"""Operations that are linear in all of their inputs that depend on the image."""
BILINEAR = frozenset(("mul", "dot_general", "conv_general_dilated"))
UNARY = frozenset(
    "exp exp2 log log1p expm1 tanh logistic erf erfc erf_inv rsqrt sqrt cbrt sin cos tan asin acos "
    "atan sinh cosh asinh acosh atanh abs integer_pow sign floor ceil round square".split()
)
COMPARISONS = frozenset("gt ge lt le eq ne".split())
LOGICAL = frozenset("and or not xor is_finite argmax argmin".split())
POOLS = frozenset("reduce_max reduce_window_max".split())
NEAR = 1e-5
"""Two inputs that differ by less than this share of them are one: their difference would
have no digits left, and the operation's own gradient takes its place."""


class Both(NamedTuple):
    """A value for the image and for the baseline.

    Attributes:
      value: for the image, with the gradient that is made of differences.
      base: for the baseline.
      gap: of a comparison x > y, x - y as a value of this kind; else None.
    """

    value: Any
    base: Any
    gap: Any = None


def evaluate_both(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Evaluates a traced computation for an image and a baseline.

    Args:
      jaxpr, consts: the computation.
      inputs: a `Both` for what differs, and arrays for all else.

    Raises:
      ValueError: for an operation of which no rule is known; names it.
    """
    values: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs]))
    for equation in jaxpr.eqns:
        given = [read(atom, values) for atom in equation.invars]
        values.update(zip(equation.outvars, _compute(equation, given)))
    return [read(atom, values) for atom in jaxpr.outvars]


def _compute(equation: JaxprEqn, given: list[Any]) -> list[Any]:
    depends = [isinstance(one, Both) for one in given]
    if not any(depends):
        return bind_equation(equation, given)
    if _is_linear(equation, depends):
        return _apply(equation, given)
    inner = find_inner(equation)
    if inner is not None:
        return evaluate_both(inner.jaxpr, inner.consts, given)
    name = equation.primitive.name

    def run(*arrays: Array) -> Array:
        return bind_equation(equation, arrays)[0]

    if name in UNARY or (name == "pow" and not depends[1]):
        others = given[1:]
        return [_rescale(lambda x: run(x, *others), given[0])]
    if name in POOLS:
        return [_pool(run, given[0])]
    if name in COMPARISONS or name in LOGICAL:
        return [_compare(run, given, name in COMPARISONS)]
    if name in RULES:
        return [RULES[name](run, *given)]
    raise ValueError(
        f"DeepLift has no rule for the operation {name!r} of this network: use "
        "jaxvis.integrated_gradients"
    )


def _apply(equation: JaxprEqn, given: list[Any]) -> list[Both]:
    """Applies a linear operation to both values, and to the gap of a comparison's result."""
    if equation.primitive.name == "stop_gradient":
        # It is told from what depends on the image no more: JAX's softmax hides its maximum.
        return [given[0]]
    values = bind_equation(equation, [_first(one) for one in given])
    bases = bind_equation(equation, [_second(one) for one in given])
    one = given[0]
    if len(given) != 1 or one.gap is None:
        return [Both(*pair) for pair in zip(values, bases)]
    if equation.primitive.name == "convert_element_type":
        # A truth value becomes a number, the step function of the gap.
        return [_step(values[0], bases[0], one.gap)]
    gaps = [bind_equation(equation, [part])[0] for part in one.gap[:2]]
    return [Both(values[0], bases[0], Both(*gaps))]


def _is_linear(equation: JaxprEqn, depends: Sequence[bool]) -> bool:
    """Says whether an operation is linear in those of its inputs that depend on the image."""
    name = equation.primitive.name
    if name in ("gather", "dynamic_slice"):
        return not any(depends[1:])
    if name == "div":
        return not depends[1]
    if name == "select_n":
        return not depends[0]
    if name in BILINEAR:
        return sum(depends) == 1
    inner = find_inner(equation)
    if inner is None:
        return name in LINEAR
    known = {var for var, one in zip(inner.jaxpr.invars, depends) if one}
    for each in inner.jaxpr.eqns:
        flags = [not hasattr(atom, "val") and atom in known for atom in each.invars]
        if any(flags):
            if not _is_linear(each, flags):
                return False
            known.update(each.outvars)
    return True


def _first(one: Any) -> Any:
    return one.value if isinstance(one, Both) else one


def _second(one: Any) -> Any:
    return one.base if isinstance(one, Both) else one


def _lead(value: Array, *terms: tuple[Any, Any]) -> Array:
    """Returns a value whose gradient is `factor` with respect to `x`, for each (factor, x)."""
    out = lax.stop_gradient(value)
    for factor, x in terms:
        out = out + lax.stop_gradient(factor) * (x - lax.stop_gradient(x))
    return out


def _rescale(function: Callable[[Array], Array], x: Both) -> Both:
    """Computes a function of every single number, with its slope from the baseline."""
    inside = lax.stop_gradient(x.value)
    value, slope = jax.jvp(function, (inside,), (jnp.ones_like(inside),))
    base = function(x.base)
    return Both(_lead(value, (_divide(value - base, inside, x.base, slope), x.value)), base)


def _divide(change: Array, x: Array, base: Array, slope: Any) -> Array:
    """Returns change / (x - base), and the slope where x is next to base."""
    near = jnp.abs(x - base) <= NEAR * jnp.maximum(jnp.abs(x), jnp.abs(base))
    return jnp.where(near, slope, change / jnp.where(near, 1, x - base))


def _step(value: Array, base: Array, gap: Both) -> Both:
    inside = lax.stop_gradient(gap.value)
    return Both(_lead(value, (_divide(value - base, inside, gap.base, 0), gap.value)), base)


def _as_both(one: Any) -> Both:
    return one if isinstance(one, Both) else Both(one, one)


def _multiply(run: Callable[..., Array], x: Any, y: Any) -> Both:
    """Computes a product of two values: each gets its change times the other's mean."""
    x, y = _as_both(x), _as_both(y)
    inside = [lax.stop_gradient(one.value) for one in (x, y)]
    means = [lax.stop_gradient((one.value + one.base) / 2) for one in (x, y)]
    value = lax.stop_gradient(run(*inside))
    value = value + run(x.value - inside[0], means[1]) + run(means[0], y.value - inside[1])
    return Both(value, run(x.base, y.base))


def _quotient(run: Callable[..., Array], x: Any, y: Both) -> Both:
    inverse = _rescale(lambda y: 1 / y, y)
    return _multiply(jnp.multiply, x, inverse)


def _largest(run: Callable[..., Array], x: Any, y: Any) -> Both:
    """Computes max(x, y) as y + max(x - y, 0); of the smallest it is x - max(x - y, 0)."""
    x, y = _as_both(x), _as_both(y)
    rest = _rescale(lambda gap: jnp.maximum(gap, 0), Both(x.value - y.value, x.base - y.base))
    return Both(y.value + rest.value, run(x.base, y.base))


def _smallest(run: Callable[..., Array], x: Any, y: Any) -> Both:
    x, y = _as_both(x), _as_both(y)
    rest = _rescale(lambda gap: jnp.maximum(gap, 0), Both(x.value - y.value, x.base - y.base))
    return Both(x.value - rest.value, run(x.base, y.base))


def _compare(run: Callable[..., Array], given: list[Any], has_gap: bool) -> Both:
    stop = lax.stop_gradient
    value, base = (
        run(*(pick(one) for one in given)) for pick in (lambda g: stop(_first(g)), _second)
    )
    if not has_gap:
        return Both(value, base)
    x, y = map(_as_both, given)
    return Both(value, base, Both(x.value - y.value, x.base - y.base))


def _select(run: Callable[..., Array], which: Both, *cases: Any) -> Both:
    """Computes where(which, ...); what the choice itself changes goes to what it is made of."""
    value = run(_first(which), *map(_first, cases))
    base = run(_second(which), *map(_second, cases))
    if which.gap is None or len(cases) != 2 or which.value.dtype != jnp.bool_:
        return Both(value, base)
    one, two = map(_as_both, cases)
    chosen = _step(which.value.astype(value.dtype), which.base.astype(value.dtype), which.gap)
    product = _multiply(jnp.multiply, chosen, Both(two.value - one.value, two.base - one.base))
    return Both(one.value + product.value, base)


def _pool(run: Callable[..., Array], x: Both) -> Both:
    """Computes a maximum; its change goes to where it was for the image and the baseline.

    Of the change from the baseline's maximum to the larger of both, all goes to the place of
    the image's maximum, and of the rest to that of the baseline's.
    """
    inside = lax.stop_gradient(x.value)
    base, to_base = jax.vjp(run, x.base)
    value, to_value = jax.vjp(run, inside)
    larger = jnp.maximum(value, base)
    shares = ((to_value, larger - base), (to_base, value - larger))

    @jax.custom_vjp
    def attach(x: Array) -> Array:
        return value

    def backward(_: None, gradient: Array) -> tuple[Array]:
        moved = sum(pull(gradient * share)[0] for pull, share in shares)
        return (_divide(moved, inside, x.base, 0),)

    attach.defvjp(lambda x: (value, None), backward)
    return Both(attach(x.value), base)


RULES: dict[str, Callable[..., Both]] = {
    **dict.fromkeys(BILINEAR, _multiply),
    "div": _quotient,
    "max": _largest,
    "min": _smallest,
    "select_n": _select,
}
"""Operation -> its rule for two or more inputs."""
