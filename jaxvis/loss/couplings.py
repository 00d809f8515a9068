"""Couplings: terms between the pictures of one group, which are optimised together.

A coupling is called with the taps of all pictures of a group, `[d, h, w, c]` or `[d, c]`
each; smaller is better. `jaxvis.loss.group` adds them to the pictures' own losses.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Taps

_TINY = 1e-20
"""The least square of a Gram matrix's length, so that of a dead layer divides nothing by 0."""


class Coupling:
    """A term between the pictures of a group.

    A coupling of one's own needs `tap` and `__call__`.
    """

    tap: str
    """The name of the tap that it reads."""

    def __call__(self, taps: Taps) -> Array:
        """Computes the term `[]` of the taps of all pictures.

        Raises:
          NotImplementedError: where a coupling does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__(taps)")


@dataclass(frozen=True)
class Diversity(Coupling):
    """How alike the pictures of a group are: sum over i != j of cos(G_i, G_j).

    G = F^T F is the Gram matrix of a picture's tap, F `[h w, c]`, as in texture synthesis: it
    says which channels respond together, wherever. The term is d (d - 1) for pictures that
    are the same to the layer, and less, the more different they are.

    Args:
      tap: the layer, `[h, w, c]`; of a vector G is v v^T.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), diversity.
    """

    tap: str

    def __call__(self, taps: Taps) -> Array:
        """Computes the term `[]` of the taps of all pictures, `[d, ...]` each."""
        values = taps[self.tap]
        rows = values.reshape(values.shape[0], -1, values.shape[-1])
        grams = jnp.einsum("npc,npe->nce", rows, rows)
        flat = grams.reshape(len(rows), -1)
        # The root has an infinite gradient at 0, so the maximum is taken before it.
        length = jnp.sqrt(jnp.maximum(jnp.sum(flat**2, axis=-1, keepdims=True), _TINY))
        unit = flat / length
        cosines = unit @ unit.T
        return jnp.sum(cosines * (1 - jnp.eye(len(rows), dtype=cosines.dtype)))


@dataclass(frozen=True)
class Alignment(Coupling):
    """How far neighbouring pictures of a row are apart at a layer.

    sum over k = 1..reach, over i, of |F_i - F_(i + k)|^2 / (decay^k m), m = mean_i |F_i|^2,
    which gradients do not pass: the same things are drawn at the same places in a row of
    pictures, which can then be compared.

    Args:
      tap: the layer.
      decay: how much less each further picture counts, above 0.
      reach: how many neighbours count.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), and Lucid's
      alignment. Departures: divided by the mean square of the layer.
    """

    tap: str
    decay: float = 2.0
    reach: int = 4

    def __post_init__(self) -> None:
        """Checks the decay and the reach."""
        if not self.decay > 0 or self.reach < 1:
            raise ValueError(
                f"decay is above 0 and reach at least 1, not {self.decay} and {self.reach}"
            )

    def __call__(self, taps: Taps) -> Array:
        """Computes the term `[]` of the taps of all pictures, `[d, ...]` each."""
        values = taps[self.tap]
        total = jnp.zeros((), values.dtype)
        for gap in range(1, min(self.reach, len(values) - 1) + 1):
            apart = (values[gap:] - values[:-gap]) ** 2
            total += jnp.sum(apart) / self.decay**gap
        mean = jax.lax.stop_gradient(jnp.sum(values**2)) / len(values)
        return total / jnp.maximum(mean, _TINY)


@register_parts("weight", "coupling")
@dataclass(frozen=True)
class WeightedCoupling:
    """A coupling with its weight, under a name of its own in the trace.

    The weight is in units of the pictures' mean objective, see `jaxvis.loss.group.Coupled`.
    """

    name: str
    weight: float
    coupling: Coupling
