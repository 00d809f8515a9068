"""The peer: a torch module built from a network's rows and its parameters.

It knows rows as plain dicts and parameters as NumPy arrays, and imports neither JAX nor
jaxvis, so that a process that measures torch alone holds nothing else.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor, nn

from benchmarks.peers.torch_layers import Row, make_layer

Rows = Sequence[Row]
"""`dataclasses.asdict` of every row of a table, the input row first."""
Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Row -> {"kernel", "bias", ...} -> array, in jaxvis's layout."""


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
      inplace: whether ReLUs overwrite what nothing else reads, as torch's own
        networks do.
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
        modules: dict[str, nn.Module] = {}
        for row in used:
            name, given = row["name"], sources[row["name"]]
            alone = len(given) == 1 and readers.count(given[0]) == 1
            if inplace and row["op"] == "relu" and alone:
                module = nn.ReLU(inplace=True)
            else:
                module = make_layer(row, params.get(name), shapes[given[0]] if given else ())
            modules[_key(name)] = module
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


def _key(name: str) -> str:
    return name.replace(".", "_")
