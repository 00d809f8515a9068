"""The layer where a class activation map is taken: which one, and what depends on it."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax

from jaxvis.compiler import jit
from jaxvis.loss.algebra import Algebra
from jaxvis.nets.table.layers import Layer, shapes, sources
from jaxvis.network import Network
from jaxvis.types import Array, Params, Taps


def choose_layer(
    net: Network,
    params: Params,
    *,
    layer: str | None = None,
    tap: str | tuple[str, ...] | None = None,
    size: tuple[int, int] | None = None,
) -> str:
    """Chooses the layer where a class activation map is taken, or checks a given one.

    The default is the last tap with maps of more than one cell on which the explained tap
    depends: the last one before the global mean or the fully connected layers. Patches of a
    vision transformer count as a map, as far as an attention follows that reads them.

    Args:
      net, params: the network.
      layer: a tap with maps `[h, w, c]`; None takes the default.
      tap: the tap, or the taps, whose score is explained; None is the class scores, or the
        last tap of a network without.
      size: (H, W) of the image in pixels; None is the native size.

    Returns:
      str: the name of the layer.

    Raises:
      ValueError: for an unknown tap, a layer without spatial extent, a layer on which what is
        explained does not depend, or where there is no layer to take.

    >>> import jaxvis
    >>> from jaxvis.attribution.cam.layers import choose_layer
    >>> choose_layer(*jaxvis.load("demo"))
    'relu4_2'
    """
    wanted = net.check_taps(tap or net.scores or net.taps[-1])
    at = list_shapes(net, params, size or net.input_size)
    maps = [name for name in net.taps if name != "input" and is_map(at[name])]
    if layer is not None:
        net.check_taps(layer)
        if layer not in maps:
            raise ValueError(
                f"{layer!r} of {net.name} has no spatial extent, {at[layer]}: the layer of a map "
                f"has more than one cell; such are {', '.join(maps) or 'none here'}"
            )
    known = find_influences(net.rows, wanted) if net.rows else None

    def reaches(name: str) -> bool:
        return name in known if known else _reaches(net, params, name, wanted, at)

    if layer in wanted or (layer is not None and reaches(layer)):
        return layer or ""
    before = maps[: maps.index(layer)] if layer in maps else maps
    default = next((m for m in reversed(before) if m not in wanted and reaches(m)), None)
    what = " and ".join(map(repr, wanted))
    if layer is not None:
        raise ValueError(
            f"{what} of {net.name} does not depend on {layer!r}, which is computed after it or "
            f"beside it: pass another layer{f', such as {default!r}' if default else ''}"
        )
    if default is None:
        raise ValueError(f"{what} of {net.name} depends on no map, so that nothing has a place")
    return default


def is_map(shape: tuple[int, ...]) -> bool:
    """Says whether a tap of this shape is a map of more than one cell.

    Args:
      shape: the tap's shape.
    """
    return len(shape) == 3 and shape[0] * shape[1] > 1


def list_shapes(
    net: Network, params: Params, size: tuple[int, int]
) -> Mapping[str, tuple[int, ...]]:
    """Lists the shapes of all taps, without computing them.

    Args:
      net, params: the network.
      size: (H, W) of the image in pixels.
    """
    if net.rows:
        return shapes(net.rows, size)
    image = jax.ShapeDtypeStruct((*size, net.channels), "float32")
    found = _compute_taps.eval_shape(net, net.taps, params, image)
    return {name: tuple(value.shape) for name, value in found.items()}


def list_reads(net: Network, params: Params, item: Algebra, size: tuple[int, int]) -> Any:
    """Lists the taps that an objective reads; all of the network where that is not known.

    Args:
      net, params: the network.
      item: the objective, leaves `[...]` of one score.
      size: (H, W) of the image in pixels.
    """
    if item.taps is not None:
        return item.taps
    at = list_shapes(net, params, size)
    taps = {name: jax.ShapeDtypeStruct(at[name], "float32") for name in net.taps}
    names: dict[str, None] = {}

    class Reader(dict):
        """Taps that keep in mind which of them were asked for."""

        def __getitem__(self, name: str) -> Any:
            names[name] = None
            return super().__getitem__(name)

    jax.eval_shape(lambda values: item(Reader(values)), taps)
    return tuple(names) or net.taps


def find_influences(rows: tuple[Layer, ...], wanted: Iterable[str]) -> frozenset[str]:
    """Finds the taps of a table on which others depend.

    Of a sequence of tokens the patches and the class token are told apart, because only an
    attention mixes them.

    Args:
      rows: the table.
      wanted: names of the taps that depend on them; they are among what is found.
    """
    reads, table = sources(rows), {row.name: row for row in rows}
    sequences = {row.inputs[0] for row in rows if row.op in ("patches", "token")}
    found: set[tuple[str, str]] = set()
    queue = [(name, "") for name in wanted]
    while queue:
        name, part = queue.pop()
        if (name, part) in found:
            continue
        found.add((name, part))
        row = table[name]
        if row.op in ("patches", "token"):
            queue.append((row.inputs[0], row.op))
        elif row.op == "tokens":
            queue += [(source, "") for source in reads[name] if part == "patches"]
        elif row.op == "attention":
            queue += [(source, kind) for source in reads[name] for kind in ("patches", "token")]
        else:
            queue += [(source, part) for source in reads[name]]
    views = {(row.inputs[0], row.op): row.name for row in rows if row.inputs}
    named = {name for name, part in found if not part and name not in sequences}
    return frozenset(named | {views[one] for one in found if one in views})


def _reaches(
    net: Network,
    params: Params,
    layer: str,
    wanted: tuple[str, ...],
    at: Mapping[str, tuple[int, ...]],
) -> bool:
    """Says whether taps change with a layer, by what is traced."""
    image, value = (jax.ShapeDtypeStruct(at[name], "float32") for name in ("input", layer))
    closed = compute_behind.trace(net, (layer,), wanted, params, image, (value,)).jaxpr
    changed = {closed.jaxpr.invars[-1]}
    for equation in closed.jaxpr.eqns:
        if any(not hasattr(atom, "val") and atom in changed for atom in equation.invars):
            changed.update(equation.outvars)
    return any(not hasattr(atom, "val") and atom in changed for atom in closed.jaxpr.outvars)


@jit(static_argnums=(0, 1))
def _compute_taps(net: Network, names: tuple[str, ...], params: Params, image: Array) -> Taps:
    found = net.apply(params, image, stop=names)
    return {name: found[name] for name in names}


@jit(static_argnums=(0, 1, 2))
def compute_behind(
    net: Network,
    layers: tuple[str, ...],
    wanted: tuple[str, ...],
    params: Params,
    image: Array,
    values: tuple[Array, ...],
) -> Taps:
    """Computes taps of an image in which some layers have other values than their own.

    Args:
      net: the network.
      layers: taps.
      wanted: names of the taps that are computed.
      params: the network's parameters.
      image: `[H, W, C]`.
      values: `[h, w, c]` or `[d]`, one for each of the layers.
    """
    found = net.apply(params, (image, *values), start=("input", *layers), stop=wanted)
    return {name: found[name] for name in wanted}
