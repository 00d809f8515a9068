"""A network whose ReLUs have another gradient: guided, deconvolved, or redirected.

It computes the same activations. The network is traced, and every max(x, 0) of a value that
depends on its input is replaced, whether a table or a user's own code wrote it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from jaxvis.jax_internals import Jaxpr, JaxprEqn
from jaxvis.nets.equations import evaluate, find_inner, walk_jaxprs
from jaxvis.network import Forward, LayerDescription, Network
from jaxvis.types import Array, Params, Taps

Rule = Literal["guided", "deconvnet", "redirected"]
"""Which gradient a ReLU lets through: a positive one, where its input was positive too; a
positive one, wherever; or its own, but where nothing of that gets through at all, the one
that would raise inputs when a loss is made smaller."""

_SIGMOIDS = ("hard_sigmoid", "hard_swish", "hard_silu", "hard_tanh")
"""Functions of JAX in which max(x, 0) is a part of another activation."""


@dataclass(frozen=True)
class GuidedForward(Forward):
    """The forward pass of a network, in which ReLUs have another gradient.

    Args:
      forward: the network's own forward pass.
      rule: the gradient.
    """

    forward: Forward
    rule: Rule

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps that the network's own forward pass returns.

        Raises:
          ValueError: for a ReLU within a loop of JAX, which cannot be replaced.
        """

        def run(params: Params, values: Mapping[str, Array]) -> Taps:
            return self.forward(params, values, wanted)

        traced, shape = jax.make_jaxpr(run, return_shape=True)(params, dict(values))
        found = {id(equation) for equation in _find_relus(traced.jaxpr)}
        if len(found) < count_relus(traced.jaxpr):
            raise ValueError(
                "a ReLU stands within a loop (jax.lax.scan, while_loop or cond), where its "
                "gradient cannot be replaced: write the layers out one after another"
            )

        def rectify(equation: JaxprEqn, given: list[Any]) -> list[Any]:
            return [_rectify(self.rule, given[1 - (_find_zero(equation) or 0)])]

        inputs = jax.tree.leaves((params, dict(values)))
        results = evaluate(
            traced.jaxpr, traced.consts, inputs, lambda equation: id(equation) in found, rectify
        )
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters as the network's own forward pass prepares them.

        Args:
          params, size: see `Forward.prepare`.
        """
        return self.forward.prepare(params, size)

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the network's layers."""
        return self.forward.describe_layers()


def with_guided_relus(net: Network, rule: Rule) -> Network:
    """Returns the network with another gradient of its ReLUs, and the same activations.

    Args:
      net: any network.
      rule: "guided" for guided backpropagation, "deconvnet" for deconvolution, "redirected"
        to revive units that are dead (of a loss, which is made smaller).

    Raises:
      ValueError: for another rule.

    Source: Springenberg et al., Striving for simplicity, 2015; Zeiler & Fergus, 2014; Olah,
      Mordvintsev & Schubert, Feature Visualization, 2017, for "redirected".
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule is one of {', '.join(get_args(Rule))}, not {rule!r}")
    return replace(net, forward=GuidedForward(net.forward, rule))


def check_relus(net: Network, params: Params, size: tuple[int, int]) -> None:
    """Checks that a network has ReLUs, without computing anything.

    Args:
      net, params: the network.
      size: (H, W) of the image in pixels.

    Raises:
      ValueError: for a network without any ReLU.
    """
    image = jax.ShapeDtypeStruct((*size, net.channels), jnp.float32)
    if not count_relus(jax.make_jaxpr(net.apply)(params, image).jaxpr):
        raise ValueError(
            f"{net.name} has no ReLU whose gradient could be replaced, so this would be its "
            "plain gradient: use jaxvis.saliency or jaxvis.smooth_grad"
        )


def count_relus(jaxpr: Jaxpr) -> int:
    """Counts the ReLUs of a traced computation, those within its loops too.

    Args:
      jaxpr: the computation.
    """
    inside = {
        id(inner.jaxpr)
        for one in walk_jaxprs(jaxpr)
        for equation in one.eqns
        if (inner := find_inner(equation)) is not None
    }
    loops = [one for one in walk_jaxprs(jaxpr) if one is not jaxpr and id(one) not in inside]
    tops = {id(one): one for one in (jaxpr, *loops)}
    return len({id(found) for one in tops.values() for found in _find_relus(one)})


def _find_relus(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """Yields the equations max(x, 0) of a computation and of those that it runs once."""
    makers = {var: equation for equation in jaxpr.eqns for var in equation.outvars}
    for equation in jaxpr.eqns:
        inner = find_inner(equation)
        if inner is not None:
            if equation.params.get("name") not in _SIGMOIDS:
                yield from _find_relus(inner.jaxpr)
        elif _is_relu(equation, makers):
            yield equation


def _is_relu(equation: JaxprEqn, makers: Mapping[Any, JaxprEqn]) -> bool:
    if equation.primitive.name != "max":
        return False
    zero = _find_zero(equation)
    dtype = getattr(equation.outvars[0].aval, "dtype", None)
    if zero is None or dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        return False
    return not _is_variance(makers.get(_as_key(equation.invars[1 - zero])), makers)


def _find_zero(equation: JaxprEqn) -> int | None:
    """Finds which of the two inputs is the number 0."""
    for place, atom in enumerate(equation.invars):
        value = getattr(atom, "val", None)
        if value is not None and jnp.ndim(value) == 0 and value == 0:
            return place
    return None


def _is_variance(maker: JaxprEqn | None, makers: Mapping[Any, JaxprEqn]) -> bool:
    """Says whether a value is E[x^2] - E[x]^2, of which Flax's norms take the positive part."""
    if maker is None or maker.primitive.name != "sub":
        return False
    taken = makers.get(_as_key(maker.invars[1]))
    if taken is None:
        return False
    name, places = taken.primitive.name, taken.invars
    squared = name == "integer_pow" and taken.params["y"] == 2
    return squared or name == "square" or (name == "mul" and places[0] is places[1])


def _as_key(atom: Any) -> Any:
    # Numbers that stand in an equation have no hash, and no maker.
    return None if hasattr(atom, "val") else atom


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _rectify(rule: Rule, x: Array) -> Array:
    return jnp.maximum(x, 0)


def _rectify_forward(rule: Rule, x: Array) -> tuple[Array, Array]:
    return jnp.maximum(x, 0), x > 0


def _rectify_backward(rule: Rule, was_positive: Array, gradient: Array) -> tuple[Array]:
    if rule == "redirected":
        own = jnp.where(was_positive, gradient, 0)
        # What would lower an input that is below 0 already has no use.
        raising = jnp.where(was_positive, gradient, jnp.minimum(gradient, 0))
        return (jnp.where(jnp.any(own != 0), own, raising),)
    positive = jnp.maximum(gradient, 0)
    return (jnp.where(was_positive, positive, 0) if rule == "guided" else positive,)


_rectify.defvjp(_rectify_forward, _rectify_backward)
