"""The units that feed a unit, and those that it feeds, by the weights between them."""

from collections.abc import Sequence

import numpy as np

from jaxvis.network import Network
from jaxvis.site.measures.wiring import KERNELS, Maker, Wiring
from jaxvis.types import Params

Link = tuple[str, int, float]
"""A unit as its layer and index, and the weight of the link to it."""
MOST = 8
"""Links of a unit that are kept."""


class Links:
    """The links between units of a network, as if it was linear.

    The weight from unit i of one layer to unit j of a later one says by how much j rises when
    the whole map of i rises by 1, away from the borders: along each way between them it is the
    sum over positions of the one kernel on that way, times the factors of the norms on it, and
    the ways are added up. Poolings, rectifiers and other functions of single values pass a
    rise on unchanged, and factors that a network computes (squeeze and excitation) count as 1.

    A unit is linked with the rows of kernels before and behind the kernels that make it. Where
    one of `taps` lies between, the link is to that, so that it leads to a layer that is shown.
    Nothing is said of a layer that is made or read in another way, such as by an attention or
    a transposed convolution: its list is empty. So it is in a network without a table.

    Args:
      net, params: the network.
      taps: the layers that are shown.
    """

    def __init__(self, net: Network, params: Params, taps: Sequence[str]) -> None:
        self.net, self.params, self.taps = net, params, tuple(taps)
        self.wiring = wiring = Wiring(net, params) if net.rows else None
        if wiring is not None:
            self.passed = {row: wiring.list_passed(row) for row in wiring.kernels}
            self.shown = self._find_shown(wiring)

    def find_feeding(self, tap: str) -> list[list[Link]]:
        """Finds the units that feed each unit of a layer, the strongest weights first.

        Args:
          tap: the layer.
        """
        wiring, count = self.wiring, self.net.shape(self.params, tap)[-1]
        if wiring is None:
            return [[] for _ in range(count)]
        makers = wiring.find_makers(tap, known=self.taps)
        weights: dict[str, np.ndarray] = {}
        for maker in makers or ():
            found, whole = self._trace(maker)
            if not whole:
                return [[] for _ in range(count)]
            for name, part in found.items():
                columns = slice(maker.start, maker.start + len(maker.factor))
                sums = weights.setdefault(name, np.zeros((len(part), count)))
                sums[:, columns] += part * maker.factor
        return pick_strongest([(name, 0, part.T) for name, part in weights.items()], count)

    def _trace(self, maker: Maker) -> tuple[dict[str, np.ndarray], bool]:
        assert self.wiring is not None
        if maker.kernel:
            return self.wiring.trace(maker.row, frozenset(self.taps))
        return {maker.row: np.eye(len(maker.factor))}, True

    def find_fed(self, tap: str) -> list[list[Link]]:
        """Finds the units that each unit of a layer feeds, the strongest weights first.

        Args:
          tap: the layer.
        """
        wiring, count = self.wiring, self.net.shape(self.params, tap)[-1]
        if wiring is None:
            return [[] for _ in range(count)]
        parts = []
        for row, passed in self.passed.items():
            if tap not in passed:
                continue
            found = wiring.trace(row, frozenset({tap}), first=tap)[0].get(tap)
            if found is not None:
                name, start, factor = self.shown.get(row, (row, 0, np.ones(1)))
                parts.append((name, start, found * factor))
        return pick_strongest(parts, count)

    def _find_shown(self, wiring: Wiring) -> dict[str, tuple[str, int, np.ndarray]]:
        """Finds row with kernels that is not shown -> the first layer that shows its channels."""
        shown: dict[str, tuple[str, int, np.ndarray]] = {}
        for tap in sorted(self.taps, key=wiring.order.index):
            if wiring.rows[tap].op in KERNELS:
                continue
            for maker in wiring.find_makers(tap) or ():
                if maker.kernel and maker.row not in self.taps:
                    shown.setdefault(maker.row, (tap, maker.start, maker.factor))
        return shown


def pick_strongest(
    parts: Sequence[tuple[str, int, np.ndarray]], count: int, *, most: int = MOST
) -> list[list[Link]]:
    """Picks the links of the largest weights, whatever their sign, the largest first.

    Args:
      parts: of each layer its name, the number of its first unit, and weights `[count, n]` to
        its units.
      count: of the units that are linked.
      most: links of each.

    Returns:
      list: for each unit its links; those of weight 0 are left out.
    """
    if not parts:
        return [[] for _ in range(count)]
    weights = np.concatenate([part for _, _, part in parts], axis=1)
    ends = np.cumsum([part.shape[1] for _, _, part in parts])
    order = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :most]
    picked: list[list[Link]] = []
    for row, columns in zip(weights, order):
        links: list[Link] = []
        for column in columns[row[columns] != 0]:
            place = int(np.searchsorted(ends, column, side="right"))
            name, start, part = parts[place]
            index = start + int(column) - int(ends[place]) + part.shape[1]
            links.append((name, index, float(row[column])))
        picked.append(links)
    return picked
