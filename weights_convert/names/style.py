"""The style networks of PyTorch's collection of examples -> rows of `transform_plain`."""

import re

from jaxvis.network import Network

NAME = "transform_plain"
"""The network whose checkpoints these are."""
DROPPED = re.compile(r"(^|\.)(in\d+\.running_(mean|var)|(?:conv\d|deconv[12])\.conv2d\.bias)$")
"""Running statistics, which the first of them kept and no instance norm uses, and biases
that the norm behind them takes out again."""
ENDS = {f"conv{i}.conv2d": f"conv{i}" for i in (1, 2, 3)}
ENDS |= {f"in{i}": f"norm{i}" for i in (1, 2, 3)}
UP = {"deconv1.conv2d": "up1", "in4": "up1_norm", "deconv2.conv2d": "up2", "in5": "up2_norm"}
LAST = {"deconv3.conv2d": "image"}


def list_layers(net: Network) -> dict[str, str]:
    """Returns the name of a layer -> the row.

    Args:
      net: the network.
    """
    if net.name != NAME:
        return {}
    table = ENDS | UP | LAST
    for row in net.rows:
        if match := re.fullmatch(r"res(\d+)_(conv|norm)([12])", row.name):
            part = f"conv{match[3]}.conv2d" if match[2] == "conv" else f"in{match[3]}"
            table[f"res{match[1]}.{part}"] = row.name
    return table
