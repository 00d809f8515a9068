"""Relevance on its way back through the rows of a network's table."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import jax
import jax.numpy as jnp

from jaxvis.attribution.relevance.composites import Composite
from jaxvis.attribution.relevance.rules import (
    STABILIZER,
    Linear,
    share_relevance,
    stabilize,
)
from jaxvis.convolution import conv
from jaxvis.nets.table.layers import Layer, sources
from jaxvis.nets.table.ops import OPS
from jaxvis.network import Network
from jaxvis.types import Array, Params, Taps

PASSED = frozenset("relu relu6 silu gelu sigmoid hswish hsigmoid leaky lrn softmax gain".split())
"""Ops of one input and one output each, whose relevance is passed on as it is."""
ROUTED = frozenset("max concat reflect crop same repeat".split())
"""Ops that only choose or move values: relevance goes where a value came from."""
SHARED = frozenset("avg gap add".split())
"""Ops that add values up: each gets its share of the sum."""
POSITIVE = frozenset("relu relu6 sigmoid hsigmoid softmax".split())
"""Ops whose outputs are never negative."""
LINEAR = frozenset(("conv", "fc"))


def check_rows(net: Network, taps: tuple[str, ...]) -> None:
    """Refuses a network through which relevance cannot be propagated.

    Args:
      net: the network.
      taps: those that the score reads.

    Raises:
      ValueError: for an adapted network, or a row whose op has no rule; names the row.
    """
    if not net.rows:
        raise ValueError(
            f"{net.name} is not built from a table, so its layers are not known one by one: "
            "relevance propagation needs one; integrated_gradients works with any network"
        )
    known = PASSED | ROUTED | SHARED | LINEAR | {"input", "bn", "ln", "mul"}
    needed = _find_needed(net.rows, taps)
    for row in net.rows:
        if row.name in needed and row.op not in known:
            raise ValueError(
                f"relevance has no rule for {row.op!r}, which computes {row.name!r} of "
                f"{net.name}: explain a tap before it, or use integrated_gradients"
            )


def propagate(
    net: Network,
    params: Params,
    composite: Composite,
    taps: Taps,
    relevance: Mapping[str, Array],
    *,
    until: str = "input",
    change: Mapping[str, Callable[[Array], Array]] | None = None,
) -> Array:
    """Propagates the relevance of some taps back to an earlier one.

    Args:
      net, params: a network that `check_rows` takes.
      composite: the rules.
      taps: the activations of every row on the way.
      relevance: tap -> the relevance of its entries.
      until: the tap whose relevance is wanted.
      change: tap -> what is done to its relevance on the way, such as leaving all channels
        but one out.

    Returns:
      Array: the relevance of the tap `until`, of its shape.
    """
    found, change = dict(relevance), dict(change or {})
    reads, merged = sources(net.rows), find_merged(net.rows)
    first = _find_first(net.rows)
    for row in reversed(net.rows):
        if row.name not in found:
            continue
        if row.name in change:
            found[row.name] = change[row.name](found[row.name])
        if row.name == until:
            break
        out = found.pop(row.name)
        given = [taps[name] for name in reads[row.name]]
        if row.op in LINEAR:
            rule = composite.dense if row.op == "fc" else composite.convolutions
            norm = merged.get(row.name)
            layer = _build_linear(net, params, row, norm, given[0])
            if row.name in first:
                rule = composite.first or rule
                layer = layer._replace(bounds=_find_bounds(params))
            shares = [share_relevance(rule, layer, out)]
        elif row.name in merged.values():
            shares = [out]  # it is a part of the convolution before it
        else:
            shares = _share_others(row, params, given, taps[row.name], out)
        for name, part in zip(reads[row.name], shares):
            found[name] = found[name] + part if name in found else part
    return found.get(until, jnp.zeros_like(taps[until]))


@lru_cache(maxsize=256)
def find_merged(rows: tuple[Layer, ...]) -> dict[str, str]:
    """Returns convolution -> the batch norm behind it that both are one layer with.

    Args:
      rows: the table.
    """
    reads = sources(rows)
    readers: dict[str, list[Layer]] = {}
    for row in rows:
        for name in reads[row.name]:
            readers.setdefault(name, []).append(row)
    return {
        row.name: after[0].name
        for row in rows
        if row.op == "conv" and len(after := readers.get(row.name, [])) == 1 and after[0].op == "bn"
    }


@lru_cache(maxsize=256)
def _find_needed(rows: tuple[Layer, ...], taps: tuple[str, ...]) -> frozenset[str]:
    reads, needed, queue = sources(rows), set(), list(taps)
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue.extend(reads[name])
    return frozenset(needed)


@lru_cache(maxsize=256)
def _find_first(rows: tuple[Layer, ...]) -> frozenset[str]:
    """Returns the linear rows that read the image itself, padded or not."""
    reads = sources(rows)
    before = {"input"}
    for row in rows:
        if row.op in ("same", "reflect") and reads[row.name][0] in before:
            before.add(row.name)
    return frozenset(row.name for row in rows if row.op in LINEAR and reads[row.name][0] in before)


@lru_cache(maxsize=256)
def _find_positive(rows: tuple[Layer, ...]) -> frozenset[str]:
    """Returns the rows whose values are never negative."""
    reads, found = sources(rows), set()
    keeps = SHARED | ROUTED | {"lrn", "mul"}
    for row in rows:
        if row.op in POSITIVE or (row.op in keeps and all(n in found for n in reads[row.name])):
            found.add(row.name)
    return frozenset(found)


def _build_linear(net: Network, params: Params, row: Layer, norm: str | None, x: Array) -> Linear:
    """Builds the linear layer of a row, with the batch norm behind it if there is one."""
    own = params[row.name]
    kernel = own["kernel"]
    bias = own.get("bias", jnp.zeros(kernel.shape[-1], kernel.dtype))
    if norm is not None:
        factor, shift = _find_affine(params[norm], _row_of(net.rows, norm))
        kernel, bias = kernel * factor, bias * factor + shift
    positive = sources(net.rows)[row.name][0] in _find_positive(net.rows)
    multiply = _multiply_dense if row.op == "fc" else partial(_convolve, row)
    return Linear(multiply, x, kernel, bias, positive=positive)


def _row_of(rows: tuple[Layer, ...], name: str) -> Layer:
    return next(row for row in rows if row.name == name)


def _find_affine(norm: Mapping[str, Array], row: Layer) -> tuple[Array, Array]:
    """Returns the factor and the shift of a batch norm's channels."""
    factor = norm["scale"] * jax.lax.rsqrt(norm["var"] + row.epsilon)
    return factor, norm["bias"] - norm["mean"] * factor


