"""The peer: a torch module built from a network's rows and its parameters.

It knows rows as plain dicts and parameters as NumPy arrays, and imports neither JAX nor
jaxvis, so that a process that measures torch alone holds nothing else.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor, nn

from benchmarks.peers.torch_layers import Accumulation, PixelLinear, Row, make_layer

Rows = Sequence[Row]
"""`dataclasses.asdict` of every row of a table, the input row first."""
Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Row -> {"kernel", "bias", ...} -> array, in jaxvis's layout."""

RECTIFIERS = {"relu": nn.ReLU, "relu6": nn.ReLU6}
"""Ops that torch's own networks compute in place."""
FORGETFUL = ("bn", "gain")
"""Ops whose gradient does not need their output, so that a sum may overwrite it."""
CONVNEXT = ("ln", "gelu")
"""Ops behind which torchvision's networks have linear layers, and no convolutions, of 1x1."""


def sources_of(rows: Rows) -> dict[str, tuple[str, ...]]:
    """Gives the names of the rows that each row reads.

    Args:
      rows: the table.
    """
    above = [None, *(row["name"] for row in rows)]
    return {
        row["name"]: () if row["op"] == "input" else tuple(row["inputs"]) or (above[i],)
        for i, row in enumerate(rows)
    }


def select_rows(rows: Rows, tap: str) -> list[Row]:
    """Selects the rows that `tap` needs, in order.

    Args:
      rows: the table.
      tap: the last row wanted.
    """
    sources, queue, found = sources_of(rows), [tap], set()
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += sources[name]
    return [row for row in rows if row["name"] in found]


class Net(nn.Module):
    """A network up to one tap: images in [0, 1] -> `[N, C, h, w]` or `[N, d]`.

    Args:
      rows: the table.
      params: its parameters, those of the rows that `tap` needs at least.
      tap: where it stops.
      shapes: row -> `(h, w, c)` or `(d,)` of an image of the size it is used at.
      inplace: whether ReLUs and sums overwrite what nothing else reads, as in torch's
        own networks.
    """

    def __init__(
        self,
        rows: Rows,
        params: Arrays,
        tap: str,
        shapes: Mapping[str, Sequence[int]],
        *,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        used = select_rows(rows, tap)
        sources = sources_of(rows)
        self.plan = [(row["name"], sources[row["name"]]) for row in used]
        readers = [name for _, names in self.plan for name in names]
        ops = {row["name"]: row["op"] for row in used}
        modules: dict[str, nn.Module] = {}
        for row in used:
            name, first = row["name"], (*sources[row["name"]], None)[0]
            overwrites = inplace and readers.count(first) == 1
            special = _make_special(row, params, ops.get(first, ""), overwrites=overwrites)
            shape = shapes[first] if first else ()
            modules[_key(name)] = special or make_layer(row, params.get(name), shape)
        self.layers = nn.ModuleDict(modules)
        self.last = {name: at for at, (_, names) in enumerate(self.plan) for name in names}

    def layer(self, tap: str) -> nn.Module:
        """Returns the module of one row.

        Args:
          tap: the row's name.
        """
        return self.layers[_key(tap)]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the tap of images `[N, 3, H, W]` in [0, 1]."""
        values: dict[str, Tensor] = {}
        for at, (name, names) in enumerate(self.plan):
            given = [values[source] for source in names] or [x]
            values[name] = self.layers[_key(name)](*given)
            for source in names:
                if self.last[source] == at:  # autograd keeps what it needs
                    values.pop(source, None)
        return values[self.plan[-1][0]]


def _make_special(row: Row, params: Arrays, above: str, *, overwrites: bool) -> nn.Module | None:
    """Makes the module that suits a row's place in the network, or None for the usual one.

    Args:
      row, params: the row, and the parameters of all.
      above: the op of the first row that it reads.
      overwrites: whether it may overwrite what it reads there.
    """
    op = row["op"]
    if op in RECTIFIERS and overwrites:
        return RECTIFIERS[op](inplace=True)
    if op == "add" and overwrites and above in FORGETFUL:
        return Accumulation()
    pointwise = row["size"] == row["stride"] == row["groups"] == 1 and row["pad"] == 0
    if op == "conv" and pointwise and above in CONVNEXT:
        return PixelLinear(params[row["name"]])
    return None


def _key(name: str) -> str:
    return name.replace(".", "_")
