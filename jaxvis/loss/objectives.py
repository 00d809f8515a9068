"""Objectives: `taps -> []`, smaller is better. They add, subtract and scale.

An objective is a pytree: what it asks for (an index, a target code, a weight) are its
leaves, tap names are static. A batch of objectives, made by `jax.vmap` of a maker or
by leaves with a leading axis, is what a solver sweeps; new leaves never compile again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from jaxvis.types import Array, Taps


class Algebra:
    """Returns sums, differences and multiples of objectives, linear by construction."""

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


def _pytree(data: tuple[str, ...], static: tuple[str, ...]) -> Callable[[type], type]:
    """Returns a decorator: a frozen dataclass whose `data` fields are its leaves."""

    def register(cls: type) -> type:
        cls = dataclass(frozen=True, eq=False)(cls)
        return jax.tree_util.register_dataclass(cls, data, static)

    return register


@_pytree(("parts", "weights"), ())
class Sum(Algebra):
    """Returns sum_k weights[k] * parts[k](taps)."""

    parts: tuple[Algebra, ...]
    weights: tuple[float | Array, ...]

    @property
    def taps(self) -> tuple[str, ...] | None:
        """The tap names read; None where a part does not say."""
        names = [part.taps for part in self.parts]
        return None if None in names else tuple(dict.fromkeys(sum(names, ())))

    def __call__(self, taps: Taps) -> Array:
        """Returns the weighted sum, `[]`."""
        return sum(w * part(taps) for w, part in zip(self.weights, self.parts))


class _OneTap(Algebra):
    tap: str

    @property
    def taps(self) -> tuple[str, ...]:
        """The tap names read."""
        return (self.tap,)


@_pytree(("index",), ("tap", "position"))
class Excite(_OneTap):
    """Returns minus the activation of one neuron, channel or class.

    Of a tap `[d]`, entry `index`. Of a tap `[h, w, c]`, channel `index`: its mean over
    positions, or its value at `position`.

    Args:
      tap: the tap's name.
      index: which, an integer (traced, may carry the sweep).
      position: None for the mean; "centre", or (y, x) in cells of the tap.

    Source: Lecture 21, 21.7; Mahendran & Vedaldi Eq. 4; Olah et al. 2017.
    """

    tap: str
    index: int | Array
    position: None | str | tuple[int, int] = field(default=None, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`.

        Raises:
          ValueError: for a position that the tap does not have.
        """
        # A product with a one-hot vector: its gradient is dense and fast, an index's
        # would be a scatter.
        values = taps[self.tap]
        chosen = values @ jax.nn.one_hot(self.index, values.shape[-1])
        if chosen.ndim == 0 or self.position is None:
            return -jnp.mean(chosen)
        return -chosen[self._cell(*chosen.shape)]

    def _cell(self, height: int, width: int) -> tuple[int, int]:
        if self.position == "centre":
            return height // 2, width // 2
        # Checked here, since indexing a traced array clamps to the edge in silence.
        try:
            y, x = self.position
            inside = 0 <= y < height and 0 <= x < width
        except (TypeError, ValueError):
            inside = False
        if not inside:
            raise ValueError(
                f"position is None, 'centre' or (y, x) within the {height}x{width} "
                f"cells of {self.tap!r}, not {self.position!r}"
            )
        return y, x


@_pytree(("vector",), ("tap", "cosine_power"))
class Direction(_OneTap):
    """Returns minus <mean activation, vector> * cosine^cosine_power.

    Args:
      tap: the tap's name, `[h, w, c]` or `[d]`.
      vector: `[c]`, the direction in the tap's channel space.
      cosine_power: 0 is the plain product; more favours activations that point along
        the vector over large ones.

    Source: Carter et al., Activation Atlas (2019); Olah et al. 2017.
    """

    tap: str
    vector: Array
    cosine_power: int = field(default=0, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        values = taps[self.tap]
        if values.ndim == 3:
            values = jnp.mean(values, axis=(0, 1))
        product = values @ self.vector
        if not self.cosine_power:
            return -product
        # The maximum comes before the root, whose gradient at a dead tap is infinite.
        square = jnp.sum(values**2) * jnp.sum(self.vector**2)
        cosine = product / jnp.sqrt(jnp.maximum(square, 1e-12))
        return -product * jnp.maximum(cosine, 0.1) ** self.cosine_power


@_pytree(("target", "mask"), ("tap",))
class Match(_OneTap):
    """Returns |M (Phi - Phi0)|^2 / |M Phi0|^2: 0 at the target, 1 at a zero code.

    Args:
      tap: the tap's name.
      target: Phi0, the code to match, of the tap's shape.
      mask: M, broadcastable to the tap's shape; 1 keeps, 0 leaves free.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 2-3 with its masks (section 5).
    """

    tap: str
    target: Array
    mask: Array | float = field(default=1.0, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        wanted = self.mask * self.target
        found = self.mask * taps[self.tap]
        scale = jnp.maximum(jnp.sum(wanted**2), jnp.finfo(wanted.dtype).tiny)
        return jnp.sum((found - wanted) ** 2) / scale


@_pytree(("target",), ("tap",))
class Align(_OneTap):
    """Returns -<Phi, r> / |r|^2 with r = max(Phi0, 0): -1 at the source image.

    Args:
      tap: the tap's name.
      target: Phi0, the source image's code, of the tap's shape.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 4 for caricature (section 7).
    Departures: normalised by the square of the norm, as in the authors' code.
    """

    tap: str
    target: Array

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        wanted = jnp.maximum(self.target, 0)
        scale = jnp.maximum(jnp.sum(wanted**2), jnp.finfo(wanted.dtype).tiny)
        return -jnp.sum(wanted * taps[self.tap]) / scale


@_pytree(("index",), ("tap",))
class Margin(_OneTap):
    """Returns max over j != index of s_j, minus s_index: negative when index wins.

    Args:
      tap: the tap of the scores s, `[d]`, or `[h, w, c]` (means over positions).
      index: the class that should win.
    """

    tap: str
    index: int | Array

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        scores = _scores(taps[self.tap])
        own = jax.nn.one_hot(self.index, scores.shape[-1])
        return jnp.max(jnp.where(own > 0, -jnp.inf, scores)) - scores @ own


@_pytree(("index",), ("tap",))
class CrossEntropy(_OneTap):
    """Returns -log softmax(s)_index.

    Args:
      tap: the tap of the scores s, `[d]`, or `[h, w, c]` (means over positions).
      index: the class.
    """

    tap: str
    index: int | Array

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        scores = _scores(taps[self.tap])
        own = jax.nn.one_hot(self.index, scores.shape[-1])
        return jax.nn.logsumexp(scores) - scores @ own


def _scores(values: Array) -> Array:
    return jnp.mean(values, axis=(0, 1)) if values.ndim == 3 else values


@_pytree((), ("tap",))
class Amplify(_OneTap):
    """Returns -|Phi|^2 / 2 of a whole tap: its gradient is the activation itself.

    Source: DeepDream (Mordvintsev et al. 2015); Lecture 21, 21.10.
    """

    tap: str

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        return -0.5 * jnp.sum(taps[self.tap] ** 2)


@_pytree((), ("function", "names"))
class Custom(Algebra):
    """Returns function(taps): a user's own objective, in the algebra.

    Args:
      function: `taps -> []`, smaller is better; hashable, so pass a named function.
      names: the taps it reads; None runs the whole network.
    """

    function: Callable[[Taps], Array]
    names: tuple[str, ...] | None = None

    @property
    def taps(self) -> tuple[str, ...] | None:
        """The tap names read."""
        return self.names

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        return self.function(taps)
