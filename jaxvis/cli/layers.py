"""jaxvis layers: what a network is made of."""

import json
from typing import Any, Literal

from jaxvis.cli.flags import WEIGHTS, WeightsFlags
from jaxvis.cli.opening import open_net
from jaxvis.cli.parsing import parse_size
from jaxvis.generators.deep import GENERATORS
from jaxvis.generators.table_text import generator_table
from jaxvis.nets.registry import build
from jaxvis.nets.table.geometry import layers_table


def layers(
    net: str,
    /,
    *,
    pool: Literal["max", "avg"] | None = None,
    head: Literal["softmax", "linear", "relu"] | None = None,
    size: str | None = None,
    network: WeightsFlags = WEIGHTS,
) -> None:
    """Prints a network's layers: shape, receptive field, stride, offset, parameters.

    The names are those that --tap takes elsewhere. Fields, strides and offsets are in
    pixels of the image; parameters count what is trained. With --weights they are checked
    against the network, and what they were made from is printed after the table. For
    example: jaxvis layers vgg19 --size 256

    Args:
      net: the network's name, such as vgg16 or squeezenet1_1; a file that describes one,
        .toml or .py (your own Python is executed); or a generator's,
        despraz or despraz_decoder, which takes no flags.
      pool: for the VGG networks; max if left out.
      head: what follows the class scores; the network's own if left out.
      size: of the image in pixels, 224 or 224x320 (H x W), which fully connected
        layers are made for; the network's own if left out.

    Raises:
      ValueError: for an unknown network, option or size, or a file that does not fit.
      FileNotFoundError: if there is no such file.
    """
    given: dict[str, Any] = {"pool": pool, "head": head}
    given["input_size"] = parse_size(size) if size else None
    #: parse_size(size) if size else None}
    if net in GENERATORS:
        if network != WEIGHTS or any(option is not None for option in given.values()):
            raise ValueError(f"{net} has no options: leave the flags out")
        print(generator_table(GENERATORS[net]()))
        return
    if network.weights is None:
        counts: dict[str, Any] = {"classes": network.classes_count, "channels": network.channels}
        print(layers_table(build(net, **given, **counts)))
        return
    opened = open_net(net, network, **given)
    source = ", ".join(json.loads(opened.metadata.get("source") or "[]")) or "unknown"
    print(layers_table(opened.net))
    print(f"{network.weights} fits; converted from: {source}")
