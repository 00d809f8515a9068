"""Pictures that are made together: a recipe of one becomes the problem of a group."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxvis.loss.compose import RESERVED
from jaxvis.loss.couplings import WeightedCoupling
from jaxvis.loss.group import Coupled, Each, Group
from jaxvis.network import Network
from jaxvis.optimize.problem import Problem
from jaxvis.recipes.recipe import Recipe
from jaxvis.types import Loss, Params


@dataclass(frozen=True)
class Diverse:
    """How different the pictures of one objective are made.

    Args:
      count: pictures of each objective and seed, at least 2.
      weight: of the likeness between them, see `jaxvis.loss.couplings.Diversity`, in units
        of what one picture has reached; 0 leaves them independent.
      tap: the layer whose Gram matrices are compared; None takes the maximised one where it
        is a map of several positions, else the last such map before it.

    Raises:
      ValueError: for a count below 2, or a weight that is negative or not finite.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), diversity.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> options = {"diverse": jaxvis.recipes.Diverse(count=2, weight=0.2), "recipe": "plain"}
    >>> jaxvis.diversify(net, params, tap="relu2_1", **options, steps=2).image.shape
    (1, 1, 2, 64, 64, 3)
    """

    count: int = 4
    weight: float = 0.1
    tap: str | None = None

    def __post_init__(self) -> None:
        """Checks the count and the weight."""
        if self.count < 2:
            raise ValueError(f"at least 2 pictures can be diverse, not {self.count}")
        _check_weight(self.weight)


@dataclass(frozen=True)
class Aligned:
    """How alike the neighbours in a row of pictures are made.

    Args:
      weight: of their distance, see `jaxvis.loss.couplings.Alignment`, in units of what
        one picture has reached; 0 leaves them independent but for their start and views,
        which they share.
      tap: the layer where they are compared; None takes the last map before what is
        maximised.
      decay, reach: see `jaxvis.loss.couplings.Alignment`.

    Raises:
      ValueError: for a weight that is negative or not finite.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), interpolation.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> how = jaxvis.recipes.Aligned(weight=0.2, tap="relu1_1")
    >>> row = {"tap": "relu2_1", "count": 2, "aligned": how}
    >>> jaxvis.interpolate(net, params, 0, 3, **row, recipe="plain", steps=2).image.shape
    (1, 2, 64, 64, 3)
    """

    weight: float = 0.1
    tap: str | None = None
    decay: float = 2.0
    reach: int = 4

    def __post_init__(self) -> None:
        """Checks the weight."""
        _check_weight(self.weight)


def _check_weight(weight: float) -> None:
    if not 0 <= weight < float("inf"):
        raise ValueError(f"a weight is at least 0 and finite, not {weight}")


def build_group(
    recipe: Recipe,
    net: Network,
    count: int,
    couplings: Sequence[WeightedCoupling],
    *,
    alike: bool = False,
) -> Problem:
    """Builds the problem of a group of pictures, each made as the recipe says.

    Args:
      recipe: of one picture.
      net: the network.
      count: pictures of a group.
      couplings: terms between them.
      alike: whether they share start and views.

    Raises:
      ValueError: for a coupling of a layer that the network does not have, or with a name
        that the trace has already.
    """
    taken = [*RESERVED, "objective", *(entry.name for entry in recipe.priors)]
    for entry in couplings:
        net.check_taps(entry.coupling.tap)
        if entry.name in taken:
            raise ValueError(f"the name {entry.name!r} is taken: call the coupling another")
    group = Group(recipe.canvas, count, alike)

    def couple(net: Network) -> Loss:
        return Coupled(recipe.compose(net), tuple(couplings), group)

    each = replace(
        recipe,
        canvas=group,
        projection=None if recipe.projection is None else Each(recipe.projection),
        finish=None if recipe.finish is None else Each(recipe.finish),
    )
    return each.build(net, couple)


def find_map(net: Network, params: Params, tap: str, size: tuple[int, int], *, own: bool) -> str:
    """Finds the last layer with several positions before a tap, or the tap itself.

    Args:
      net, params: the network.
      tap: what is maximised.
      size: (H, W) of what the network sees.
      own: whether the tap itself may be it.

    Raises:
      ValueError: if there is none.
    """
    place = net.taps.index(net.check_taps(tap)[0])
    for name in reversed(net.taps[1 : place + own]):
        shape = net.shape(params, name, size=size)
        if len(shape) == 3 and shape[0] * shape[1] > 1:
            return name
    raise ValueError(f"no layer before {tap!r} has several positions: name one with tap=")
