"""The table from all names that a network's parameters have in files to our own."""

import re
from collections.abc import Callable

from jaxvis.network import Network
from weights_convert.names import hugging_face, keras, style, timm, tokens, torchvision
from weights_convert.names.parameters import list_parameters

LEAVES = {
    "kernel": ("weight", "kernel", "filters"),
    "bias": ("bias", "biases", "beta"),
    "scale": ("weight", "scale", "gamma"),
    "mean": ("running_mean", "moving_mean"),
    "var": ("running_var", "moving_variance"),
}
"""Our parameter -> the last part of its name in files."""
FAMILIES: dict[str, tuple[Callable[[Network], dict[str, str]], ...]] = {
    "torch": (
        hugging_face.list_layers,
        timm.list_layers,
        torchvision.list_layers,
        style.list_layers,
    ),
    "keras": (keras.list_layers,),
}
"""Naming -> functions that give the names of layers in files, where rows are called otherwise."""

Renamer = Callable[[str], str | None]


def list_names(naming: str, net: Network) -> dict[str, str]:
    """Returns every name that a parameter may have in a file -> ours, `row/leaf`.

    Args:
      naming: "torch", "caffe", "keras", "matconvnet" or "variables".
      net: the network.

    Raises:
      ValueError: if files of this naming hold another network of the same name.
    """
    if naming == "variables":
        return _number_variables(net)
    if naming == "torch":
        _check_torch(net)
    rows = {row.name: row for row in net.rows}
    layers = {name: name for name in rows}
    for family in FAMILIES.get(naming, ()):
        layers |= family(net)
    layers |= {row.file_name: row.name for row in net.rows if row.file_name}
    names = {
        unify(name): f"{row}/{leaf}"
        for layer, row in layers.items()
        for leaf in list_parameters(rows[row])
        for name in _spell(layer, leaf, rows[row].op)
    }
    apart = naming == "torch" and tokens.is_transformer(net)
    return names | tokens.list_names(net) if apart else names


def make_renamer(naming: str, net: Network) -> Renamer:
    """Returns the function from a tensor's name in a file to ours, `row/leaf`, or None.

    Args:
      naming: see `list_names`.
      net: the network.

    Raises:
      ValueError: as `list_names`.
    """
    table = list_names(naming, net)
    return lambda name: table.get(unify(name))


def unify(name: str) -> str:
    """Returns a name with dots between its parts, and without TensorFlow's ":0".

    Args:
      name: a tensor's name in a file.
    """
    return re.sub(r":\d+$", "", name).replace("/", ".")


def _spell(layer: str, leaf: str, op: str) -> list[str]:
    # A factor for every channel is no module's parameter: ConvNeXt's layer_scale.
    names = [layer] if op == "gain" else []
    return names + [f"{layer}.{each}" for each in LEAVES.get(leaf, (leaf,))]


def _check_torch(net: Network) -> None:
    if net.name == "googlenet":
        raise ValueError(
            "torchvision's GoogLeNet has batch norm and no LRN: it is not Caffe's, which this "
            "network is; convert Caffe's own file: "
            "jaxvis convert bvlc_googlenet.caffemodel --net googlenet"
        )
    if net.name.startswith("caffe"):
        raise ValueError(f"no torch file holds {net.name}: convert its .caffemodel")


def _number_variables(net: Network) -> dict[str, str]:
    """Returns TensorFlow's numbered names -> ours, for style networks.

    They are numbered in the order of the layers: kernel, shift and scale of each.

    Raises:
      ValueError: for another network: the numbers do not say which layers it has.
    """
    if net.name != "transform_same":
        raise ValueError(f"numbered variables are read as those of transform_same, not {net.name}")
    kernels = [row.name for row in net.rows if row.op in ("conv", "up")]
    norms = [row.name for row in net.rows if row.op == "inorm"]
    ours = [
        name
        for kernel, norm in zip(kernels, norms)
        for name in (f"{kernel}/kernel", f"{norm}/bias", f"{norm}/scale")
    ]
    return {f"Variable_{i}": name for i, name in enumerate(ours)}
