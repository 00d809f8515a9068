"""A table becomes a network: the Flax NNX module it folds into and its forward pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import jax
from flax import nnx

from jaxvis.nets.layers import Layer, minimum, shapes, sources
from jaxvis.nets.ops import MODULES, OPS
from jaxvis.types import Array, Network, Params, Taps


class Stack(nnx.Module):
    """The Flax module that a table folds into; its parameters are named by the rows."""

    def __init__(self, rows: tuple[Layer, ...], size: tuple[int, int]) -> None:
        shape, reads = shapes(rows, size), sources(rows)
        self.rows = nnx.static(rows)
        self.layers = nnx.Dict(
            {
                row.name: MODULES[row.op](row, shape[(*reads[row.name], row.name)[0]])
                for row in rows
                if row.op in MODULES
            }
        )

    def __call__(self, values: Mapping[str, Array], wanted: frozenset[str]) -> Taps:
        """Returns `values` and the `wanted` taps, each with a batch axis in front."""
        taps = dict(values)
        reads = sources(self.rows)
        for row in self.rows:
            if row.name not in wanted:
                continue
            if row.op == "input":
                taps["input"] = self.layers["input"](values["input"])
                continue
            given = [taps[name] for name in reads[row.name]]
            if row.op == "fc":
                # H, W, C order: the order of `[h, w, c]` taps.
                given = [given[0].reshape(given[0].shape[0], -1)]
            if row.op in MODULES:
                taps[row.name] = self.layers[row.name](*given)
            else:
                taps[row.name] = OPS[row.op](*given, row=row)
        return taps


@lru_cache(maxsize=256)
def _split(rows: tuple[Layer, ...], size: tuple[int, int]):
    """Returns the static half and the abstract parameters of a table's module."""
    return nnx.split(nnx.eval_shape(lambda: Stack(rows, size)))


@dataclass(frozen=True)
class Table:
    """Returns taps: the forward pass of a table, static and hashable.

    Args:
      rows: the table; the first row is `input`.
      size: (H, W), the image size that the first fully connected row is made for.
    """

    rows: tuple[Layer, ...]
    size: tuple[int, int]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps needed to get from `values` to `wanted`, and `values`."""
        needed = self.needed(frozenset(values), wanted)
        self._check_sizes(values, needed)
        module, abstract = _split(self.rows, self.size)
        state = jax.tree.map(lambda leaf: leaf, abstract)
        nnx.replace_by_pure_dict(state, {"layers": self._complete(params, needed)})
        # The batch axis of one is Flax's; under vmap XLA folds both into one.
        batch = {name: value[None] for name, value in values.items()}
        taps = nnx.merge(module, state)(batch, needed)
        return {name: value[0] for name, value in taps.items()}

    def needed(self, known: frozenset[str], wanted: tuple[str, ...]) -> frozenset[str]:
        """Returns the rows to compute for `wanted` when `known` are given.

        Raises:
          ValueError: if a wanted tap lies before the known ones or bypasses them.
        """
        reads, needed, queue = sources(self.rows), set(), list(wanted)
        while queue:
            name = queue.pop()
            if name in needed or (name in known and name != "input"):
                continue
            if not reads[name] and name not in known:
                raise ValueError(
                    f"{wanted[-1]!r} cannot be reached from {sorted(known)} alone: it "
                    "also reads taps before them; give those too, start=(tap, tap)"
                )
            needed.add(name)
            queue.extend(reads[name])
        return frozenset(needed)

    def _complete(self, params: Params, needed: frozenset[str]) -> dict:
        """Returns the rows' parameters; rows not needed may be absent from `params`."""
        _, abstract = _split(self.rows, self.size)
        spec = nnx.to_pure_dict(abstract)["layers"]
        full = {}
        for name, leaves in spec.items():
            if name in params:
                full[name] = dict(params[name])
            elif name in needed:
                raise ValueError(f"the parameters of layer {name!r} are missing")
            else:
                full[name] = leaves
        return full

    def _check_sizes(self, values: Mapping[str, Array], needed: frozenset[str]) -> None:
        if "input" not in values or "input" not in needed:
            return
        size = values["input"].shape[:2]
        rows = tuple(row for row in self.rows if row.name in needed)
        first_fc = next((row for row in rows if row.op == "fc"), None)
        try:
            at = shapes(rows, size)
        except ValueError as error:
            raise ValueError(
                f"{error}, from an image of {size[0]}x{size[1]}; at least "
                f"{minimum(rows)} pixels a side are needed"
            ) from None
        if first_fc is None:
            return
        before = sources(self.rows)[first_fc.name][0]
        native = shapes(self.rows, self.size)[before]
        if at[before] != native:
            raise ValueError(
                f"{first_fc.name!r} takes images of {self.size[0]}x{self.size[1]} "
                f"({before} {native}), got {size[0]}x{size[1]}: resize the image, stop "
                f"before it (stop={before!r}), or build the net with input_size={size}"
            )


def network(
    name: str,
    rows: tuple[Layer, ...],
    *,
    input_size: tuple[int, int],
    scores: str | None = None,
    classes: str | None = None,
) -> Network:
    """Returns the Network of a table.

    Args:
      name: what files call it.
      rows: the table, without its input row.
      input_size: (H, W) in pixels, the native image; fully connected rows are made
        for it.
      scores, classes: see `jaxvis.types.Network`.

    Raises:
      ValueError: if `input_size` is too small for the table.
    """
    rows = (Layer("input", "input"), *rows)
    shapes(rows, input_size)
    return Network(
        name=name,
        forward=Table(rows, input_size),
        taps=tuple(row.name for row in rows),
        input_size=input_size,
        scores=scores,
        classes=classes or scores,
        rows=rows,
    )


def parameter_shapes(net: Network) -> dict[str, dict[str, tuple[int, ...]]]:
    """Returns the shape of every parameter of a table network, by row and name.

    Args:
      net: a network built from a table.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not a table network: its parameters are yours")
    _, abstract = _split(net.forward.rows, net.forward.size)
    return jax.tree.map(lambda leaf: tuple(leaf.shape), nnx.to_pure_dict(abstract))[
        "layers"
    ]
