"""The numbers of `jaxvis.tuning` that measured times speak for: arithmetic alone.

Each number is changed by itself, to the value with which the times of all cases are least,
again and again until none changes any more. A value replaces the one before only where it
saves more than `GAIN` of the whole; between values that save alike, the nearest one wins.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from jaxvis.convolution.kernels import choose_tile
from jaxvis.optimize.memory import choose_core_items
from jaxvis.tuning import Tuning

GAIN = 1e-3
"""The share of the whole time that a change must save."""
ROUNDS = 10
"""How often all numbers are tried at most."""
DIRECT = 0
"""The form of a convolution that has no other kernel; the others are named by their m."""

Case = tuple[str, int]
"""A network, and the pixels of a side."""
ItemTimes = Mapping[Case, Mapping[int, float]]
"""Case -> pictures that a core takes together -> processor time of a picture's step."""


class Layer(NamedTuple):
    """A stride 1 convolution, with as many pixels of output as of input.

    Attributes:
      side: of the output, in pixels.
      taps: the side of its kernel.
      inner, outer: its channels.
      learned: whether its kernel is learned, so that it is transformed in every step.
      pictures: how many a core takes together, which share what is done with the kernel.
    """

    side: int
    taps: int
    inner: int
    outer: int
    learned: bool = False
    pictures: int = 1

    @property
    def gain(self) -> float:
        """What its matrix products save beside what the transforms cost: see `Tuning`."""
        return self.inner * self.outer / (self.inner + self.outer)

    def describe(self) -> str:
        """Describes it: "3x3, 64 to 128, 56 px, 2 a core, learned"."""
        kernel = f"{self.taps}x{self.taps}, {self.inner} to {self.outer}"
        learned = ", learned" if self.learned else ""
        return f"{kernel}, {self.side} px, {self.pictures} a core{learned}"

    def choose(self, tuning: Tuning) -> int:
        """Chooses its form: `DIRECT`, or m of F(m, r)."""
        if self.learned and self.side < tuning.learned_side:
            return DIRECT
        kernel = (self.taps, self.taps, self.inner, self.outer)
        form = choose_tile((self.side, self.side), kernel, tuning=tuning) or DIRECT
        # A learned kernel is flipped in the step in any case.
        return DIRECT if self.learned and form == 1 else form


LayerTimes = Mapping[Layer, Mapping[int, float]]
"""Layer -> form -> processor time of forward pass and gradient of a picture."""


def choose_items(times: ItemTimes, *, start: Tuning) -> Tuning:
    """Chooses how many pictures a core takes together.

    The time of each case counts in units of the least that was measured of it: a large
    network has no more say than a small one.

    Args:
      times: what was measured.
      start: the numbers to begin with; all others stay.
    """
    if not times:
        return start
    counts = sorted({count for each in times.values() for count in each})
    pixels = sorted({side**2 for _, side in times})

    def cost(tuning: Tuning) -> float:
        return sum(
            _read_time(each, choose_together(side, counts[-1], tuning)) / min(each.values())
            for (_, side), each in times.items()
        )

    candidates = {
        "core_pixels": [count * size for count in counts for size in pixels],
        "core_large": [1, *pixels],
        "cpu_items": counts,
    }
    return descend(cost, start, candidates)


def choose_together(side: int, each: int, tuning: Tuning) -> int:
    """Chooses how many pictures a core that is a device takes together.

    Args:
      side: pixels.
      each: pictures that the core has in all.
      tuning: the limits.
    """
    return choose_core_items(side**2, each, 2, tuning=tuning)


def _read_time(times: Mapping[int, float], count: int) -> float:
    """Reads the time of a count; between counts that were measured, it is interpolated."""
    if count > max(times):
        return math.inf
    below = max(known for known in times if known <= count)
    above = min(known for known in times if known >= count)
    if below == above:
        return times[count]
    share = math.log(count / below) / math.log(above / below)
    return (1 - share) * times[below] + share * times[above]


def choose_limits(times: LayerTimes, *, start: Tuning) -> Tuning:
    """Chooses the limits between the forms of a convolution: the least time of all layers.

    `tile4_weights` is none of them: it limits what memory the transforms take.

    Args:
      times: what was measured.
      start: the numbers to begin with; all others stay.
    """

    def cost(tuning: Tuning) -> float:
        return sum(each[layer.choose(tuning)] for layer, each in times.items())

    of: dict[tuple[int, bool], list[Layer]] = {}
    for layer in times:
        of.setdefault((layer.taps, layer.learned), []).append(layer)
    threes, fours, learned = (of.get(kind, []) for kind in ((3, False), (4, False), (3, True)))
    sides, gains = (find_limits(getattr(x, name) for x in threes) for name in ("side", "gain"))
    candidates = {
        "tile2_gain": gains,
        "tile4_gain": gains,
        "tile4_side": sides,
        "tile_side": sides,
        "tile3_gain": find_limits(layer.gain for layer in fours),
        "tile3_side": find_limits(layer.side for layer in fours),
        # Up to this, not from this.
        "flip_pixels": [limit - 1 for limit in find_limits(x.side**2 for x in [*threes, *fours])],
        "learned_side": find_limits(layer.side for layer in learned),
    }
    return descend(cost, start, candidates)


def find_limits(values: Iterable[float]) -> list[int]:
    """Finds limits that part values in every way: below all, between two, above all.

    A value counts as large from the limit on.

    Args:
      values: any; those that are equal count once.
    """
    known = sorted(set(values))
    if not known:
        return []
    between = [math.ceil(math.sqrt(a * b)) for a, b in zip(known, known[1:])]
    return [math.floor(known[0]), *between, math.ceil(2 * known[-1])]


def descend(
    cost: Callable[[Tuning], float], start: Tuning, candidates: Mapping[str, Sequence[int]]
) -> Tuning:
    """Changes one number after the other to what costs least, until none changes.

    Args:
      cost: of numbers; above 0.
      start: the numbers to begin with.
      candidates: number -> the values to try.
    """
    best, least = start, cost(start)
    for _ in range(ROUNDS):
        before = best
        for name, values in candidates.items():
            usual = getattr(start, name)
            nearest = sorted(
                set(values), key=lambda value: abs(math.log((value + 1) / (usual + 1)))
            )
            for value in nearest:
                found = cost(trial := replace(best, **{name: value}))
                if found < least * (1 - GAIN):
                    best, least = trial, found
        if best == before:
            break
    return best


class Saving(NamedTuple):
    """What a change of numbers does to a network.

    Attributes:
      case: the network.
      changes: whether anything is computed in another way.
      seconds: processor time of a picture's step that the measured times promise to save.
    """

    case: Case
    changes: bool
    seconds: float


def foretell(
    case: Case,
    layers: Sequence[Layer],
    times: tuple[ItemTimes, LayerTimes],
    before: Tuning,
    after: Tuning,
) -> Saving:
    """Foretells what a change of numbers saves in a step of a network.

    Args:
      case: the network.
      layers: its convolutions whose form is chosen.
      times: what was measured of items and layers, as far as it was.
      before, after: the numbers.
    """
    items, forms = times
    known = items.get(case, {})
    most = max(known, default=8)
    old, new = (choose_together(case[1], most, tuning) for tuning in (before, after))
    seconds = _read_time(known, old) - _read_time(known, new) if known else 0.0
    changes = old != new
    for layer in layers:
        one, other = layer.choose(before), layer.choose(after)
        changes |= one != other
        seconds += forms[layer][one] - forms[layer][other] if layer in forms else 0.0
    return Saving(case, changes, seconds)
