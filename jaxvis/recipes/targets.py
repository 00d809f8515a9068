"""What a sweep maximises: neurons, channels or classes, or objectives of one's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.algebra import Algebra, Sum
from jaxvis.loss.objectives import CrossEntropy, Excite, as_objective
from jaxvis.network import Network
from jaxvis.optimize.runs import stack_objectives
from jaxvis.types import Array, Params, Taps

AnyObjective = Algebra | Callable[[Taps], Array]
"""An objective of `jaxvis.loss.objectives`, or any function `taps -> scalar`."""


@dataclass(frozen=True)
class Target:
    """The objectives of a sweep, and what they are about.

    Args:
      items: objectives, leaves `[n, ...]`.
      tap: the layer, or None for objectives of one's own.
      indices: which neurons, channels or classes, `[n]`; zeros for objectives of one's own.
      whole: whether each is the mean of a channel of a tap that was named.
    """

    items: Algebra
    tap: str | None
    indices: np.ndarray
    whole: bool = False

    @property
    def name(self) -> str:
        """What the random keys are made of, beside index and seed."""
        return self.tap or ""


def choose_target(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: int | Sequence[int] | range | None = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
) -> Target:
    """Builds the objectives of a sweep from what a user asks for.

    Args:
      net, params: the network.
      tap: the layer; None takes the network's class scores s, and maximises
        s_c + log softmax(s)_c.
      index: which neurons, channels or classes of it; None is 0.
      position: of a tap `[h, w, c]`: None for the channel's mean, "centre" or (y, x)
        for one neuron.
      objective: instead of tap, index and position: an objective, any function
        `taps -> scalar`, or a list of them that differ in their numbers alone.

    Raises:
      ValueError: for an unknown tap, a position without a tap, an index outside the
        tap's channels, or an objective beside tap, index or position.
    """
    if objective is not None:
        given = {"tap": tap, "index": index, "position": position}
        named = [name for name, value in given.items() if value is not None]
        if named:
            raise ValueError(
                f"objective= says what to maximise; leave {', '.join(named)} out, or "
                "leave objective out"
            )
        return _stack(objective if isinstance(objective, Sequence) else [objective])
    if tap is None and position is not None:
        raise ValueError("position= is a neuron of a layer: pass tap= too")
    return _choose_units(net, params, tap, index, position)


def add_objective(target: Target, objective: AnyObjective) -> Target:
    """Adds an objective to each of a sweep; the pictures keep the keys that they had.

    Args:
      target: what is maximised.
      objective: what every picture is asked for beside it.
    """
    count = len(target.indices)
    word = 1.0 * as_objective(objective)
    also = jax.tree.map(lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], count, 0), word)
    one = jnp.ones(count)
    items = Sum((target.items, also), (one, one))
    return Target(items, target.tap, target.indices)


def _stack(objectives: Sequence[AnyObjective]) -> Target:
    if not objectives:
        raise ValueError("objective= is an empty list: pass at least one objective")
    words = [as_objective(one) for one in objectives]
    items = stack_objectives(words)
    units = [word for word in words if isinstance(word, Excite)]
    if len(units) == len(words) and len({unit.tap for unit in units}) == 1:
        # A unit has the same picture whether it is named by an index or by an objective.
        indices = np.array([unit.index for unit in units], np.int32)
        return Target(items, units[0].tap, indices)
    return Target(items, None, np.zeros(len(objectives), int))


def _choose_units(
    net: Network,
    params: Params,
    tap: str | None,
    index: int | Sequence[int] | range | None,
    position: None | str | tuple[int, int],
) -> Target:
    of_class, tap = tap is None, tap or net.classes
    if tap is None:
        raise ValueError(
            f"{net.name} names no class scores: pass tap=, one of {', '.join(net.taps)}"
        )
    net.check_taps(tap)
    indices = np.atleast_1d(np.asarray(0 if index is None else index))
    width = net.shape(params, tap)[-1]
    integers = np.issubdtype(indices.dtype, np.integer)
    if not integers or not indices.size or indices.min() < 0 or indices.max() >= width:
        raise ValueError(
            f"{tap!r} of {net.name} has {width} channels, 0..{width - 1}; got index {index!r}"
        )
    indices = indices.astype(np.int32)

    def build(index: Array) -> Algebra:
        if of_class:
            return Excite(tap, index) + CrossEntropy(tap, index)
        return Excite(tap, index, position=position)

    whole = not of_class and position is None
    return Target(jax.vmap(build)(jnp.asarray(indices)), tap, indices, whole)
