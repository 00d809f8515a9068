"""What all objectives share: they are pytrees that can be added, subtracted and scaled."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
from jax.tree_util import GetAttrKey

from jaxvis.types import Array, Taps

Kind = TypeVar("Kind")


class Algebra:
    """An objective that can be added to others, subtracted from them and scaled.

    Every operation makes a `Sum`, so values and gradients are linear in the parts.
    """

    @property
    def taps(self) -> tuple[str, ...] | None:
        """The names of the taps that are read; None where it is not known."""
        return None

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`.

        Raises:
          NotImplementedError: where an objective does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__(taps)")

    def __add__(self, other: "Algebra") -> "Sum":
        """Returns self + other."""
        return Sum((self, other), (1.0, 1.0))

    def __sub__(self, other: "Algebra") -> "Sum":
        """Returns self - other."""
        return Sum((self, other), (1.0, -1.0))

    def __mul__(self, weight: float | Array) -> "Sum":
        """Returns weight * self."""
        return Sum((self,), (weight,))

    __rmul__ = __mul__

    def __neg__(self) -> "Sum":
        """Returns -self."""
        return Sum((self,), (-1.0,))


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def register_objective(
    leaves: tuple[str, ...], static: tuple[str, ...]
) -> Callable[[type[Kind]], type[Kind]]:
    """Returns a decorator that makes a class a frozen dataclass and a pytree.

    Args:
      leaves: the fields that are leaves of the pytree: numbers and arrays, which may
        differ between the items of a sweep. New values never compile again.
      static: the fields that belong to the program, such as the name of a tap.
    """

    def register(cls: type[Kind]) -> type[Kind]:
        cls = dataclass(frozen=True, eq=False)(cls)

        def flatten(objective: Any) -> tuple[tuple, tuple]:
            children = ((GetAttrKey(name), getattr(objective, name)) for name in leaves)
            return tuple(children), tuple(getattr(objective, name) for name in static)

        def unflatten(fixed: tuple, children: Iterable) -> Any:
            objective: Any = object.__new__(cls)
            for name, value in (*zip(static, fixed), *zip(leaves, children)):
                object.__setattr__(objective, name, value)
            return objective

        # Not `register_dataclass`: in JAX 0.10 its trees of two classes with the same
        # fields are equal, so `jax.jit` may run the program of the wrong class.
        jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
        return cls

    return register


@register_objective(("parts", "weights"), ())
class Sum(Algebra):
    """A weighted sum of objectives: sum_k weights[k] * parts[k](taps)."""

    parts: tuple[Algebra, ...]
    weights: tuple[float | Array, ...]

    @property
    def taps(self) -> tuple[str, ...] | None:
        """The names of the taps that are read; None if a part does not say."""
        names: dict[str, None] = {}
        for part in self.parts:
            if part.taps is None:
                return None
            names |= dict.fromkeys(part.taps)
        return tuple(names)

    def __call__(self, taps: Taps) -> Array:
        """Computes the weighted sum, a scalar `[]`."""
        terms = [weight * part(taps) for weight, part in zip(self.weights, self.parts)]
        return sum(terms[1:], terms[0])


class OneTap(Algebra):
    """An objective that reads a single tap, named by its field `tap`."""

    tap: str

    @property
    def taps(self) -> tuple[str, ...]:
        """The names of the taps that are read."""
        return (self.tap,)


def to_scalar(value: Any, what: str) -> Array:
    """Gives what a user's function returned as one number, `[]`.

    Args:
      value: what it returned.
      what: the function, as the message calls it, such as "an objective".

    Raises:
      ValueError: if it is an array of several numbers.
    """
    value = jnp.asarray(value)
    if value.ndim:
        raise ValueError(
            f"{what} returns an array of shape {value.shape}, not one number: take its mean or "
            "its sum, or pick one entry"
        )
    return value
