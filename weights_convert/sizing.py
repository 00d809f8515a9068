"""How large a named network is in a file: its classes, its channels, its images.

A head that was fine-tuned may have another number of classes, and may stand in a Sequential
with a dropout before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from jaxvis.nets import registry
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network
from weights_convert import vit_names
from weights_convert.fitting import Entry, Tables, WeightSet
from weights_convert.layout import OUTER_FIRST
from weights_convert.names import tokens
from weights_convert.names.parameters import list_parameters
from weights_convert.names.table import unify

MOST = 1_000_000
"""Classes or channels; a file that claims more is damaged."""


def resize(name: str, plain: Network, chosen: WeightSet, given: Mapping[str, Any]) -> Network:
    """Returns a network with as many classes and channels as a set of weights has.

    Args:
      name: the network's name in `jaxvis.nets.registry`.
      plain: the network as it is built without being told.
      chosen: the set of weights.
      given: further options of the network.
    """
    options = dict(given)
    first, last = _find_ends(plain)
    kernel, bias = chosen.found.get(f"{first.name}/kernel"), chosen.found.get(f"{last.name}/bias")
    if name not in registry.DRAWING:
        channels = 0 if kernel is None else _count_inputs(kernel)
        if 0 < channels < MOST and channels != plain.channels:
            options["channels"] = channels
        classes = 0 if bias is None else prod(bias.tensor.shape)
        if plain.scores and 0 < classes < MOST and classes != last.width:
            options["classes"] = classes
    if tokens.is_transformer(plain) and "input_size" not in given:
        options |= _find_input_size(plain, chosen)
    try:
        return plain if options == given else registry.build(name, **options)
    except ValueError:
        return plain  # it has no such option: the shapes that differ are listed


def find_head(
    net: Network, chosen: WeightSet, entries: Sequence[Entry], tables: Tables
) -> WeightSet:
    """Returns a set of weights with its head, if that is inside another module.

    `Sequential(Dropout, Linear)` in place of `fc` writes `fc.1.weight`. A head of two layers
    is another network, and is not taken.

    Args:
      net: the network.
      chosen: the set of weights.
      entries: the tensors of all files.
      tables: the network's names.
    """
    head = _find_ends(net)[1].name
    targets = {f"{head}/kernel", f"{head}/bias"}
    if not chosen.found or targets & chosen.found.keys():
        return chosen
    names = {name for table in tables.values() for name, row in table.items() if row in targets}
    heads = {name.rpartition(".")[0] for name in names}
    inside: dict[str, Entry] = {}
    for entry in entries:
        bare = chosen.strip(entry.name)
        if bare is not None and any(bare.startswith(f"{each}.") for each in heads):
            inside[bare] = entry
    kernels = [name for name in inside if name.endswith(".weight")]
    if len(kernels) != 1 or len(inside) > 2:
        return chosen
    bias = inside.get(kernels[0].removesuffix("weight") + "bias")
    more = {f"{head}/kernel": inside[kernels[0]]} | ({f"{head}/bias": bias} if bias else {})
    return replace(chosen, found=chosen.found | more)


def _find_ends(net: Network) -> tuple[Layer, Layer]:
    """Returns the first and the last row with a kernel."""
    rows = [row for row in net.rows if "kernel" in list_parameters(row)]
    return (rows[0], rows[-1]) if rows else (net.rows[0], net.rows[-1])


def _count_inputs(kernel: Entry) -> int:
    shape = kernel.tensor.shape
    if len(shape) != 4:
        return 0
    return shape[1] if kernel.naming in OUTER_FIRST else shape[2]


def _find_input_size(net: Network, chosen: WeightSet) -> dict[str, Any]:
    bare = {chosen.strip(each.name): each.tensor.shape for each in chosen.found.values()}
    held = {unify(name): shape for name, shape in bare.items() if name is not None}
    sources = vit_names.find_sources(held, {row.name for row in net.rows})
    size = vit_names.find_input_size(sources)
    return {} if size in (None, net.input_size) else {"input_size": size}
