"""Objectives: what an image is asked for. Called on taps, smaller is better.

Objectives can be added, subtracted and multiplied by numbers. Each is a pytree: what it
asks for (an index, a target code, a weight) are its leaves, and the names of its taps are
static. A sweep is one objective whose leaves have a leading axis, and new values of the
leaves never compile again.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.loss.algebra import Algebra, OneTap, register_objective, to_scalar
from jaxvis.loss.sorting import MatchSorted as MatchSorted
from jaxvis.types import Array, ArrayLike, Taps


def average_positions(values: Array) -> Array:
    """Averages the `values` of a tap `[h, w, c]` over its positions, `[c]`; a tap `[d]` stays.

    >>> import jax.numpy as jnp
    >>> average_positions(jnp.ones((4, 4, 2))).tolist()
    [1.0, 1.0]
    """
    return jnp.mean(values, axis=(0, 1)) if values.ndim == 3 else values


@register_objective(("index",), ("tap", "position"))
class Excite(OneTap):
    """Minus the activation of one neuron, channel or class.

    For a tap `[d]` it is entry `index`. For a tap `[h, w, c]` it is channel `index`: the
    mean over all positions, or the value at one `position`.

    Args:
      tap: the tap's name.
      index: the number of the neuron, channel or class; it may be traced and swept.
      position: None for the mean; "centre", or (y, x) in cells of the tap.

    Source: Lecture 21, 21.7; Mahendran & Vedaldi Eq. 4; Olah et al. 2017.

    >>> import jax.numpy as jnp
    >>> float(Excite("fc", 1)({"fc": jnp.array([0.0, 2.0])}))
    -2.0
    """

    tap: str
    index: int | Array
    position: None | str | tuple[int, int] = field(default=None, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`.

        Raises:
          ValueError: for a position that the tap does not have.
        """
        # The gradient of a product with a one-hot vector is dense and fast; that of
        # indexing would be a scatter.
        values = taps[self.tap]
        channel = values @ jax.nn.one_hot(self.index, values.shape[-1])
        if channel.ndim == 0 or self.position is None:
            return -jnp.mean(channel)
        return -channel[self._find_cell(*channel.shape)]

    def _find_cell(self, height: int, width: int) -> tuple[int, int]:
        """Gives the cell (y, x) of the position, in a map of height x width cells."""
        if self.position == "centre":
            return height // 2, width // 2
        # Indexing a traced array clamps to the edge silently, so the check is made here.
        if isinstance(self.position, tuple) and len(self.position) == 2:
            y, x = self.position
            if 0 <= y < height and 0 <= x < width:
                return y, x
        raise ValueError(
            f"position is None, 'centre' or (y, x) within the {height}x{width} "
            f"cells of {self.tap!r}, not {self.position!r}"
        )


