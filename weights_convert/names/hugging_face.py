"""Names of layers in Hugging Face's transformers, where they differ."""

import re

from jaxvis.network import Network

CONVNEXT_BLOCK = {
    "block.0": "dwconv",
    "block.2": "layernorm",
    "block.3": "pwconv1",
    "block.5": "pwconv2",
    "layer_scale": "layer_scale_parameter",
}
PARTS = {"conv": "convolution", "bn": "normalization"}


def list_layers(net: Network) -> dict[str, str]:
    """Returns the name of a layer, without the "resnet." before it -> the row.

    Args:
      net: the network.
    """
    rows = [row.name for row in net.rows]
    if re.fullmatch(r"resnet\d+", net.name):
        return _list_resnet(rows)
    if net.name.startswith("convnext"):
        return _list_convnext(rows)
    return {}


def _list_resnet(rows: list[str]) -> dict[str, str]:
    table = {
        "embedder.embedder.convolution": "conv1",
        "embedder.embedder.normalization": "bn1",
        "classifier.1": "fc",
    }
    for row in rows:
        match = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))", row)
        if match is None:
            continue
        block = f"encoder.stages.{int(match[1]) - 1}.layers.{match[2]}"
        if match[3]:
            table[f"{block}.layer.{int(match[4]) - 1}.{PARTS[match[3]]}"] = row
        else:
            table[f"{block}.shortcut.{PARTS[('conv', 'bn')[int(match[5])]]}"] = row
    return table


def _list_convnext(rows: list[str]) -> dict[str, str]:
    table = {
        "embeddings.patch_embeddings": "features.0.0",
        "embeddings.layernorm": "features.0.1",
        "layernorm": "classifier.0",
        "classifier": "classifier.2",
    }
    for row in rows:
        if match := re.fullmatch(r"features\.(\d+)\.(\d+)\.(.+)", row):
            stage, part = (int(match[1]) - 1) // 2, CONVNEXT_BLOCK.get(match[3])
            table[f"encoder.stages.{stage}.layers.{match[2]}.{part}"] = row
        elif match := re.fullmatch(r"features\.([2468])\.([01])", row):
            stage = int(match[1]) // 2
            table[f"encoder.stages.{stage}.downsampling_layer.{match[2]}"] = row
    return table
