"""torchvision's names of layers, where the rows of a table are called otherwise."""

import re

from jaxvis.network import Network

FIRES = {
    "squeezenet1_0": (3, 4, 5, 7, 8, 9, 10, 12),
    "squeezenet1_1": (3, 4, 6, 7, 9, 10, 11, 12),
}
"""Version -> torchvision's indices of fire2 to fire9 in `features`."""
CLASSIFIERS = {
    "vgg": ("classifier.0", "classifier.3", "classifier.6"),
    "alexnet": ("classifier.1", "classifier.4", "classifier.6"),
}
DENSE = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])$")


def list_layers(net: Network) -> dict[str, str]:
    """Returns torchvision's name of a layer -> the row.

    Args:
      net: the network; () for one whose rows have torchvision's names.
    """
    if net.name in FIRES:
        return _list_fires(net.name)
    kind = next((kind for kind in CLASSIFIERS if net.name.startswith(kind)), None)
    if kind is not None and net.name != "vgg_m":
        # Behind the input row, the rows are those of torch's Sequential, one to one.
        rows = enumerate(net.rows[1:])
        table = {f"features.{i}": row.name for i, row in rows if row.op != "fc"}
        return table | dict(zip(CLASSIFIERS[kind], ("fc6", "fc7", "fc8")))
    # torchvision's first DenseNets wrote norm.1 for norm1.
    old = {DENSE.sub(r"\1.\2", row.name): row.name for row in net.rows}
    return {layer: row for layer, row in old.items() if layer != row}


def _list_fires(name: str) -> dict[str, str]:
    table = {"features.0": "conv1", "classifier.1": "conv10"}
    for number, index in enumerate(FIRES[name], 2):
        for part in ("squeeze", "expand1x1", "expand3x3"):
            row = part + "1x1" * (part == "squeeze")
            table[f"features.{index}.{part}"] = f"fire{number}/{row}"
    return table