@register_objective(("vector",), ("tap", "cosine_power"))
class Direction(OneTap):
    """Minus the mean activation along a direction: -<a, v> cos(a, v)^cosine_power.

    Here a is the tap's mean over positions. A cosine below 0.1 counts as 0.1.

    Args:
      tap: the tap's name, `[h, w, c]` or `[d]`.
      vector: v, the direction in the tap's channel space, `[c]`.
      cosine_power: 0 gives the plain product; a larger power favours activations that
        point along the vector over activations that are merely large.

    Source: Carter et al., Activation Atlas (2019); Olah et al. 2017.

    >>> import jax.numpy as jnp
    >>> float(Direction("fc", jnp.array([1.0, 2.0]))({"fc": jnp.array([4.0, 3.0])}))
    -10.0
    """

    tap: str
    vector: Array
    cosine_power: int = field(default=0, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        values = average_positions(taps[self.tap])
        product = values @ self.vector
        if not self.cosine_power:
            return -product
        # The root has an infinite gradient at 0, so the maximum is taken before it.
        square = jnp.sum(values**2) * jnp.sum(self.vector**2)
        cosine = product / jnp.sqrt(jnp.maximum(square, 1e-12))
        return -product * jnp.maximum(cosine, 0.1) ** self.cosine_power


@register_objective(("target", "mask"), ("tap",))
class Match(OneTap):
    """The relative squared distance to a code: |M (Phi - Phi0)|^2 / |M Phi0|^2.

    Args:
      tap: the tap's name.
      target: Phi0, the code to match, of the tap's shape: there it is 0, at a zero code 1.
      mask: M, broadcastable to the tap's shape; 1 keeps an entry, 0 leaves it free.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 2-3 with its masks (section 5).

    >>> import jax.numpy as jnp
    >>> float(Match("fc", jnp.array([2.0, 0.0]))({"fc": jnp.array([2.0, 1.0])}))
    0.25
    """

    tap: str
    target: ArrayLike
    mask: ArrayLike | float = field(default=1.0, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        wanted = self.mask * self.target
        found = self.mask * taps[self.tap]
        scale = jnp.maximum(jnp.sum(wanted**2), jnp.finfo(wanted.dtype).tiny)
        return jnp.sum((found - wanted) ** 2) / scale


@register_objective(("target",), ("tap",))
class Align(OneTap):
    """Minus the alignment with a code: -<Phi, r> / |r|^2 with r = max(Phi0, 0).

    Args:
      tap: the tap's name.
      target: Phi0, the source image's code, of the tap's shape: there it is -1.

    Source: Mahendran & Vedaldi (IJCV 2016), Eq. 4 for caricature (section 7).
    Departures: normalised by the square of the norm, as in the authors' code.

    >>> import jax.numpy as jnp
    >>> float(Align("fc", jnp.array([2.0, -1.0]))({"fc": jnp.array([4.0, 9.0])}))
    -2.0
    """

    tap: str
    target: Array

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        wanted = jnp.maximum(self.target, 0)
        scale = jnp.maximum(jnp.sum(wanted**2), jnp.finfo(wanted.dtype).tiny)
        return -jnp.sum(wanted * taps[self.tap]) / scale


@register_objective(("index",), ("tap",))
class Margin(OneTap):
    """The best other score minus the score of a class: max_{j != index} s_j - s_index.

    Args:
      tap: the tap of the scores s, `[d]`, or `[h, w, c]` (means over positions).
      index: the class that should win: it then is negative. It may be traced and swept.

    >>> import jax.numpy as jnp
    >>> float(Margin("fc", 1)({"fc": jnp.array([1.0, 4.0, 2.0])}))
    -2.0
    """

    tap: str
    index: int | Array

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        scores = average_positions(taps[self.tap])
        own = jax.nn.one_hot(self.index, scores.shape[-1])
        return jnp.max(jnp.where(own > 0, -jnp.inf, scores)) - scores @ own


@register_objective(("index",), ("tap",))
class CrossEntropy(OneTap):
    """Minus the log probability of a class: -log softmax(s)_index.

    Args:
      tap: the tap of the scores s, `[d]`, or `[h, w, c]` (means over positions).
      index: the class; it may be traced and swept.

    >>> import jax.numpy as jnp
    >>> float(CrossEntropy("fc", 0)({"fc": jnp.array([99.0, 0.0])}))
    0.0
    """

    tap: str
    index: int | Array

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        scores = average_positions(taps[self.tap])
        own = jax.nn.one_hot(self.index, scores.shape[-1])
        return jax.nn.logsumexp(scores) - scores @ own


@register_objective((), ("tap",))
class Amplify(OneTap):
    """Minus half the squared norm of a tap, -|Phi|^2 / 2.

    The gradient with respect to the tap is minus the activation itself, so a step of
    descent strengthens whatever the network already sees.

    Args:
      tap: the tap's name.

    Source: DeepDream (Mordvintsev et al. 2015); Lecture 21, 21.10.

    >>> import jax.numpy as jnp
    >>> float(Amplify("fc")({"fc": jnp.array([2.0, 4.0])}))
    -10.0
    """

    tap: str

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        return -0.5 * jnp.sum(taps[self.tap] ** 2)


@register_objective((), ("function", "names"))
class Custom(Algebra):
    """A user's own function of the taps as an objective.

    Args:
      function: `taps -> []`, smaller is better. Two functions are the same only if they
        are the same object, so a function that is defined again compiles again.
      names: the taps that it reads; None runs the whole network.

    >>> import jax.numpy as jnp
    >>> float(Custom(lambda taps: -taps["fc"].max())({"fc": jnp.array([2.0, 4.0])}))
    -4.0
    """

    function: Callable[[Taps], Array]
    names: tuple[str, ...] | None = None

    @property
    def taps(self) -> tuple[str, ...] | None:
        """The names of the taps that are read; None means all."""
        return self.names

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`.

        Raises:
          ValueError: if the function returns something else.
        """
        return to_scalar(self.function(taps), "an objective")


def as_objective(objective: Any) -> Algebra:
    """Returns an objective as it is, and a function `taps -> []` as a `Custom` one.

    Args:
      objective: an objective of this module, a sum of some, or any hashable function
        that takes a dict of taps and returns a scalar, shape `[]`.

    Raises:
      ValueError: for anything else.

    >>> as_objective(lambda taps: -taps["fc"].max()).taps is None
    True
    """
    if isinstance(objective, Algebra):
        return objective
    if not callable(objective):
        raise ValueError(
            "an objective is one of jaxvis.loss.objectives or a function of the taps, such "
            f"as lambda taps: -taps['fc'][3]; got {objective!r}"
        )
    try:
        hash(objective)
    except TypeError:
        raise ValueError(
            f"the objective {objective!r} cannot be hashed, which jax.jit needs: pass a "
            "function, or a frozen dataclass with __call__"
        ) from None
    return Custom(objective)
