"""A network is a table: rows, the Flax module they fold into, shapes and geometry.

A `Layer` row says what one layer does and what it reads; nothing else describes a
network. The same rows give the Flax NNX module (`Stack`), the taps, shapes and sizes
(`shapes`), receptive fields (`jaxvis.nets.geometry`) and parameter names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxvis.types import Array, Network, Params, Taps

BN_EPSILON = 1e-5  # torchvision's


@dataclass(frozen=True)
class Layer:
    """Returns one row of a network's table.

    Args:
      name: the tap's name, unique in the table.
      op: a key of `OPS`.
      width: output channels of conv and fc; 0 elsewhere.
      size, stride, pad, groups: kernel size, stride, zero (conv) or -inf (max pool)
        padding in pixels on every side, and feature groups.
      ceil: pooling output size rounds up, Caffe's rule; False rounds down.
      bias: whether conv and fc add one.
      inputs: names of the rows it reads; empty reads the row above.
      alpha, kappa: lrn's constants, y = x / (kappa + alpha / size * sum x^2)^0.75.
    """

    name: str
    op: str
    width: int = 0
    size: int = 1
    stride: int = 1
    pad: int = 0
    groups: int = 1
    ceil: bool = False
    bias: bool = True
    inputs: tuple[str, ...] = ()
    alpha: float = 0.0
    kappa: float = 1.0


class Scale(nnx.Module):
    """Returns x * scale + shift: what a checkpoint wanted of its input, folded in."""

    def __init__(self) -> None:
        self.scale = nnx.Param(jnp.ones(3))
        self.shift = nnx.Param(jnp.zeros(3))

    def __call__(self, x: Array) -> Array:
        """Returns the image `[..., 3]` as the first layer wants it."""
        return x * self.scale[...] + self.shift[...]


def pool_size(size: int, row: Layer) -> int:
    """Returns a pooling row's output length for an input of `size` pixels.

    Caffe's rule where `row.ceil`: ceil((n + 2 pad - size) / stride) + 1, one less if
    the last window would begin beyond the padded input.
    """
    span = size + 2 * row.pad - row.size
    if not row.ceil:
        return span // row.stride + 1
    out = -(-span // row.stride) + 1
    return out - 1 if (out - 1) * row.stride >= size + row.pad else out


def _fold(
    x: Array, row: Layer, axis: int, fill: float, combine: Callable[..., Array]
) -> Array:
    """Returns windows along one axis combined: `x` cut by stride, shifted, folded.

    XLA's windowed maximum has a scatter for a gradient, 3-7 times slower on CPU than
    the gradient of these contiguous slices.
    """
    stride, out = row.stride, pool_size(x.shape[axis], row)
    length = -(-((out - 1) * stride + row.size) // stride) * stride
    pads = [(0, 0)] * x.ndim
    pads[axis] = (row.pad, max(length - x.shape[axis] - row.pad, 0))
    x = lax.slice_in_dim(jnp.pad(x, pads, constant_values=fill), 0, length, axis=axis)
    phases = x.reshape(*x.shape[:axis], -1, stride, *x.shape[axis + 1 :])
    phases = [
        lax.index_in_dim(phases, i, axis + 1, keepdims=False) for i in range(stride)
    ]
    parts = [
        lax.slice_in_dim(phases[i % stride], i // stride, i // stride + out, axis=axis)
        for i in range(row.size)
    ]
    return reduce(combine, parts)


def _pool(x: Array, row: Layer) -> Array:
    """Returns max or average pooling; the gradient of a tie goes to the first maximum.

    Average windows cut at the edge average over the pixels that exist.
    """
    if row.op == "max":
        # Across, then down: ties then resolve in reading order, as torch's do.
        for axis in (2, 1):
            x = _fold(x, row, axis, -jnp.inf, lambda m, new: jnp.where(new > m, new, m))
        return x
    for axis in (2, 1):
        ones = jnp.ones_like(
            x, shape=(1,) * axis + (x.shape[axis],) + (1,) * (3 - axis)
        )
        x = _fold(x, row, axis, 0.0, jnp.add) / _fold(ones, row, axis, 0.0, jnp.add)
    return x


def _lrn(x: Array, row: Layer) -> Array:
    """Returns local response normalisation across channels, windows cut at the ends."""
    half = row.size // 2
    square = lax.reduce_window(
        x * x, 0.0, lax.add, (1, 1, 1, row.size), (1, 1, 1, 1),
        [(0, 0), (0, 0), (0, 0), (half, row.size - 1 - half)],
    )  # fmt: skip
    root = lax.rsqrt(row.kappa + row.alpha / row.size * square)
    return x * (root * jnp.sqrt(root))  # ^-0.75 without a power: a third faster


def _conv(row: Layer, shape: tuple[int, ...]) -> nnx.Module:
    return nnx.Conv(
        shape[-1], row.width, (row.size, row.size), row.stride,
        padding=((row.pad, row.pad), (row.pad, row.pad)),
        feature_group_count=row.groups, use_bias=row.bias, rngs=nnx.Rngs(0),
    )  # fmt: skip


def _fc(row: Layer, shape: tuple[int, ...]) -> nnx.Module:
    inputs = shape[0] * shape[1] * shape[2] if len(shape) == 3 else shape[0]
    return nnx.Linear(inputs, row.width, use_bias=row.bias, rngs=nnx.Rngs(0))


def _batch_norm(row: Layer, shape: tuple[int, ...]) -> nnx.Module:
    return nnx.BatchNorm(
        shape[-1], use_running_average=True, epsilon=BN_EPSILON, rngs=nnx.Rngs(0)
    )


MODULES: dict[str, Callable[[Layer, tuple[int, ...]], nnx.Module]] = {
    "input": lambda row, shape: Scale(),
    "conv": _conv,
    "fc": _fc,
    "bn": _batch_norm,
}
"""Ops that have parameters."""

OPS: dict[str, Callable[..., Array]] = {
    "max": _pool,
    "avg": _pool,
    "lrn": _lrn,
    "relu": lambda x, row: jax.nn.relu(x),
    "gap": lambda x, row: jnp.mean(x, axis=(1, 2)),
    "softmax": lambda x, row: jax.nn.softmax(x),
    "concat": lambda *xs, row: jnp.concatenate(xs, axis=-1),
    "add": lambda *xs, row: sum(xs[1:], xs[0]),
}
"""Ops without parameters; they act on `[1, h, w, c]` or `[1, d]`."""


def sources(rows: tuple[Layer, ...]) -> dict[str, tuple[str, ...]]:
    """Returns the names of the rows that each row reads; the input row reads none."""
    above = ("",) + tuple(row.name for row in rows)
    return {
        row.name: () if row.op == "input" else (row.inputs or (above[i],))
        for i, row in enumerate(rows)
    }


def _spatial(row: Layer, size: tuple[int, int]) -> tuple[int, int]:
    if row.op == "conv":
        out = tuple((n + 2 * row.pad - row.size) // row.stride + 1 for n in size)
    else:
        out = tuple(pool_size(n, row) for n in size)
    if min(out) < 1 or min(n + 2 * row.pad for n in size) < row.size:
        raise ValueError(f"the image is too small: nothing is left at {row.name!r}")
    return out


def shapes(
    rows: tuple[Layer, ...], size: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """Returns every tap's shape, `(h, w, c)` or `(d,)`, for an image of `size`.

    Args:
      rows: the table.
      size: (H, W) in pixels.

    Raises:
      ValueError: if the image is too small for a row.
    """
    out: dict[str, tuple[int, ...]] = {}
    reads = sources(rows)
    for row in rows:
        given = [out[name] for name in reads[row.name]]
        if row.op == "input":
            out[row.name] = (*size, 3)
        elif row.op == "fc":
            out[row.name] = (row.width,)
        elif row.op == "gap":
            out[row.name] = (given[0][-1],)
        elif row.op == "concat":
            out[row.name] = (*given[0][:-1], sum(s[-1] for s in given))
        elif row.op in ("conv", "max", "avg"):
            width = row.width or given[0][-1]
            out[row.name] = (*_spatial(row, given[0][:2]), width)
        else:
            out[row.name] = given[0]
    return out


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


def minimum(rows: tuple[Layer, ...]) -> int:
    """Returns the smallest side of an image, in pixels, that passes every row."""
    for side in range(1, 1024):
        try:
            shapes(rows, (side, side))
        except ValueError:
            continue
        return side
    raise ValueError("no image below 1024 pixels passes this table")


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

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not a table network: its parameters are yours")
    _, abstract = _split(net.forward.rows, net.forward.size)
    return jax.tree.map(lambda leaf: tuple(leaf.shape), nnx.to_pure_dict(abstract))[
        "layers"
    ]
