"""A table becomes a network: its Flax NNX module and its forward pass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import jax
from flax import nnx

from jaxvis.convolution.kernels import PreparedKernel, choose_tile, prepare_kernels
from jaxvis.nets.table.compute import CastForward, Compute, to_bfloat16, to_float32
from jaxvis.nets.table.describe import describe_rows
from jaxvis.nets.table.fuse import convolve_doubling, find_doublings
from jaxvis.nets.table.layers import (
    Layer,
    is_hidden,
    minimum,
    rows_between,
    shapes,
    sources,
)
from jaxvis.nets.table.ops import MODULES, OPS
from jaxvis.nets.table.segments import SegmentedForward
from jaxvis.nets.table.token_ops import find_views, join_views
from jaxvis.network import Forward, LayerDescription, Network
from jaxvis.platform import platform_of
from jaxvis.types import Array, Params, Taps


class Stack(nnx.Module):
    """The Flax module of a table; the rows name its parameters."""

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

        All of them have a batch axis in front.
        """
        taps, fused = dict(values), {}
        if self.compute.convolution == "fast" and self.compute.precision != "bfloat16":
            fused = find_doublings(self.rows, needed, wanted)
        skipped = {name for one in fused.values() for name in one.inner}
        reads = sources(self.rows)
        for row in self.rows:
            if row.name not in needed or row.name in skipped:
                continue
            if row.name in fused:
                one = fused[row.name]
                taps[row.name] = convolve_doubling(
                    taps[one.source],
                    cast(nnx.Conv, self.layers[row.name]),  # only rows of op "conv" are fused
                    row,
                    self.compute,
                    reflected=one.reflected,
                )
            elif row.op == "input":
                taps["input"] = self.layers["input"](values["input"])
            else:
                taps[row.name] = self._compute_row(row, [taps[name] for name in reads[row.name]])
        return taps

    def _compute_row(self, row: Layer, given: list[Array]) -> Array:
        if row.op == "fc":
            # Maps `[h, w, c]` are flattened in H, W, C order.
            given = [given[0].reshape(given[0].shape[0], -1)]
        if row.op in MODULES:
            return self.layers[row.name](*given)
        return OPS[row.op](*given, row=row)


@lru_cache(maxsize=256)
def _split_stack(rows: tuple[Layer, ...], size: tuple[int, int], compute: Compute):
    """Returns the static half and the abstract parameters of a table's module."""
    return nnx.split(nnx.eval_shape(lambda: Stack(rows, size, compute)))


@dataclass(frozen=True)
class Table(Forward):
    """The forward pass of a table, static and hashable.

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
        values = join_views(self.rows, values)
        needed = rows_between(self.rows, frozenset(values), wanted)
        needed |= find_views(self.rows, needed | frozenset(values))
        self._check_sizes(values, needed)
        module, abstract = _split_stack(self.rows, self.size, self.compute)
        state = jax.tree.map(lambda leaf: leaf, abstract)
        nnx.replace_by_pure_dict(state, {"layers": self._complete(params, needed)})
        # Flax wants a batch axis, here of one. Under vmap XLA folds both axes into one.
        batch = {name: value[None] for name, value in values.items()}
        taps = nnx.merge(module, state)(batch, needed, frozenset(wanted))
        found = {name: value[0] for name, value in taps.items()}
        return to_float32(
            {n: value for n, value in found.items() if n in wanted or not is_hidden(value.shape)}
        )

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters in the form that a step computes fastest with.

        That depends on where the parameters are: only on a CPU are kernels transformed.

        Args:
          params: the parameters of all rows or of some.
          size: (H, W) of the images to come; others work too.
        """
        if self.compute.precision == "bfloat16":
            return {
                row: leaves if row == "input" else to_bfloat16(leaves)
                for row, leaves in params.items()
            }
        if self.compute.convolution == "direct" or platform_of(params) != "cpu":
            return params
        return _with_transforms(params, _choose_tiles(self.rows, size))

    def rematerialise(self) -> Forward:
        """Returns a forward pass that keeps only the taps between segments of the table."""
        return SegmentedForward(self, self.rows, self.size)

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the rows, with their shapes for the native image."""
        return describe_rows(self.rows, self.size)

    def _complete(self, params: Params, needed: frozenset[str]) -> dict:
        """Returns the parameters of all rows; `params` may lack those not needed."""
        _, abstract = _split_stack(self.rows, self.size, self.compute)
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
        height, width = values["input"].shape[:2]
        size = (height, width)
        # With other taps beside the image, the rows before them have sizes too.
        passed = rows_between(self.rows, frozenset({"input"}), tuple(needed))
        rows = tuple(row for row in self.rows if row.name in passed)
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
def _choose_tiles(rows: tuple[Layer, ...], size: tuple[int, int]) -> dict[str, int]:
    """Returns row -> m of the convolutions that Winograd's form speeds up."""
    least = minimum(rows)  # a smaller image may still be shown to the first rows
    at, reads = shapes(rows, (max(size[0], least), max(size[1], least))), sources(rows)
    tiles, fused = {}, find_doublings(rows, frozenset(at), frozenset())
    for row in rows:
        plain = row.op == "conv" and (row.stride, row.groups) == (1, 1)
        if plain and row.name not in fused:
            channels = at[reads[row.name][0]][-1]
            kernel = (*row.window, channels, row.width)
            height, width = at[row.name][:2]
            tiles[row.name] = choose_tile((height, width), kernel)
    return {name: m for name, m in tiles.items() if m}


