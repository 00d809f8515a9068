"""Names of layers in Keras Applications, and which of its networks are others."""

import re

from jaxvis.network import Network

VGG = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
DENSE_ENDS = {
    "conv1_conv": "features.conv0",
    "conv1/conv": "features.conv0",
    "conv1_bn": "features.norm0",
    "conv1/bn": "features.norm0",
    "bn": "features.norm5",
    "predictions": "classifier",
    "fc1000": "classifier",
}
"""Layer outside the blocks -> row; older files write a slash for the first line."""
DENSE_EPSILON = 1.001e-5
"""What Keras' DenseNets add to the variance."""
LAYER = re.compile(r"features\.denseblock(\d)\.denselayer(\d+)\.(norm|conv)([12])")
TRANSITION = re.compile(r"features\.transition(\d)\.(norm|conv)")
OTHERS = {
    "resnet": "its blocks take their stride in the first convolution, and all have biases",
    "mobilenet": "its convolutions of stride 2 are padded on two sides only",
    "efficientnet": "its convolutions of stride 2 are padded on two sides only",
    "regnet": "its convolutions of stride 2 are padded on two sides only",
    "inception": "its convolutions of stride 2 and norms are others",
    "convnext": "it keeps its scales in layers of their own",
}
"""How the name of a network begins -> why Keras Applications' is another one."""


def list_layers(net: Network) -> dict[str, str]:
    """Returns the name of a layer -> the row.

    Args:
      net: the network.

    Raises:
      ValueError: if Keras' network of this name computes something else.
    """
    if net.name.startswith("vgg"):
        blocks = {re.sub(r"^conv(\d)_(\d)$", r"block\1_conv\2", r.name): r.name for r in net.rows}
        return VGG | blocks
    if net.name.startswith("densenet"):
        return DENSE_ENDS | _list_dense_blocks(net)
    return {}


def explain_difference(net: Network) -> str:
    """Returns why Keras Applications' network of this name is another one; "" if it is not.

    Args:
      net: the network.
    """
    kind = next((kind for kind in OTHERS if net.name.startswith(kind)), None)
    if kind is None:
        return ""
    return (
        f"Keras Applications' network of this name is another one than torchvision's, which "
        f"{net.name} is: {OTHERS[kind]}. Use weights of torch, or give the Keras model itself "
        "to jaxvis.from_keras"
    )


def _list_dense_blocks(net: Network) -> dict[str, str]:
    table = {}
    for row in net.rows:
        layer = re.fullmatch(
            r"features\.denseblock(\d)\.denselayer(\d+)\.(norm|conv)([12])", row.name
        )
        move = re.fullmatch(r"features\.transition(\d)\.(norm|conv)", row.name)
        if layer:
            # Keras counts norm, conv, norm, conv as 0_bn, 1_conv, 1_bn, 2_conv.
            norm = layer[3] == "norm"
            part = f"{int(layer[4]) - norm}_{'bn' if norm else 'conv'}"
            table[f"conv{int(layer[1]) + 1}_block{layer[2]}_{part}"] = row.name
        elif move:
            part = "bn" if move[2] == "norm" else "conv"
            table[f"pool{int(move[1]) + 1}_{part}"] = row.name
    return table
