"""timm's names of layers, and those of the authors' own code, where they differ."""

import re

from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

VGG = {"pre_logits.fc1": "fc6", "pre_logits.fc2": "fc7", "head.fc": "fc8"}
CONVNEXT_BLOCK = {
    "block.0": ("conv_dw", "dwconv"),
    "block.2": ("norm", "norm"),
    "block.3": ("mlp.fc1", "pwconv1"),
    "block.5": ("mlp.fc2", "pwconv2"),
    "layer_scale": ("gamma", "gamma"),
}
"""Row inside a block of ConvNeXt -> timm's name, and that of the authors."""
REGNET_BLOCK = {
    "proj.0": "downsample.conv",
    "proj.1": "downsample.bn",
    "f.a.0": "conv1.conv",
    "f.a.1": "conv1.bn",
    "f.b.0": "conv2.conv",
    "f.b.1": "conv2.bn",
    "f.se.fc1": "se.fc1",
    "f.se.fc2": "se.fc2",
    "f.c.0": "conv3.conv",
    "f.c.1": "conv3.bn",
}
MOBILE_STAGES = {
    "mobilenet_v2": (1, 2, 3, 4, 3, 3, 1),
    "mobilenet_v3_small": (1, 2, 3, 2, 3),
    "mobilenet_v3_large": (1, 2, 3, 4, 2, 3),
}
"""Name -> how many blocks timm has in each stage; torchvision numbers them without stages."""
MOBILE_BLOCK = {
    2: ("conv_dw", "bn1", "conv_pw", "bn2"),
    3: ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"),
}
"""Convolutions of a block -> timm's names of them and of the norms behind them."""


def list_layers(net: Network) -> dict[str, str]:
    """Returns timm's (or the authors') name of a layer -> the row.

    Args:
      net: the network.
    """
    rows = [row.name for row in net.rows]
    if net.name.startswith(("vgg", "alexnet")) and net.name != "vgg_m":
        return VGG
    if net.name.startswith("convnext"):
        return _list_convnext(rows)
    if net.name.startswith("regnet"):
        return _list_regnet(rows)
    if net.name in MOBILE_STAGES:
        return _list_mobile(net)
    if net.name.startswith("efficientnet"):
        return _list_efficient(net)
    return {}


def _list_convnext(rows: list[str]) -> dict[str, str]:
    table = {
        "stem.0": "features.0.0",
        "stem.1": "features.0.1",
        "downsample_layers.0.0": "features.0.0",
        "downsample_layers.0.1": "features.0.1",
        "head.norm": "classifier.0",
        "norm": "classifier.0",
        "head.fc": "classifier.2",
        "head": "classifier.2",
    }
    for row in rows:
        if match := re.fullmatch(r"features\.(\d+)\.(\d+)\.(.+)", row):
            stage, block, part = (int(match[1]) - 1) // 2, match[2], match[3]
            theirs, authors = CONVNEXT_BLOCK.get(part, ("", ""))
            table[f"stages.{stage}.blocks.{block}.{theirs}"] = row
            table[f"stages.{stage}.{block}.{authors}"] = row
        elif match := re.fullmatch(r"features\.([2468])\.([01])", row):
            stage = int(match[1]) // 2
            table[f"stages.{stage}.downsample.{match[2]}"] = row
            table[f"downsample_layers.{stage}.{match[2]}"] = row
    return table


def _list_regnet(rows: list[str]) -> dict[str, str]:
    table = {"stem.conv": "stem.0", "stem.bn": "stem.1", "head.fc": "fc"}
    for row in rows:
        match = re.fullmatch(r"trunk_output\.block(\d)\.block\d-(\d+)\.(.+)", row)
        if match and match[3] in REGNET_BLOCK:
            table[f"s{match[1]}.b{int(match[2]) + 1}.{REGNET_BLOCK[match[3]]}"] = row
    return table


def _list_efficient(net: Network) -> dict[str, str]:
    table = _name_ends(net, head="conv_head", norm="bn2")
    blocks = _group_blocks(net, r"(features\.\d+\.\d+)\.block\..+")
    for name, rows in blocks.items():
        _, stage, block = name.split(".")
        table |= _name_block(f"blocks.{int(stage) - 1}.{block}", rows)
    return table


def _list_mobile(net: Network) -> dict[str, str]:
    counts = MOBILE_STAGES[net.name]
    places = [(stage, block) for stage, count in enumerate(counts) for block in range(count)]
    if net.name == "mobilenet_v2":
        table = _name_ends(net, head="conv_head", norm="bn2")
    else:
        table = _name_ends(
            net, head=f"blocks.{len(counts)}.0.conv", norm=f"blocks.{len(counts)}.0.bn1"
        )
        table["conv_head"] = "classifier.0"
    blocks = _group_blocks(net, r"(features\.\d+)\.(?:conv|block)\..+")
    for (stage, block), rows in zip(places, blocks.values()):
        table |= _name_block(f"blocks.{stage}.{block}", rows)
    return table


def _name_ends(net: Network, *, head: str, norm: str) -> dict[str, str]:
    """Returns the table of the first and last rows; `head` is the last convolution."""
    last = max(int(row.name.split(".")[1]) for row in net.rows if row.name.startswith("features."))
    classifier = [row.name for row in net.rows if row.op == "fc"][-1]
    return {
        "conv_stem": "features.0.0",
        "bn1": "features.0.1",
        head: f"features.{last}.0",
        norm: f"features.{last}.1",
        "classifier": classifier,
    }


def _group_blocks(net: Network, pattern: str) -> dict[str, list[Layer]]:
    """Returns the name of a block -> its rows that have parameters."""
    found: dict[str, list[Layer]] = {}
    for row in net.rows:
        match = re.fullmatch(pattern, row.name)
        if match and row.op in ("conv", "bn", "fc"):
            found.setdefault(match[1], []).append(row)
    return found


def _name_block(block: str, rows: list[Layer]) -> dict[str, str]:
    squeeze = [row.name for row in rows if row.op == "fc"]
    others = [row.name for row in rows if row.op != "fc"]
    table = dict(zip(MOBILE_BLOCK[len(others) // 2], others))
    table |= dict(zip(("se.conv_reduce", "se.conv_expand"), squeeze))
    return {f"{block}.{theirs}": row for theirs, row in table.items()}
