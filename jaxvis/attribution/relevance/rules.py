"""Rules by which the relevance of a layer's outputs is shared among its inputs.

A layer is y = W x + b. Every rule divides the relevance R of y among the products of W x,
in proportion to some of them: R_x = sum over parts of x_p * W_p^T (R / z), z = sum of
W_p x_p + b_p. What the bias adds to z keeps its part of the relevance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.types import Array

STABILIZER = 1e-6
"""What is added to the size of every denominator."""

Kind = Literal["epsilon", "z_plus", "gamma", "alpha_beta", "z_box", "flat", "w_square"]


@dataclass(frozen=True)
class Rule:
    """One rule of a linear layer.

    Args:
      kind: "epsilon": all products; "z_plus": those that are positive; "gamma": all, the
        favourable ones more; "alpha_beta": positive ones alpha times, less the negative ones
        beta times; "z_box": for pixels between two bounds; "flat": all inputs alike;
        "w_square": by the squares of the weights alone.
      epsilon: what is added to the size of the denominators.
      gamma: how much more favourable weights count, for "gamma".
      alpha: for "alpha_beta", whose beta is alpha - 1.

    Raises:
      ValueError: for an unknown kind, or an alpha below 1.

    Source: Bach et al. (2015); Montavon et al., Deep Taylor decomposition (2017) and LRP: an
      overview (2019); Andeol et al. (2021) for gamma with inputs of both signs.
    """

    kind: Kind = "epsilon"
    epsilon: float = STABILIZER
    gamma: float = 0.25
    alpha: float = 2.0

    def __post_init__(self) -> None:
        """Checks the rule, and raises ValueError."""
        if self.kind not in _RULES:
            raise ValueError(f"a rule is one of {', '.join(_RULES)}, not {self.kind!r}")
        if self.alpha < 1:
            raise ValueError(f"alpha must be at least 1, since beta is alpha - 1; got {self.alpha}")


class Linear(NamedTuple):
    """A linear layer at work, as the rules see it.

    Attributes:
      multiply: function of (x, kernel) that gives the products without the bias.
      x: what came in.
      kernel: the weights.
      bias: `[out]`, zeros where the layer has none.
      bounds: the least and the largest value that every entry of x can have; None behind
        the first layer.
      positive: whether x is never negative.
    """

    multiply: Callable[[Array, Array], Array]
    x: Array
    kernel: Array
    bias: Array
    bounds: tuple[Array, Array] | None = None
    positive: bool = False


def stabilize(values: Array, epsilon: float) -> Array:
    """Moves values away from 0, so that they can be divided by: z + epsilon sign(z).

    Args:
      values: z, of any shape; 0 counts as positive.
      epsilon: at least 0.
    """
    return values + epsilon * jnp.where(values >= 0, 1, -1)


def share_relevance(rule: Rule, layer: Linear, relevance: Array) -> Array:
    """Shares the relevance of a layer's outputs among its inputs, of x's shape.

    Args:
      rule: how.
      layer: the layer and what came in.
      relevance: of the outputs, of their shape.

    Raises:
      ValueError: for "z_box" behind another layer, where no bounds are known.
    """
    return _RULES[rule.kind](rule, layer, relevance)


def _share(
    rule: Rule,
    layer: Linear,
    parts: Sequence[tuple[Array, Array]],
    bias: Array | float,
    relevance: Array,
) -> Array:
    """Returns sum of x_p * W_p^T (R / z) with z = sum of W_p x_p + b, over pairs (x_p, W_p)."""
    z, backs = jnp.asarray(bias), []
    for x, kernel in parts:
        y, back = jax.vjp(lambda x, kernel=kernel: layer.multiply(x, kernel), x)
        z = z + y
        backs.append(back)
    s = relevance / stabilize(z, rule.epsilon)
    shares = [x * back(s)[0] for (x, _), back in zip(parts, backs)]
    return sum(shares[1:], shares[0])


def _pair(layer: Linear, favourable: Array, adverse: Array) -> list[tuple[Array, Array]]:
    """Returns the pairs of positive and of negative inputs with the weights for them."""
    if layer.positive:
        return [(layer.x, favourable)]
    return [(jnp.maximum(layer.x, 0), favourable), (jnp.minimum(layer.x, 0), adverse)]


def _signs(values: Array) -> tuple[Array, Array]:
    return jnp.maximum(values, 0), jnp.minimum(values, 0)


def _share_epsilon(rule: Rule, layer: Linear, relevance: Array) -> Array:
    return _share(rule, layer, [(layer.x, layer.kernel)], layer.bias, relevance)


def _share_z_plus(rule: Rule, layer: Linear, relevance: Array) -> Array:
    plus, minus = _signs(layer.kernel)
    return _share(rule, layer, _pair(layer, plus, minus), _signs(layer.bias)[0], relevance)


def _share_alpha_beta(rule: Rule, layer: Linear, relevance: Array) -> Array:
    plus, minus = _signs(layer.kernel)
    more, less = _signs(layer.bias)
    positive = _share(rule, layer, _pair(layer, plus, minus), more, relevance)
    negative = _share(rule, layer, _pair(layer, minus, plus), less, relevance)
    return rule.alpha * positive - (rule.alpha - 1) * negative


def _share_gamma(rule: Rule, layer: Linear, relevance: Array) -> Array:
    (plus, minus), (more, less) = _signs(layer.kernel), _signs(layer.bias)
    plus, minus = layer.kernel + rule.gamma * plus, layer.kernel + rule.gamma * minus
    more, less = layer.bias + rule.gamma * more, layer.bias + rule.gamma * less
    y = layer.multiply(layer.x, layer.kernel) + layer.bias
    above, below = jnp.where(y > 0, relevance, 0), jnp.where(y < 0, relevance, 0)
    positive = _share(rule, layer, _pair(layer, plus, minus), more, above)
    return positive + _share(rule, layer, _pair(layer, minus, plus), less, below)


def _share_z_box(rule: Rule, layer: Linear, relevance: Array) -> Array:
    if layer.bounds is None:
        raise ValueError("z_box is for the first layer, whose inputs are pixels between bounds")
    (plus, minus), (low, high) = _signs(layer.kernel), layer.bounds
    low, high = (jnp.broadcast_to(bound, layer.x.shape) for bound in (low, high))
    # The bias cancels: it is in all three products.
    parts = [(layer.x, layer.kernel), (low, -plus), (high, -minus)]
    return _share(rule, layer, parts, 0.0, relevance)


def _share_flat(rule: Rule, layer: Linear, relevance: Array) -> Array:
    parts = [(jnp.ones_like(layer.x), jnp.ones_like(layer.kernel))]
    return _share(rule, layer, parts, 0.0, relevance)


def _share_w_square(rule: Rule, layer: Linear, relevance: Array) -> Array:
    parts = [(jnp.ones_like(layer.x), layer.kernel**2)]
    return _share(rule, layer, parts, layer.bias**2, relevance)


_RULES: dict[str, Callable[[Rule, Linear, Array], Array]] = {
    "epsilon": _share_epsilon,
    "z_plus": _share_z_plus,
    "gamma": _share_gamma,
    "alpha_beta": _share_alpha_beta,
    "z_box": _share_z_box,
    "flat": _share_flat,
    "w_square": _share_w_square,
}