def _with_transforms(params: Params, tiles: Mapping[str, int]) -> Params:
    """Returns parameters whose kernels in `tiles` are prepared."""
    new = {
        name: (params[name]["kernel"], m)
        for name, m in tiles.items()
        if name in params and not isinstance(params[name]["kernel"], PreparedKernel)
    }
    kernels = prepare_kernels(*zip(*new.values())) if new else ()
    # A prepared kernel stands in the place of the array that it was made from.
    prepared: dict[str, Mapping[str, Any]] = {
        name: {**params[name], "kernel": kernel} for name, kernel in zip(new, kernels)
    }
    return {**params, **prepared}


def build_network(
    name: str,
    rows: tuple[Layer, ...],
    *,
    input_size: tuple[int, int],
    scores: str | None = None,
    classes: str | None = None,
    channels: int = 3,
) -> Network:
    """Returns the network of a table.

    Args:
      name: what files call it.
      rows: the table, without its input row.
      input_size: (H, W) in pixels of the native image; fully connected rows are made
        for it.
      scores, classes, channels: see `jaxvis.network.Network`.

    Raises:
      ValueError: if `input_size` is too small for the table.
    """
    rows = (Layer("input", "input", channels), *rows)
    at = shapes(rows, input_size)
    return Network(
        name=name,
        forward=Table(rows, input_size),
        taps=tuple(row.name for row in rows if not is_hidden(at[row.name])),
        input_size=input_size,
        scores=scores,
        classes=classes or scores,
        rows=rows,
        channels=channels,
    )


def with_compute(net: Network, compute: Compute) -> Network:
    """Returns the network with another precision or convolution.

    Args:
      net: a network built from a table, or a user's own from an adapter.
      compute: precision and convolution.

    Raises:
      ValueError: for "direct" convolutions of a network that has no table, because its
        convolutions are its own.
    """
    if isinstance(net.forward, Table):
        return replace(net, forward=replace(net.forward, compute=compute))
    if compute == Compute():
        return net
    if compute.convolution != "fast":
        raise ValueError(
            f"{net.name} is not built from a table, so its convolutions are its own: "
            f"leave convolution={compute.convolution!r} out"
        )
    return replace(net, forward=CastForward(net.forward, compute.precision))


def parameter_shapes(net: Network) -> dict[str, dict[str, tuple[int, ...]]]:
    """Returns the shape of every parameter of a table network, by row and name.

    Args:
      net: a network built from a table.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not a table network: its parameters are yours")
    _, abstract = _split_stack(net.forward.rows, net.forward.size, Compute())
    return jax.tree.map(lambda leaf: tuple(leaf.shape), nnx.to_pure_dict(abstract))["layers"]
