"""jaxvis layers: what a network is made of."""

import json
from pathlib import Path
from typing import Literal

from jaxvis.cli.parsing import parse_size
from jaxvis.generators.deep import GENERATORS, generator_table
from jaxvis.nets.registry import build
from jaxvis.nets.table.geometry import layers_table
from jaxvis.weights.file import read, read_metadata


def layers(
    net: str,
    /,
    *,
    pool: Literal["max", "avg"] | None = None,
    head: Literal["softmax", "linear", "relu"] | None = None,
    size: str | None = None,
    weights: Path | None = None,
) -> None:
    """Prints a network's layers: shape, receptive field, stride, offset, parameters.

    The names are those that --tap takes elsewhere. Fields, strides and offsets are in
    pixels of the image; parameters count what is trained. For example:
    jaxvis layers vgg19 --size 256

    Args:
      net: the network's name, such as vgg16 or squeezenet1_1; or a generator's,
        despraz or despraz_decoder, which takes no flags.
      pool: for the VGG networks; max if left out.
      head: what follows the class scores; the network's own if left out.
      size: of the image in pixels, 224 or 224x320 (H x W), which fully connected
        layers are made for; the network's own if left out.
      weights: a converted file; it is checked against the network, and what it says
        of itself is printed after the table.

    Raises:
      ValueError: for an unknown network, option or size, or a file that does not fit.
      FileNotFoundError: if there is no such file.
    """
    if net in GENERATORS:
        if any(flag is not None for flag in (pool, head, size, weights)):
            raise ValueError(f"{net} has no options: leave the flags out")
        print(generator_table(GENERATORS[net]()))
        return
    input_size = parse_size(size) if size else None
    network = build(net, pool=pool, head=head, input_size=input_size)
    lines = [layers_table(network)]
    if weights is not None:
        read(weights, network)
        facts = read_metadata(weights)
        source = ", ".join(json.loads(facts.get("source") or "[]")) or "unknown"
        lines.append(f"{weights} fits; converted from: {source}")
    print("\n".join(lines))
