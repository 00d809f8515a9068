"""All names of a vision transformer's parameters in files; `vit_names` says what they are."""

import re
from itertools import product

from jaxvis.network import Network
from weights_convert import vit_names

BLOCKS = (
    "blocks.{}",
    "layers.{}",
    "encoder.layer.{}",
    "encoder.layers.{}",
    "encoder.layers.encoder_layer_{}",
    "transformer.resblocks.{}",
)
"""How files write the number of a block."""


def is_transformer(net: Network) -> bool:
    """Says whether a network computes on tokens.

    Args:
      net: the network.
    """
    return any(row.op == "tokens" for row in net.rows)


def list_names(net: Network) -> dict[str, str]:
    """Returns every name that a parameter may have in a file -> ours, `row/leaf`.

    Where a file has a parameter in parts, the second one is called `row/leaf 1`.

    Args:
      net: a vision transformer.
    """
    rows = {row.name for row in net.rows}
    depth = sum(re.fullmatch(r"blocks\.\d+\.norm1", name) is not None for name in rows)
    names = [name for spelled in vit_names.TOKENS.values() for name in spelled]
    layers = [layer for spelled in vit_names.ENDS.values() for layer in spelled]
    inner = [layer for spelled in vit_names.PARTS.values() for layer in spelled]
    for i, block, layer in product(range(depth), BLOCKS, inner):
        layers.append(f"{block.format(i)}.{layer}")
    names += [_join(layer, leaf) for layer in layers for leaf in ("weight", "bias")]
    found = {name: vit_names.find_target(name, rows) for name in names}
    return {
        name: target[0] if target[1] == 0 else f"{target[0]} {target[1]}"
        for name, target in found.items()
        if target is not None and target[0].partition("/")[0] in rows
    }


def _join(layer: str, leaf: str) -> str:
    return f"{layer}_{leaf}" if layer.endswith("in_proj") else f"{layer}.{leaf}"
