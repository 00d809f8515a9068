"""A table becomes a network: the Flax NNX module it folds into and its forward pass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import jax
from flax import nnx

from jaxvis.convolution.conv import prepare, tile
from jaxvis.convolution.forms import Prepared
from jaxvis.nets.table.compute import Cast, Compute, high, low
from jaxvis.nets.table.fuse import convolved, doublings
from jaxvis.nets.table.layers import Layer, minimum, shapes, sources
from jaxvis.nets.table.ops import MODULES, OPS
from jaxvis.nets.table.segments import Segmented
from jaxvis.network import Forward, Network
from jaxvis.types import Array, Params, Taps


class Stack(nnx.Module):
    """The Flax module that a table folds into; its parameters are named by the rows."""

    def __init__(self, rows: tuple[Layer, ...], size: tuple[int, int], compute: Compute) -> None:
        shape, reads = shapes(rows, size), sources(rows)
        self.rows, self.compute = nnx.static(rows), nnx.static(compute)
        self.layers = nnx.Dict(
            {
                row.name: MODULES[row.op](row, shape[(*reads[row.name], row.name)[0]], compute)
                for row in rows
                if row.op in MODULES
            }
        )

    def __call__(
        self,
        values: Mapping[str, Array],
        needed: frozenset[str],
        wanted: frozenset[str],
    ) -> Taps:
        """Returns `values`, the `wanted` taps and others of the `needed` rows.

        Each has a batch axis in front.
        """
        taps = dict(values)
        reads, fused = sources(self.rows), {}
        if self.compute.convolution == "fast" and self.compute.precision != "bfloat16":
            fused = doublings(self.rows, needed, wanted)
        skipped = {name for one in fused.values() for name in one.inner}
        for row in self.rows:
            if row.name not in needed or row.name in skipped:
                continue
            if row.name in fused:
                one = fused[row.name]
                taps[row.name] = convolved(
                    taps[one.source],
                    self.layers[row.name],
                    row,
                    self.compute,
                    reflected=one.reflected,
                )
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
def _split(rows: tuple[Layer, ...], size: tuple[int, int], compute: Compute):
    """Returns the static half and the abstract parameters of a table's module."""
    return nnx.split(nnx.eval_shape(lambda: Stack(rows, size, compute)))


@dataclass(frozen=True)
class Table(Forward):
    """Returns taps: the forward pass of a table, static and hashable.

    Args:
      rows: the table; the first row is `input`.
      size: (H, W), the image size that the first fully connected row is made for.
      compute: precision and convolution.
    """

    rows: tuple[Layer, ...]
    size: tuple[int, int]
    compute: Compute = Compute()

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps needed to get from `values` to `wanted`, and `values`."""
        needed = self.needed(frozenset(values), wanted)
        self._check_sizes(values, needed)
        module, abstract = _split(self.rows, self.size, self.compute)
        state = jax.tree.map(lambda leaf: leaf, abstract)
        nnx.replace_by_pure_dict(state, {"layers": self._complete(params, needed)})
        # The batch axis of one is Flax's; under vmap XLA folds both into one.
        batch = {name: value[None] for name, value in values.items()}
        taps = nnx.merge(module, state)(batch, needed, frozenset(wanted))
        return high({name: value[0] for name, value in taps.items()})

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters in the form that the step computes fastest with.

        Args:
          params: parameters of all rows or some.
          size: (H, W) of the image to come; another one works too.
        """
        if self.compute.precision == "bfloat16":
            return {
                row: leaves if row == "input" else low(leaves) for row, leaves in params.items()
            }
        if self.compute.convolution == "direct" or jax.default_backend() != "cpu":
            return params
        return _with_transforms(params, _tiles(self.rows, size))

    def rematerialise(self) -> Forward:
        """Makes a forward pass that keeps only the taps between segments of the table."""
        return Segmented(self, self.rows, self.size)

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
        _, abstract = _split(self.rows, self.size, self.compute)
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


@lru_cache(maxsize=256)
def _tiles(rows: tuple[Layer, ...], size: tuple[int, int]) -> dict[str, int]:
    """Returns row -> m of the convolutions that Winograd's form speeds up."""
    least = minimum(rows)  # an image below it may still be shown to the first rows
    at, reads = shapes(rows, tuple(max(side, least) for side in size)), sources(rows)
    tiles, fused = {}, doublings(rows, frozenset(at), frozenset())
    for row in rows:
        plain = row.op == "conv" and (row.stride, row.groups) == (1, 1)
        if plain and row.name not in fused:
            width = at[reads[row.name][0]][-1]
            tiles[row.name] = tile(at[row.name][:2], (row.size, row.size, width, row.width))
    return {name: m for name, m in tiles.items() if m}


def _with_transforms(params: Params, tiles: Mapping[str, int]) -> Params:
    """Returns parameters whose kernels in `tiles` are prepared."""
    new = {
        name: (params[name]["kernel"], m)
        for name, m in tiles.items()
        if name in params and not isinstance(params[name]["kernel"], Prepared)
    }
    kernels = prepare(*zip(*new.values())) if new else ()
    return {
        **params,
        **{name: {**params[name], "kernel": kernel} for name, kernel in zip(new, kernels)},
    }


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


def computed(net: Network, compute: Compute) -> Network:
    """Returns the network, computing otherwise.

    Args:
      net: a table network, or a user's own from an adapter.
      compute: precision and convolution.

    Raises:
      ValueError: for "direct" convolutions of a network that is no table: its
        convolutions are its own.
    """
    if isinstance(net.forward, Table):
        return replace(net, forward=replace(net.forward, compute=compute))
    if compute == Compute():
        return net
    if compute.convolution != "fast":
        raise ValueError(f"the convolutions of {net.name} are its own: leave the option")
    return replace(net, forward=Cast(net.forward, compute.precision))


def parameter_shapes(net: Network) -> dict[str, dict[str, tuple[int, ...]]]:
    """Returns the shape of every parameter of a table network, by row and name.

    Args:
      net: a network built from a table.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not a table network: its parameters are yours")
    _, abstract = _split(net.forward.rows, net.forward.size, Compute())
    return jax.tree.map(lambda leaf: tuple(leaf.shape), nnx.to_pure_dict(abstract))["layers"]