def _find_bounds(params: Params) -> tuple[Array, Array]:
    """Returns what black and white are behind the preprocessing, `[c]` each, in order."""
    scale, shift = params["input"]["scale"], params["input"]["shift"]
    return jnp.minimum(shift, scale + shift), jnp.maximum(shift, scale + shift)


def _multiply_dense(x: Array, kernel: Array) -> Array:
    return x.reshape(-1) @ kernel


def _convolve(row: Layer, x: Array, kernel: Array) -> Array:
    pads = tuple((pad, pad) for pad in row.pads)
    return conv.conv_general_dilated(
        x[None],
        kernel,
        (row.stride, row.stride),
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=row.groups,
    )[0]


def _share_others(
    row: Layer, params: Params, given: list[Array], y: Array, relevance: Array
) -> list[Array]:
    """Returns the relevance of what a row without a kernel reads."""
    if row.op in PASSED or row.op == "input":
        return [relevance]
    if row.op == "mul":
        return [relevance]  # the gates only choose how much of the map there is
    if row.op == "bn":
        factor, _ = _find_affine(params[row.name], row)
        return [given[0] * factor * relevance / stabilize(y, STABILIZER)]
    function = partial(_normalize, params[row.name]) if row.op == "ln" else _op_of(row)
    _, back = jax.vjp(function, *given)
    if row.op in ROUTED:
        return list(back(relevance))
    weights = back(relevance / stabilize(y, STABILIZER))
    return [x * weight for x, weight in zip(given, weights)]


def _op_of(row: Layer) -> Callable[..., Array]:
    return lambda *xs: OPS[row.op](*(x[None] for x in xs), row=row)[0]


def _normalize(own: Mapping[str, Array], x: Array) -> Array:
    """Returns a layer norm whose deviation counts as a constant (Ali et al., 2022)."""
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    deviation = jnp.sqrt(jnp.mean(centred**2, axis=-1, keepdims=True))
    return centred / jax.lax.stop_gradient(jnp.maximum(deviation, 1e-6)) * own["scale"]
