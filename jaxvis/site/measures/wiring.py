"""How channels are wired: the kernels that make those of a layer, and what these kernels read.

Everything here is of the network made linear. A channel that rises by 1 everywhere passes
poolings, rectifiers and other functions of single values unchanged, and norms times their
factor for the channel; a kernel multiplies it by the sum of its weights over positions.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from jaxvis.convolution.kernels import raw_kernel
from jaxvis.nets.table.layers import shapes, sources
from jaxvis.network import Network
from jaxvis.types import Params

KEPT = 64
"""Kernels whose sums are kept."""
KERNELS = ("conv", "fc")
"""Ops of rows whose units have kernels."""
SCALED = ("bn", "ln", "inorm", "gain")
"""Ops that multiply every channel by a factor of its own."""
PASSING = frozenset(
    "relu relu6 silu gelu quick_gelu sigmoid hsigmoid hswish leaky tanh softmax lrn max avg "
    "window_max gap crop reflect same repeat mul".split()
)
"""Ops that pass channels on one by one; of a product it is the map that passes, and its
factors are left out."""


class Maker(NamedTuple):
    """A row that makes some neighbouring channels of a layer.

    Attributes:
      row: its name.
      start: the layer's channel that its first one becomes.
      factor: `[c]`, what its channels are multiplied by on the way.
      kernel: whether its units have kernels; otherwise the channels are those of `row`.
    """

    row: str
    start: int
    factor: np.ndarray
    kernel: bool


class Wiring:
    """The rows of a table with their weights, and what follows from both.

    Args:
      net, params: a network built from a table.

    Attributes:
      kernels: the names of the rows whose units have kernels, in forward order.
    """

    def __init__(self, net: Network, params: Params) -> None:
        self.params = params
        self.rows = {row.name: row for row in net.rows}
        self.order = tuple(self.rows)
        self.reads = sources(net.rows)
        self.shapes = shapes(net.rows, net.input_size)
        self.kernels = tuple(name for name, row in self.rows.items() if row.op in KERNELS)
        # Layers that are handled one after the other are linked by the same kernels.
        self.sum_kernel = lru_cache(maxsize=KEPT)(self._sum_kernel)

    def read_factor(self, name: str) -> np.ndarray | None:
        """Reads what a row multiplies its channels by, `[c]`; None for a row that says nothing.

        Args:
          name: of the row.
        """
        op = self.rows[name].op
        if op in PASSING:
            return np.ones(self.shapes[name][-1])
        if op not in SCALED:
            return None
        scale = np.asarray(self.params[name]["scale"], np.float64)
        if scale.ndim != 1:
            return None  # of several styles, of which none has been chosen
        if op == "bn":
            var = np.asarray(self.params[name]["var"], np.float64)
            scale = scale / np.sqrt(var + self.rows[name].epsilon)
        return scale

    def read_kernel(self, name: str) -> np.ndarray:
        """Reads the kernel of a row, `[kh, kw, c / groups, f]`; `[1, 1, c, f]` of a vector's.

        Args:
          name: one of `kernels`.
        """
        kernel = np.asarray(raw_kernel(self.params[name]["kernel"]))
        if self.rows[name].op == "conv":
            return kernel
        shape = self.shapes[self.reads[name][0]]
        return kernel.reshape(*(shape if len(shape) == 3 else (1, 1, *shape)), -1)

    def _sum_kernel(self, name: str) -> np.ndarray:
        """Sums the weights of a row over positions, `[c, f]` float64."""
        summed = self.read_kernel(name).sum(axis=(0, 1), dtype=np.float64)
        groups = self.rows[name].groups
        if groups == 1:
            return summed
        read, made = summed.shape[0], summed.shape[1] // groups
        whole = np.zeros((read * groups, made * groups))
        for one in range(groups):
            columns = slice(one * made, (one + 1) * made)
            whole[one * read : (one + 1) * read, columns] = summed[:, columns]
        return whole

    def find_makers(self, tap: str, *, known: Iterable[str] = ()) -> list[Maker] | None:
        """Finds the rows that make the channels of a layer; None where that cannot be said.

        Args:
          tap: the layer.
          known: layers that count as makers themselves behind a sum: what a residual network
            adds to them is made by kernels, and they are handed on as they are.
        """
        ends, makers = frozenset(known) - {tap}, []
        # Row -> its channels as (the first one in the layer, factors, whether behind a sum).
        carried = {tap: [(0, np.ones(self.shapes[tap][-1]), False)]}
        for name in self._list_back(tap):
            op, factor = self.rows[name].op, self.read_factor(name)
            for start, gain, summed in carried.pop(name, ()):
                if op in (*KERNELS, "input") or (summed and name in ends):
                    makers.append(Maker(name, start, gain, op in KERNELS))
                elif op in ("concat", "add"):
                    begin = 0
                    for read in self.reads[name]:
                        width = self.shapes[read][-1]
                        part = gain[begin : begin + width] if op == "concat" else gain
                        place = (start + begin, part, summed or op == "add")
                        carried.setdefault(read, []).append(place)
                        begin += width if op == "concat" else 0
                elif factor is not None:
                    place = (start, gain * factor, summed)
                    carried.setdefault(self.reads[name][0], []).append(place)
                else:
                    return None
        return makers

    def trace(
        self, row: str, ends: frozenset[str], *, first: str = "input"
    ) -> tuple[dict[str, np.ndarray], bool]:
        """Traces what a row with kernels reads: layer -> weights `[c, f]` float64.

        Args:
          row: one of `kernels`.
          ends: layers at which the way back ends, beside rows with kernels and the image.
          first: the layer before which nothing is looked for.

        Returns:
          tuple: the weights, and whether they are all; they are not where a row lies on the
          way of which nothing can be said.
        """
        carried = {self.reads[row][0]: self.sum_kernel(row)}
        found, whole = {}, True
        for name in self._list_back(self.reads[row][0], first):
            weights = carried.pop(name, None)
            if weights is None:
                continue
            op, factor = self.rows[name].op, self.read_factor(name)
            if name in ends or op in (*KERNELS, "input"):
                found[name] = weights
            elif op in ("concat", "add"):
                begin = 0
                for read in self.reads[name]:
                    width = self.shapes[read][-1]
                    part = weights[begin : begin + width] if op == "concat" else weights
                    carried[read] = carried.get(read, 0) + part
                    begin += width if op == "concat" else 0
            elif factor is not None:
                read = self.reads[name][0]
                carried[read] = carried.get(read, 0) + weights * factor[:, None]
            else:
                whole = False
        return found, whole

    def list_passed(self, row: str) -> set[str]:
        """Lists the layers whose channels a row with kernels reads, up to the next kernels.

        Args:
          row: one of `kernels`.
        """
        found: set[str] = set()
        queue = list(self.reads[row])
        while queue:
            name = queue.pop()
            if name in found:
                continue
            found.add(name)
            op = self.rows[name].op
            if op not in (*KERNELS, "input"):
                queue += self.reads[name] if op in ("concat", "add") else self.reads[name][:1]
        return found

    def _list_back(self, name: str, first: str = "input") -> tuple[str, ...]:
        """Lists a row and those above it down from `first`, the last one first."""
        return self.order[self.order.index(first) : self.order.index(name) + 1][::-1]
